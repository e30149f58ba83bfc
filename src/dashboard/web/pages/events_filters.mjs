// The bar above the events: each change goes into the address at once, so that the address can be shared.

import { get, whole } from "../api.mjs";
import { html, useEffect, useRef, useState } from "../lib.mjs";
import { go, link, setQuery } from "../router.mjs";
import { Field } from "../ui/form.mjs";
import { useNarrow } from "../ui/list.mjs";
import { useLoad } from "../ui/load.mjs";
import { count, fromLocalInput, localInput } from "../ui/text.mjs";
import { SPANS, STATES, idKind, isFiltered } from "./events_filter.mjs";

/** Typing rests for so long before it is looked for, ms. */
const REST = 400;

/** @typedef {import("./events_filter.mjs").Filter} Filter */

/** @param {{filter: Filter}} props */
export function Filters({ filter }) {
  const isNarrow = useNarrow();
  /** @param {Partial<Filter>} change */
  const put = (change) => setQuery({ ...filter, ...change });
  const more = html`
    <${LabelField} filter=${filter} put=${put} />
    <${Field} name="status" label="Deliveries" value=${filter.status} onInput=${(/** @type {string} */ status) => put({ status })}
      options=${[["", "any state"], ...STATES]} />
    <${CodeField} filter=${filter} put=${put} />
    <${WebhookField} filter=${filter} put=${put} />
    <${TimeFields} filter=${filter} put=${put} />`;
  return html`<form class="event-filters" role="search" aria-label="Filter the events" onSubmit=${(/** @type {Event} */ e) => e.preventDefault()}>
    <${Search} filter=${filter} put=${put} />
    ${isNarrow ? html`<details><summary>${wordsOf(filter)}</summary><div class="more">${more}</div></details>` : more}
    ${isFiltered(filter) ? html`<button type="button" onClick=${() => setQuery({})}>Clear filters</button>` : null}
  </form>`;
}

/** What is set besides the search, in words. @param {Filter} filter */
function wordsOf({ label, status, code, webhook, since, until }) {
  const span = until ? null : SPANS.find(([word]) => word === since);
  const set = [label, status, code, webhook && "one webhook", span ? span[1] : since || until ? "exact times" : ""].filter(Boolean);
  return `Filters: ${set.length > 0 ? set.join(", ") : "none"}`;
}

/** @typedef {{filter: Filter, put: (change: Partial<Filter>) => void}} PartProps */

/** A text that follows the address, and may be ahead of it while somebody types. @param {string} given */
function useDraft(given) {
  const [draft, setDraft] = useState(given);
  const last = useRef(given);
  if (last.current !== given) {
    last.current = given;
    // What is put into the address has lost the space that somebody is about to go on behind.
    if (draft.trim() !== given) setDraft(given);
  }
  return /** @type {[string, (text: string) => void]} */ ([draft, setDraft]);
}

/** @param {PartProps} props */
function Search({ filter, put }) {
  const [text, setText] = useDraft(filter.q);
  const [error, setError] = useState(/** @type {string|null} */ (null));
  const timer = useRef(0);
  const abort = useRef(new AbortController());
  const stop = () => {
    clearTimeout(timer.current);
    abort.current.abort();
  };
  useEffect(() => stop, []);
  /** @param {string} value */
  const look = async (value) => {
    stop();
    const kind = idKind(value);
    if (kind === "webhook") return go(link("webhooks", value.trim()));
    if (kind === null) return put({ q: value.trim() });
    const { signal } = abort.current = new AbortController();
    try {
      const found = await get(`v1/history/${encodeURIComponent(value.trim())}`, {}, { signal });
      go(found.type === "delivery" ? link("events", found.event_id, { delivery: found.id }) : link("events", found.id));
    } catch (problem) {
      if (!signal.aborted) setError(problem.status === 404 ? "There is no event and no delivery with this id. Perhaps it is older than what is kept." : problem.message);
    }
    return undefined;
  };
  /** @param {string} value */
  const onInput = (value) => {
    setText(value);
    setError(null);
    stop();
    timer.current = setTimeout(look, REST, value);
  };
  return html`<div class="search">
    <${Field} name="q" type="search" label="Search" value=${text} onInput=${onInput} error=${error} maxlength="200"
      placeholder="part of a path or subject, or a whole id"
      onKeyDown=${(/** @type {KeyboardEvent} */ e) => { if (e.key === "Enter") look(text); }} />
  </div>`;
}

/** @param {PartProps} props */
function LabelField({ filter, put }) {
  const [label, setLabel] = useDraft(filter.label);
  const rules = useLoad((signal) => whole("v1/rules", signal), []);
  const labels = [...new Set((rules.data ?? []).map((/** @type {any} */ rule) => rule.label))];
  const isWrong = label !== "" && !/^[A-Za-z0-9_.:-]+$/.test(label);
  return html`<${Field} name="label" label="Event" value=${label} list=${labels} placeholder="any label" maxlength="200"
    error=${isWrong ? "A label has letters, digits and _ . : - only." : null}
    onInput=${(/** @type {string} */ text) => { setLabel(text); if (text === "" || labels.includes(text)) put({ label: text }); }}
    onChange=${() => { if (!isWrong && label !== filter.label) put({ label }); }} />`;
}

/** @param {PartProps} props */
function CodeField({ filter, put }) {
  const [code, setCode] = useDraft(filter.code);
  const [isWrong, setWrong] = useState(false);
  const isCode = (/** @type {string} */ text) => /^[1-5][0-9]{2}$/.test(text);
  return html`<${Field} name="code" label="Response" value=${code} placeholder="any code" inputmode="numeric" maxlength="3"
    error=${isWrong ? "A code is 100 to 599." : null}
    onInput=${(/** @type {string} */ text) => {
      setCode(text);
      setWrong(false);
      if (text === "" || isCode(text)) put({ code: text });
    }}
    onChange=${() => setWrong(code !== "" && !isCode(code))} />`;
}

/** @param {PartProps} props */
function WebhookField({ filter, put }) {
  const webhooks = useLoad((signal) => whole("v1/webhooks", signal), []);
  const known = (webhooks.data ?? []).map((/** @type {any} */ webhook) => [webhook.id, webhook.name]);
  const hint = webhooks.data?.isCut ? `The ${count(known.length)} newest. Of another, its page lists the deliveries.` : null;
  const isKnown = !filter.webhook || known.some((/** @type {any} */ [id]) => id === filter.webhook);
  return html`<${Field} name="webhook" label="For webhook" value=${filter.webhook} onInput=${(/** @type {string} */ webhook) => put({ webhook })}
    hint=${hint} options=${[["", "any"], ...known, ...(isKnown ? [] : [[filter.webhook, filter.webhook]])]} />`;
}

/** @param {PartProps} props */
function TimeFields({ filter, put }) {
  const isSpan = SPANS.some(([word]) => word === filter.since) && !filter.until;
  const isGiven = !isSpan && Boolean(filter.since || filter.until);
  const [isExact, setExact] = useState(false);
  const hasTimes = isGiven || isExact;
  /** @param {string} word */
  const choose = (word) => {
    setExact(word === "exact");
    if (word !== "exact") put({ since: word, until: "" });
    else if (isSpan) put({ since: "", until: "" });
  };
  const isTurned = Boolean(filter.since && filter.until) && Date.parse(filter.since) >= Date.parse(filter.until);
  return html`
    <${Field} name="time" label="Time" value=${hasTimes ? "exact" : filter.since} onInput=${choose}
      options=${[["", "any"], ...SPANS.map(([word, text]) => [word, text]), ["exact", "exact times ..."]]} />
    ${hasTimes ? html`<div class="times">
      <${Field} name="since" type="datetime-local" step="1" label="From (local time)" value=${localInput(isSpan ? "" : filter.since)}
        onInput=${(/** @type {string} */ text) => put({ since: fromLocalInput(text) })} />
      <${Field} name="until" type="datetime-local" step="1" label="Until (local time)" value=${localInput(filter.until)}
        error=${isTurned ? "This is before the beginning." : null}
        onInput=${(/** @type {string} */ text) => put({ until: fromLocalInput(text) })} /></div>` : null}`;
}

