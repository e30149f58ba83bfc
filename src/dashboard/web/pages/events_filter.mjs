// Which events are asked for: as the address of the page says it, as the API takes it, and as far as
// the page can judge it by itself.

/** @typedef {{q: string, label: string, status: string, code: string, webhook: string, since: string, until: string}} Filter */

export const STATES = ["pending", "held", "delivered", "failed", "cancelled"];

/** Spans that end now: word in the address, what people read, minutes. @type {[string, string, number][]} */
export const SPANS = [["15m", "last 15 minutes", 15], ["1h", "last hour", 60], ["24h", "last day", 1440], ["7d", "last week", 10_080]];

/** @param {Record<string, string>} query of the address @returns {Filter} */
export function filterOf(query) {
  const { q = "", label = "", status = "", code = "", webhook = "", since = "", until = "" } = query;
  return { q, label, status, code, webhook, since, until };
}

/** Whether anything is left out. @param {Filter} filter */
export const isFiltered = (filter) => Object.values(filter).some(Boolean);

/** What the API is asked. A span is counted back from `now`, ms. @param {Filter} filter @param {number} now */
export function paramsOf(filter, now) {
  const span = SPANS.find(([word]) => word === filter.since);
  return { ...filter, since: span ? new Date(now - span[2] * 60_000).toISOString() : filter.since };
}

/**
 * Whether a new event fits, by what lists say of it.
 * @param {Record<string, string>} params of `paramsOf` @param {any} event
 */
export function fits({ label, code, since, until }, event) {
  const at = Date.parse(event.created_at);
  return (!label || event.label === label) && (!code || event.status === Number(code))
    && (!since || at >= Date.parse(since)) && (!until || at < Date.parse(until));
}

/** What only sidehook can judge: then the list is asked for anew. @param {Filter} filter */
export const mustAsk = ({ q, status, webhook }) => Boolean(q || status || webhook);

const ID = /^(evt_|del_|wh_)?([0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$/i;

/** A whole id, as it was pasted: "webhook", "event" (or a delivery); null: it is none. @param {string} text */
export function idKind(text) {
  const found = ID.exec(text.trim());
  if (!found) return null;
  return found[1]?.toLowerCase() === "wh_" ? "webhook" : "event";
}
