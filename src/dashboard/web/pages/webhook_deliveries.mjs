// The deliveries of one webhook, live, by what the address says.

import { get } from "../api.mjs";
import { html, useCallback, useEffect, useRef, useState } from "../lib.mjs";
import { useChanges } from "../live.mjs";
import { link, place, setQuery } from "../router.mjs";
import { Code, State } from "../ui/badge.mjs";
import { Field } from "../ui/form.mjs";
import { Loaded, useLoad } from "../ui/load.mjs";
import { act } from "../ui/notice.mjs";
import { Time, counted, fromLocalInput, localInput, millis } from "../ui/text.mjs";
import { STATES } from "./events_filter.mjs";
import { wants } from "./webhook_draft.mjs";

const PAGE = 50;
/** So many are kept; further back the filters lead. */
const N_MAX = 1_000;
/** Looking for those that wait, at most so often, ms. */
const LOOK_EVERY = 3_000;

/**
 * A page of them: a filtered one may come empty although there are more.
 * @param {string} path @param {Record<string, any>} filter @param {AbortSignal} [signal]
 * @returns {Promise<{data: any[], next: any}>}
 */
async function page(path, filter, signal) {
  const data = [];
  let cursor = filter.cursor ?? null;
  for (let n = 0; n < 20 && data.length < PAGE; n += 1) {
    const some = await get(path, { ...filter, cursor, limit: PAGE }, { signal });
    data.push(...some.data);
    cursor = some.next;
    if (!cursor) break;
  }
  return { data, next: cursor };
}

/**
 * @param {{webhook: any, query: Record<string, string>, onFailed: (delivery: any) => void}} props
 * `onFailed` hears of failed attempts.
 */
export function DeliveriesOf({ webhook, query, onFailed }) {
  const { id } = webhook;
  const { status = "", event = "", since = "" } = query;
  const path = `v1/webhooks/${id}/deliveries`;
  const filter = { status, event, since };
  const asked = path + JSON.stringify(filter);
  const of = useLoad((signal) => page(path, filter, signal), [id, status, event, since]);
  const [isBusy, setBusy] = useState(false);
  const [fresh, setFresh] = useState(/** @type {any[]} */ ([]));
  const box = useRef(/** @type {HTMLElement|null} */ (null));
  useEffect(() => setFresh([]), [id, status, event, since]);
  const rows = /** @type {any[]} */ (of.data?.data ?? []);
  useEffect(() => {
    const failed = rows.filter((row) => row.error && row.timestamp);
    if (failed.length) onFailed(failed.reduce((a, b) => (b.timestamp > a.timestamp ? b : a)));
  }, [of.data]);
  const isWanted = (/** @type {any} */ one) => (
    (!status || one.status === status) && (!event || one.event === event) && (!since || one.created_at >= since));
  /** What is new, or new about them. @param {any[]} mine */
  const take = (mine) => {
    if (mine.length === 0 || !of.data) return;
    mine.filter((one) => one.error && one.timestamp).forEach(onFailed);
    const byId = new Map(mine.map((one) => [one.id, one]));
    const known = new Set(rows.map((row) => row.id));
    const news = [...byId.values()].filter((one) => !known.has(one.id) && isWanted(one) && (!of.data?.next || rows.length === 0 || one.created_at >= rows[rows.length - 1].created_at));
    // What somebody points at or stands on must not move away under them.
    const isHeld = rows.length > 0 && (box.current?.matches(":hover") || box.current?.contains(document.activeElement));
    const updated = rows.map((row) => byId.get(row.id) ?? row).filter(isWanted);
    setFresh(isHeld ? merge(news, fresh, isWanted, byId) : []);
    of.put({ ...of.data, data: isHeld ? updated : merge(news, [...fresh, ...updated], isWanted, byId).slice(0, Math.max(PAGE, rows.length)) });
  };
  /** @param {{data: any[], next: any}} more */
  const append = (more) => of.put({ data: merge([], [...rows, ...more.data], () => true, new Map()).slice(0, N_MAX), next: more.next });
  // For answers, which come when all this may be another.
  const latest = useRef({ asked, take, append });
  latest.current = { asked, take, append };
  // The stream tells of a delivery when it has been tried; that one waits is seen in the list alone. A look that fails is
  // made up for by the next.
  const look = useSometimes((signal) => get(path, { ...filter, limit: PAGE }, { signal }).then(({ data }) => latest.current.take(data), () => {}), asked);
  useChanges(({ delivery, event: events }) => {
    take(delivery.filter((one) => one.webhook_id === id));
    if (events.some((one) => webhook.events.some((/** @type {string} */ pattern) => wants(pattern, one.label)))) look();
  });
  useEffect(look, [webhook.status]);
  const showFresh = () => {
    of.put({ next: of.data?.next, data: merge([], [...fresh, ...rows], isWanted, new Map()).slice(0, N_MAX) });
    setFresh([]);
  };
  const older = async () => {
    setBusy(true);
    const more = await act(() => page(path, { ...filter, cursor: of.data?.next }));
    if (more && latest.current.asked === asked) latest.current.append(more);
    setBusy(false);
  };
  const isFiltered = Boolean(status || event || since);
  return html`<section aria-labelledby="wh-deliveries"><div class="heading"><h2 id="wh-deliveries">Deliveries</h2></div>
    <${Filters} query=${query} webhook=${webhook} />
    <${Loaded} of=${of} what="the deliveries"><div ref=${box}>
      <div aria-live="polite">${fresh.length ? html`<button type="button" class="small wh-fresh" onClick=${showFresh}>Show ${counted(fresh.length, "new delivery", "new deliveries")}</button>` : null}</div>
      ${rows.length === 0 ? html`<p class="card quiet">${isFiltered ? "No delivery is like this." : "Nothing has been sent to it yet. Its deliveries appear here as events come."}</p>` : html`
      <div class="table wh-deliveries"><table>
        <caption class="unseen">Deliveries, newest first</caption>
        <thead><tr><th scope="col">State</th><th scope="col">Event</th><th scope="col">Came</th><th scope="col">Answer</th><th scope="col" class="n">Time</th><th scope="col" class="n">Attempts</th><th scope="col">Next, or what failed</th></tr></thead>
        <tbody>${rows.map((row) => html`<${Row} key=${row.id} of=${row} />`)}</tbody></table></div>`}
      ${of.data?.next && rows.length < N_MAX ? html`<button type="button" disabled=${isBusy} onClick=${older}>${isBusy ? "Loading ..." : "Show older ones"}</button>` : null}
      ${rows.length >= N_MAX ? html`<p class="quiet">More are not shown at a time; narrow them with the filters.</p>` : null}
    </div><//></section>`;
}

/**
 * What it gives runs `action` soon, and not again before `LOOK_EVERY` has gone by; `of` another thing: what is under way is let go.
 * @param {(signal: AbortSignal) => void} action @param {string} of
 */
function useSometimes(action, of) {
  const state = useRef({ timer: 0, last: 0, action, abort: new AbortController() });
  state.current.action = action;
  useEffect(() => {
    const now = state.current;
    now.abort = new AbortController();
    return () => { clearTimeout(now.timer); now.timer = 0; now.abort.abort(); };
  }, [of]);
  return useCallback(() => {
    const now = state.current;
    if (now.timer) return;
    now.timer = setTimeout(() => {
      now.timer = 0;
      now.last = Date.now();
      if (!document.hidden) now.action(now.abort.signal);
    }, Math.max(300, now.last + LOOK_EVERY - Date.now()));
  }, []);
}

/** Newest first, each once, as it is by now. @param {any[]} news @param {any[]} rows @param {(row: any) => boolean} isWanted @param {Map<string, any>} now */
function merge(news, rows, isWanted, now) {
  const all = new Map([...news, ...rows].map((row) => [row.id, now.get(row.id) ?? row]));
  return [...all.values()].filter(isWanted).sort((a, b) => (a.created_at < b.created_at ? 1 : a.created_at > b.created_at ? -1 : a.id < b.id ? 1 : -1));
}

/** @param {{query: Record<string, string>, webhook: any}} props */
function Filters({ query, webhook }) {
  const { status = "", event = "", since = "" } = query;
  const [label, setLabel] = useState(event);
  useEffect(() => setLabel(event), [event]);
  const labels = webhook.events.filter((/** @type {string} */ one) => !one.includes("*"));
  const put = (/** @type {Record<string, string|null|undefined>} */ change) => setQuery({ ...place.get().query, ...change });
  // Half a label is a question that the server refuses or answers with nothing: it is asked when it is done.
  return html`<form class="filters wh-filters" role="search" onSubmit=${(/** @type {Event} */ e) => { e.preventDefault(); put({ event: label.trim() }); }} onChange=${() => put({ event: label.trim() })}>
    <${Field} name="status" label="State" value=${status} options=${[["", "any"], ...STATES]} onInput=${(/** @type {string} */ to) => put({ status: to, event: label.trim() })} />
    <${Field} name="event" label="Event label" value=${label} list=${labels} placeholder="any" onInput=${setLabel} />
    <${Field} name="since" type="datetime-local" label="Since" value=${localInput(since)} onInput=${(/** @type {string} */ text) => put({ since: fromLocalInput(text), event: label.trim() })} />
    ${status || event || since ? html`<button type="button" onClick=${() => put({ status: null, event: null, since: null })}>Show all</button>` : null}
  </form>`;
}

/** @param {{of: any}} props */
function Row({ of }) {
  const isWaiting = of.status === "pending" && of.next_attempt_at;
  return html`<tr>
    <td><${State} of=${of.status} /></td>
    <td><a href=${link("events", of.event_id)}>${of.event}</a></td>
    <td data-name="Came"><${Time} at=${of.created_at} /></td>
    <td data-name="Answer">${of.attempts ? html`<${Code} of=${of.response_code} />` : html`<span class="quiet">–</span>`}</td>
    <td data-name="Time" class="n">${millis(of.response_time_ms)}</td>
    <td data-name="Attempts" class="n">${of.attempts}</td>
    <td class="wh-why">${isWaiting && of.attempts ? html`again <${Time} at=${of.next_attempt_at} ago />${of.error ? ": " : ""}` : null}${of.error ? html`<span class="wh-error" title=${of.error}>${of.error}</span>` : null}</td>
  </tr>`;
}
