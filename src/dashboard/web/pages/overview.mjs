// How it goes: the figures of now, the webhooks that need somebody, what has failed, and the course of the last
// minutes, hour or day. What is wrong with sidehook itself stands in the banner above.

import { html, useCell, useMemo } from "../lib.mjs";
import { status } from "../status.mjs";
import { Chart } from "../ui/chart.mjs";
import { count, millis } from "../ui/text.mjs";
import { rateNow, useFailed, useLines } from "./overview_data.mjs";
import { LatestFailed, Queues } from "./overview_lists.mjs";
import { rate, Tiles } from "./overview_tiles.mjs";
import { NoFigures, RangeChoice, rangeOf, sum, useSeries } from "./series.mjs";
import { worstFirst } from "./webhook_rank.mjs";

/** Between two answers, ms: beside the charts, the figures of now are made of them. */
const EVERY = 5_000;
/** Webhooks whose course is shown: as many as one question takes. */
const N_COURSES = 50;

/** @param {{query: Record<string, string>}} props */
export function Overview({ query }) {
  const { data } = useCell(status);
  const [range, , words] = rangeOf(query.range, "15m");
  const all = /** @type {any[]} */ (data?.webhooks ?? []);
  // The order is that of the page of webhooks, which goes by the last hour whatever the charts show.
  const hour = useSeries("1h", useMemo(() => all.map(({ id }) => id), [data])).data?.of;
  const webhooks = useMemo(() => worstFirst(all, hour), [data, hour]);
  const series = useSeries(range, webhooks.slice(0, N_COURSES).map(({ id }) => id), EVERY);
  const recent = useSeries(range === "15m" ? null : "15m", [], EVERY);
  const now = range === "15m" ? series.data : recent.data;
  const failed = useFailed();
  const figures = {
    calls: rateNow(now, now?.calls), matched: rateNow(now, now?.matched), events: rateNow(now, now?.events), allEvents: sum(series.data?.events),
    failed: sum(series.data?.deliveries.failed), failedAttempts: sum(series.data?.attempts.failed),
  };
  return html`
    <div class="heading"><h1>Overview</h1>
      <${RangeChoice} query=${query} usual="15m" />
    </div>
    <${Tiles} status=${data} figures=${figures} words=${words} />
    <div class="overview-lists">
      <${Queues} webhooks=${data ? webhooks : null} series=${series.data?.of} words=${words} />
      <${LatestFailed} of=${failed} webhooks=${data ? webhooks : null} />
    </div>
    <${Charts} data=${series.data} now=${now} problem=${series.problem ?? recent.problem} words=${words} />`;
}

/** @param {{data: any, now: any, problem: any, words: string}} props `now`: the series of the last 15 minutes */
function Charts({ data, now, problem, words }) {
  const lines = useLines(data, now);
  const shared = {
    until: Date.parse(data?.until ?? 0), since: Date.parse(data?.since ?? 0), step: data?.step_seconds ?? 5,
    format: rate, least: 0.1,
  };
  const none = (/** @type {string} */ what) => `no ${what} in the last ${words}`;
  return html`<section aria-label=${`The last ${words}`}>
    <h2>The last ${words}</h2>
    <${NoFigures} problem=${problem} />
    <div class="overview-charts">
      <${Chart} title="Calls" unit="per second" ...${shared} lines=${lines?.calls ?? null} none=${none("calls")} />
      <${Chart} title="Events" unit="per second" ...${shared} lines=${lines?.events ?? null} none=${none("events")} />
      <${Chart} title="Delivery attempts" unit="per second" ...${shared} lines=${lines?.attempts ?? null} none=${none("attempts")} />
      <${Chart} title="Waiting deliveries" ...${shared} format=${count} least=${1} lines=${lines?.waiting ?? null} none=${`nothing waited in the last ${words}`} />
      <${Chart} title="Commit latency" ...${shared} format=${millis} lines=${lines?.commit ?? null} none=${none("commits")} />
    </div>
  </section>`;
}
