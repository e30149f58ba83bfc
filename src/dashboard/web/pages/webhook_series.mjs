// The course of webhooks over time, of `/v1/series`, read again as its steps go by.

import { get } from "../api.mjs";
import { html, useEffect } from "../lib.mjs";
import { setQuery } from "../router.mjs";
import { useLoad } from "../ui/load.mjs";

/** As many webhooks as one question takes. */
const N_ASKED = 50;
/** The time between two answers, ms, by the range. */
const EVERY = { "15m": 5_000, "1h": 20_000, "24h": 60_000 };

/** @typedef {keyof typeof EVERY} Range */
/** @type {[Range, string, string][]} */
const RANGES = [["15m", "15 m", "last 15 minutes"], ["1h", "1 h", "last hour"], ["24h", "24 h", "last 24 hours"]];

/** The range that the query says, and what it is called. @param {Record<string, string>} query */
export const rangeOf = (query) => RANGES.find(([key]) => key === query.range) ?? RANGES[1];

/**
 * `of` by the webhook's id; null until there is an answer.
 * @param {Range} range @param {string[]} ids
 * @returns {{of: Map<string, any>, until: number, since: number, step: number}|null}
 */
export function useSeries(range, ids) {
  const all = ids.join();
  const asked = useLoad(async (signal) => {
    const of = new Map();
    let last = null;
    for (let i = 0; i < ids.length; i += N_ASKED) {
      last = await get("v1/series", { range, webhooks: ids.slice(i, i + N_ASKED).join() }, { signal });
      for (const one of last.webhooks) of.set(one.id, one);
    }
    return last && { of, until: Date.parse(last.until), since: Date.parse(last.since), step: last.step_seconds };
  }, [range, all]);
  useEffect(() => {
    // Hundreds of webhooks are many questions: more seldom then.
    const timer = setInterval(() => { if (!document.hidden) asked.reload(); }, EVERY[range] * Math.ceil(ids.length / 200 || 1));
    return () => clearInterval(timer);
  }, [range, all]);
  return asked.data;
}

/** Which range the charts show. @param {{query: Record<string, string>}} props */
export function RangeChoice({ query }) {
  const [now] = rangeOf(query);
  return html`<div class="choice" role="group" aria-label="Range of the charts">${RANGES.map(([key, short, long]) => html`
    <button type="button" aria-pressed=${key === now} aria-label=${`${short}: the ${long}`}
      onClick=${() => setQuery({ ...query, range: key === "1h" ? null : key })}>${short}</button>`)}</div>`;
}
