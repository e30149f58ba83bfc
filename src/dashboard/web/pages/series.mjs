// The course of things over time, of `/v1/series`, asked again as its steps go by; and the choice of its range.

import { get } from "../api.mjs";
import { html, useRef } from "../lib.mjs";
import { setQuery } from "../router.mjs";
import { useAgain, useLoad } from "../ui/load.mjs";

/** As many webhooks as one question takes. */
const N_ASKED = 50;

/** @typedef {"15m"|"1h"|"24h"} Range */
/** What the button says, what stands behind "the last", the time between two answers, ms. @type {[Range, string, string, number][]} */
const RANGES = [["15m", "15 min", "15 minutes", 5_000], ["1h", "1 h", "hour", 20_000], ["24h", "24 h", "24 hours", 60_000]];

/** The range of a key, or the `usual` one. @param {string|undefined} key @param {Range} [usual] */
export const rangeOf = (key, usual) => RANGES.find(([one]) => one === key) ?? /** @type {typeof RANGES[0]} */ (RANGES.find(([one]) => one === usual));

/**
 * The series of a range, with those of webhooks in `of`, by id; null: not there yet. What was there stays when a question fails.
 * @param {Range|null} range null: nothing is asked @param {string[]} ids @param {number} [every] ms
 * @returns {{data: any, problem: any}}
 */
export function useSeries(range, ids, every = rangeOf(range ?? "15m")[3]) {
  const latest = useRef(ids);
  latest.current = ids;
  const load = useLoad(async (signal) => {
    const of = new Map();
    let last = null;
    for (let i = 0; range && (i === 0 || i < latest.current.length); i += N_ASKED) {
      last = await get("v1/series", { range, webhooks: latest.current.slice(i, i + N_ASKED).join() }, { signal });
      for (const one of last.webhooks) of.set(one.id, one);
    }
    return last && { ...last, of };
  }, [range, ids.length > 0]);
  // Hundreds of webhooks are many questions: more seldom then.
  useAgain(load, range ? every * Math.ceil(ids.length / 200 || 1) : 0);
  // Those of another range are none of this one.
  return { data: load.data?.range === range ? load.data : null, problem: load.problem };
}

/** The sum over a series; null where nothing was measured. @param {(number|null)[]|undefined} values */
export function sum(values) {
  const known = values?.filter((n) => n !== null) ?? [];
  return known.length === 0 ? null : known.reduce((a, b) => a + b, 0);
}

/** Which range the charts show. @param {{query: Record<string, string>, usual: Range}} props */
export function RangeChoice({ query, usual }) {
  const [now] = rangeOf(query.range, usual);
  return html`<div class="choice" role="group" aria-label="Range of the charts">${RANGES.map(([key, short, long]) => html`
    <button type="button" aria-pressed=${key === now} title=${`The last ${long}`}
      onClick=${() => setQuery({ ...query, range: key === usual ? null : key })}>${short}</button>`)}</div>`;
}

/** Why the charts do not go on. @param {{problem: any}} props */
export const NoFigures = ({ problem }) => problem && html`<p class="notice warn" role="status"><strong>No new figures for the charts:</strong>
  ${" "}${problem.message}. They are asked for again by themselves.</p>`;
