// What the overview makes of the series, and the deliveries that failed last.

import { get } from "../api.mjs";
import { useMemo } from "../lib.mjs";
import { useChanges } from "../live.mjs";
import { useLoad } from "../ui/load.mjs";
import { sum } from "./series.mjs";

const FAILED = 6;

/**
 * Counts per step as rates. A step that sidehook has seen a part of only (its start, the running one) counts as that
 * part, or not at all where it is too short to say anything.
 * @param {any} data a series @param {any} now the one of 15 minutes, whose end is the server's clock within 5 s
 * @returns {(counts: (number|null)[]) => (number|null)[]}
 */
function ratesOf(data, now) {
  const step = data.step_seconds * 1000;
  const until = Date.parse(data.until);
  const since = Date.parse(data.since);
  const seen = step < 60_000 ? until - step : Date.parse(now.until) - 2_500;
  const least = Math.min(10_000, step / 2);
  return (counts) => counts.map((n, i) => {
    const end = until - (counts.length - 1 - i) * step;
    const covered = Math.min(end, seen) - Math.max(end - step, since);
    return n === null || covered < least ? null : (n * 1000) / covered;
  });
}

/**
 * The lines of the charts.
 * @param {any} data a series, or null @param {any} now the one of 15 minutes, or null
 */
export function useLines(data, now) {
  return useMemo(() => {
    if (!data || !now) return null;
    const rate = ratesOf(data, now);
    return {
      calls: /** @type {import("../ui/chart.mjs").Line[]} */ ([
        { name: "calls", values: rate(data.calls), tone: "quiet", kind: "area" },
        { name: "matched", values: rate(data.matched), tone: "accent", kind: "line" },
        { name: "upstream errors", values: rate(data.upstream_errors), tone: "bad", kind: "bar" },
      ]),
      events: /** @type {import("../ui/chart.mjs").Line[]} */ ([
        { name: "events", values: rate(data.events), tone: "accent", kind: "area" },
      ]),
      attempts: /** @type {import("../ui/chart.mjs").Line[]} */ ([
        { name: "failed attempts", values: rate(data.attempts.failed), tone: "bad", kind: "bar" },
        { name: "accepted", values: rate(data.attempts.delivered), tone: "good", kind: "bar" },
      ]),
      commit: /** @type {import("../ui/chart.mjs").Line[]} */ ([
        { name: "p50", values: data.commit_ms.p50, tone: "accent", kind: "line" },
        { name: "p99", values: data.commit_ms.p99, tone: "warn", kind: "line", dash: "4 3" },
      ]),
      waiting: /** @type {import("../ui/chart.mjs").Line[]} */ ([
        { name: "waiting", values: data.waiting, tone: "wait", kind: "area" },
      ]),
    };
  }, [data, now]);
}

/**
 * The rate of the last finished steps, per second; of several, because one step of 5 s holds few calls.
 * @param {any} data the series of 15 minutes @param {(number|null)[]|undefined} values
 */
export function rateNow(data, values) {
  const last = values?.slice(-4, -1).filter((n) => n !== null) ?? [];
  return last.length === 0 ? null : (sum(last) ?? 0) / last.length / data.step_seconds;
}

/** The latest failed deliveries, live. */
export function useFailed() {
  const load = useLoad((signal) => get("v1/deliveries", { status: "failed", limit: FAILED }, { signal }), []);
  useChanges(({ delivery }) => {
    const data = load.data?.data;
    if (!data || delivery.length === 0) return;
    /** @type {Map<string, any>} */
    const known = new Map(data.map((/** @type {any} */ one) => [one.id, one]));
    let isOther = false;
    let isShort = false;
    for (const one of delivery) {
      if (one.status === "failed") known.set(one.id, one);
      else if (!known.delete(one.id)) continue;
      else isShort = true;
      isOther = true;
    }
    if (!isOther) return;
    // One that is tried again makes room for an older one, which only the server knows.
    if (isShort && load.data?.next) return load.reload();
    const sorted = [...known.values()].sort((a, b) => String(b.timestamp).localeCompare(String(a.timestamp)));
    load.put({ data: sorted.slice(0, FAILED), next: sorted.length > FAILED ? "more" : load.data?.next ?? null });
  });
  return load;
}
