// One event: what was called, where it went, how that ended, and what can be done about it.

import { address, get, Problem, send } from "../api.mjs";
import { html, useCell, useEffect, useMemo, useRef, useState } from "../lib.mjs";
import { connection, useChanges } from "../live.mjs";
import { link } from "../router.mjs";
import { session } from "../session.mjs";
import { ask, status } from "../status.mjs";
import { Code, Deliveries as Counts, Method } from "../ui/badge.mjs";
import { Copy } from "../ui/copy.mjs";
import { JsonText } from "../ui/json_text.mjs";
import { Loaded, useLoad } from "../ui/load.mjs";
import { Long } from "../ui/body.mjs";
import { count, Time } from "../ui/text.mjs";
import { Call } from "./event_call.mjs";
import { DeliveryCard } from "./event_delivery.mjs";
import { Replay } from "./event_replay.mjs";

/** Deliveries that are drawn at once. */
const SLICE = 20;
/** The worst first. */
const ORDER = ["failed", "held", "pending", "cancelled", "delivered"];

/**
 * An event as it is shown: the API's answer, and its text, because the text alone is exact.
 * @typedef {{event: any, json: JsonText, delivery: string|null}} Shown
 */

/** @param {{id: string, query: Record<string, string>}} props `id`: an event's or a delivery's, in any spelling */
export function Event({ id, query }) {
  /** What the stream has told and no answer has had yet. */
  const fresh = useRef(/** @type {Map<string, any>} */ (new Map()));
  const [, redraw] = useState(0);
  const loaded = useLoad(async (signal) => {
    const known = new Map(fresh.current);
    const shown = await load(id, signal);
    // What was told before the question is in the answer.
    for (const [key, delivery] of known) if (fresh.current.get(key) === delivery) fresh.current.delete(key);
    return shown;
  }, [id]);
  const { data, reload } = loaded;
  useChanges((changes) => {
    let isOurs = false;
    for (const delivery of changes.delivery) {
      if (delivery.event_id !== data?.event.id) continue;
      fresh.current.set(delivery.id, delivery);
      isOurs = true;
    }
    if (isOurs) redraw((n) => n + 1);
  });
  useEffect(() => {
    if (data) showCanonical(id, data.event.id, data.delivery ?? query.delivery);
  }, [data]);
  const call = useMemo(() => (data ? html`<${Call} event=${data.event} json=${data.json} />` : null), [data]);
  if (loaded.problem?.status === 404 && !data) return html`<${Gone} id=${id} />`;
  if (!data) return html`<h1>Event</h1><${Loaded} of=${loaded} what="the event" />`;
  const deliveries = withFresh(data.event.deliveries, fresh.current);
  return html`
    <${Head} event=${data.event} deliveries=${deliveries} />
    ${loaded.problem ? html`<p class="notice warn" role="status">It could not be loaded anew: ${loaded.problem.message}
      <button type="button" class="small" disabled=${loaded.loading} onClick=${reload}>Try again</button></p>` : null}
    <${DeliveryList} event=${data.event} deliveries=${deliveries} first=${data.delivery ?? query.delivery ?? null}
      onDone=${() => { if (connection.get() !== "live") reload(); }} />
    ${call}`;
}

/** @param {string} id @param {AbortSignal} signal @returns {Promise<Shown>} */
async function load(id, signal) {
  let event = id;
  let delivery = null;
  if (!/^evt_[0-9a-f]{32}$/.test(id)) {
    const found = await get(`v1/history/${encodeURIComponent(id)}`, {}, { signal });
    if (found.type === "delivery") delivery = found.id;
    event = found.type === "delivery" ? found.event_id : found.id;
  }
  const response = await send(address(`v1/events/${encodeURIComponent(event)}`), { signal });
  try {
    if (!/json/.test(response.headers.get("content-type") ?? "")) throw new Error("not from sidehook");
    const json = new JsonText(await response.text());
    // Bodies may be long and deep: they are read where they are shown.
    const [request, answer] = ["request", "response"].map((side) => parsed(json, /** @type {any} */ (json.member(json.root, side)), ["body"]));
    return { event: { ...parsed(json, json.root, ["request", "response"]), request, response: answer }, json, delivery };
  } catch (error) {
    if (signal.aborted) throw error;
    throw new Problem({ status: 0, code: "broken", message: "the answer broke off, or is not sidehook's" });
  }
}

/** An object's members but some. @param {JsonText} json @param {{from: number, to: number}} of @param {string[]} without */
function parsed(json, of, without) {
  const members = json.members(of).filter(([name]) => !without.includes(name));
  return Object.fromEntries(members.map(([name, place]) => [name, JSON.parse(json.raw(place))]));
}

/** @param {any[]} known @param {Map<string, any>} fresh */
function withFresh(known, fresh) {
  const ids = new Set(known.map(({ id }) => id));
  // Nothing changes its place under the eyes of who reads it: the order is that of when it was loaded.
  const sorted = known.toSorted((a, b) => ORDER.indexOf(a.status) - ORDER.indexOf(b.status));
  return [...sorted.map((delivery) => fresh.get(delivery.id) ?? delivery), ...[...fresh.values()].filter(({ id }) => !ids.has(id))];
}

/**
 * The address says the event's own id, so that it can be shared; a delivery's stays in the query. The place
 * is not told: the page is here already.
 * @param {string} asked @param {string} id @param {string|null|undefined} delivery
 */
function showCanonical(asked, id, delivery) {
  if (asked !== id) history.replaceState(null, "", link("events", id, { delivery }));
}

/** @param {{id: string}} props */
function Gone({ id }) {
  return html`<h1>No such event</h1>
    <div class="notice warn" role="alert">
      <p>sidehook has no event and no delivery with the id <code>${id.slice(0, 200)}</code>.</p>
      <p>Either the id is not complete, or the event was removed: finished events are kept for <code>[store] retain</code>,
        and shorter when the store reaches <code>[store] max_size</code>.</p>
    </div>
    <p class="actions"><a class="button" href=${link("events", { q: id.slice(0, 200) })}>Search for it</a>
      <a class="button" href=${link("events")}>All events</a></p>`;
}

/** @param {{event: any, deliveries: any[]}} props */
function Head({ event, deliveries }) {
  /** @type {Record<string, number>} */
  const counts = {};
  for (const { status } of deliveries) counts[status] = (counts[status] ?? 0) + 1;
  return html`<header class="ev-head">
    <div class="heading">
      <h1>${event.label}</h1>
      ${event.tag ? html`<span class="badge quiet" title="The rule's tag">${event.tag}</span>` : null}
      ${event.depth > 0 ? html`<span class="badge warn" title="A webhook of sidehook stands before this call: so many are in the chain.">chain of ${event.depth}</span>` : null}
      <span class="actions">
        <a class="button" href=${link("rules", "test", { event: event.id })}>Test against the rules</a>
        <a class="button" href=${link("events", { label: event.label })}>Events like this</a>
      </span>
    </div>
    <p class="ev-line"><${Method} of=${event.method} /> <code><${Long} text=${event.url} limit=${200} /></code> <${Code} of=${event.status} /></p>
    <dl class="ev-facts">
      <div><dt>Time</dt><dd><${Time} at=${event.created_at} /> <span class="quiet">(<${Time} at=${event.created_at} ago />)</span></dd></div>
      ${event.subject === null ? null : html`<div><dt>Subject</dt><dd><${Long} text=${event.subject} /></dd></div>`}
      <div><dt>Deliveries</dt><dd><${Counts} of=${counts} /></dd></div>
      <div><dt>Event id</dt><dd><code>${event.id}</code> <${Copy} text=${event.id} what="the event's id" /></dd></div>
    </dl>
  </header>`;
}

/** @param {{event: any, deliveries: any[], first: string|null, onDone: () => void}} props */
function DeliveryList({ event, deliveries, first, onDone }) {
  const { access } = useCell(session);
  const [isReplaying, setReplaying] = useState(false);
  const [shown, setShown] = useState(SLICE);
  const [begun] = useState(() => opened(deliveries, first));
  const webhooks = useCell(status).data?.webhooks;
  // One that was made just now is not known yet, and must not be called deleted for long.
  const isUnknown = webhooks !== undefined && deliveries.some(({ webhook_id: id }) => !webhooks.some((/** @type {any} */ webhook) => webhook.id === id));
  useEffect(() => { if (isUnknown) ask(); }, [isUnknown]);
  const some = deliveries.filter(({ id }, i) => i < shown || id === first);
  return html`<section aria-labelledby="ev-deliveries">
    <div class="heading">
      <h2 id="ev-deliveries">Deliveries</h2>
      ${access === "full" ? html`<span class="actions"><button type="button" onClick=${() => setReplaying(true)}>Replay to …</button></span>` : null}
    </div>
    ${deliveries.length === 0 ? html`<p class="card quiet">No webhook wanted this event when it happened.
      ${access === "full" ? " \"Replay to …\" sends it to one that did not exist then." : ""}</p>` : null}
    ${some.map((delivery) => html`<${DeliveryCard} key=${delivery.id} delivery=${delivery} isFirst=${delivery.id === begun} isNamed=${delivery.id === first} onDone=${onDone} />`)}
    ${deliveries.length > some.length ? html`<button type="button" onClick=${() => setShown(shown + SLICE)}>
      Show more of the other ${count(deliveries.length - some.length)}</button>` : null}
    ${isReplaying ? html`<${Replay} event=${event} deliveries=${deliveries} onClose=${() => setReplaying(false)} onDone=${onDone} />` : null}
  </section>`;
}

/** Which one is open at the beginning: the one that was asked for, one that failed, or the only one. @param {any[]} deliveries @param {string|null} first */
function opened(deliveries, first) {
  if (first && deliveries.some(({ id }) => id === first)) return first;
  const [worst] = deliveries;
  const isWrong = worst && (worst.status === "failed" || worst.error !== null);
  return isWrong || deliveries.length === 1 ? worst.id : null;
}
