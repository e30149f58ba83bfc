// How it goes: the figures of now, the webhooks that need somebody, what has failed, and the course of the last
// minutes, hour or day. What is wrong with sidehook itself stands in the banner above.

import { html, useCell } from "../lib.mjs";
import { setQuery } from "../router.mjs";
import { status } from "../status.mjs";
import { Chart } from "../ui/chart.mjs";
import { count, millis } from "../ui/text.mjs";
import { rateNow, sum, useFailed, useLines, useSeries } from "./overview_data.mjs";
import { LatestFailed, Queues, worstFirst } from "./overview_lists.mjs";
import { rate, Tiles } from "./overview_tiles.mjs";

/** @typedef {import("./overview_data.mjs").Range} Range */

/** @type {[Range, string, string][]} */
const RANGES = [["15m", "15 min", "15 minutes"], ["1h", "1 h", "hour"], ["24h", "24 h", "24 hours"]];

/** @param {{query: Record<string, string>}} props */
export function Overview({ query }) {
  const { data } = useCell(status);
  const [range, , words] = RANGES.find(([key]) => key === query.range) ?? RANGES[0];
  const webhooks = worstFirst(data?.webhooks ?? []);
  const series = useSeries(range, webhooks.map((/** @type {any} */ webhook) => webhook.id));
  const failed = useFailed();
  const figures = {
    calls: rateNow(series.now, series.now?.calls), matched: rateNow(series.now, series.now?.matched),
    events: rateNow(series.now, series.now?.events), allEvents: sum(series.data?.events),
    failed: sum(series.data?.deliveries.failed), failedAttempts: sum(series.data?.attempts.failed),
  };
  return html`
    <div class="heading"><h1>Overview</h1>
      <div class="choice" role="group" aria-label="Range of the charts">${RANGES.map(([key, short, long]) => html`
        <button type="button" aria-pressed=${key === range} title=${`The last ${long}`}
          onClick=${() => setQuery({ ...query, range: key === "15m" ? null : key })}>${short}</button>`)}</div>
    </div>
    <${Tiles} status=${data} figures=${figures} words=${words} />
    <div class="overview-lists">
      <${Queues} webhooks=${data ? webhooks : null} series=${series.data?.webhooks ?? null} words=${words} />
      <${LatestFailed} of=${failed} webhooks=${webhooks} />
    </div>
    <${Charts} series=${series} words=${words} />`;
}

/** @param {{series: {data: any, now: any, problem: any}, words: string}} props */
function Charts({ series: { data, now, problem }, words }) {
  const lines = useLines(data, now);
  const shared = {
    until: data ? Date.parse(data.until) : 0, since: data ? Date.parse(data.since) : 0, step: data?.step_seconds ?? 5,
    format: rate, least: 0.1,
  };
  const none = (/** @type {string} */ what) => `no ${what} in the last ${words}`;
  return html`<section aria-label=${`The last ${words}`}>
    <h2>The last ${words}</h2>
    ${problem ? html`<p class="notice warn" role="status"><strong>No new figures for the charts:</strong> ${problem.message}. It is tried again every few seconds.</p>` : null}
    <div class="overview-charts">
      <${Chart} title="Calls" unit="per second" ...${shared} lines=${lines?.calls ?? null} none=${none("calls")} />
      <${Chart} title="Events" unit="per second" ...${shared} lines=${lines?.events ?? null} none=${none("events")} />
      <${Chart} title="Delivery attempts" unit="per second" ...${shared} lines=${lines?.attempts ?? null} none=${none("attempts")} />
      <${Chart} title="Waiting deliveries" ...${shared} format=${count} least=${1} lines=${lines?.waiting ?? null} none=${`nothing waited in the last ${words}`} />
      <${Chart} title="Commit latency" ...${shared} format=${millis} lines=${lines?.commit ?? null} none=${none("commits")} />
    </div>
  </section>`;
}
