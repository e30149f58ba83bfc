// One webhook: how it is, what to do, how it went, and what was sent.

import { get } from "../api.mjs";
import { serverNow } from "../clock.mjs";
import { html, useCallback, useCell, useRef, useState } from "../lib.mjs";
import { useChanges } from "../live.mjs";
import { link } from "../router.mjs";
import { session } from "../session.mjs";
import { status } from "../status.mjs";
import { State } from "../ui/badge.mjs";
import { Chart } from "../ui/chart.mjs";
import { Copy } from "../ui/copy.mjs";
import { Loaded, useLoad } from "../ui/load.mjs";
import { count, millis } from "../ui/text.mjs";
import { NoFigures, RangeChoice, rangeOf, useSeries } from "./series.mjs";
import { Actions } from "./webhook_actions.mjs";
import { DeliveriesOf } from "./webhook_deliveries.mjs";
import { Facts } from "./webhook_facts.mjs";
import { Health, totals } from "./webhook_health.mjs";
import { Recoveries } from "./webhook_recover.mjs";
import { Warnings } from "./webhook_secret.mjs";

/** @param {{id: string, query: Record<string, string>}} props */
export function Webhook({ id, query }) {
  const of = useLoad((signal) => get(`v1/webhooks/${id}`, {}, { signal }), [id]);
  const [isGone, setGone] = useState(false);
  const isMine = useRef(false);
  // Or the news of it was missed while sidehook was away.
  const isLost = isGone || (of.problem?.status === 404 && of.data !== null);
  useChanges(({ webhook: changes }) => {
    const now = changes.findLast((one) => one.id === of.data?.id);
    if (now?.deleted) setGone(!isMine.current);
    else if (now) of.put(now);
  });
  return html`<p class="wh-back"><a href=${link("webhooks")}>Webhooks</a></p>
    ${of.data ? null : html`<h1>Webhook</h1>`}
    <${Loaded} of=${of} what="the webhook">${of.data && html`
      ${isLost ? html`<p class="notice bad" role="alert"><strong>This webhook was deleted</strong> by somebody else. What you see is how it was; nothing goes out to it any more.${" "}
        <a href=${link("webhooks")}>To the webhooks</a></p>` : null}
      <${Page} webhook=${of.data} query=${query} isGone=${isLost} put=${of.put} onDelete=${(/** @type {boolean} */ mine) => { isMine.current = mine; }} />`}<//>`;
}

/** @param {{webhook: any, query: Record<string, string>, isGone: boolean, put: (webhook: any) => void, onDelete: (mine: boolean) => void}} props */
function Page({ webhook, query, isGone, put, onDelete }) {
  const { access } = useCell(session);
  const { data: now } = useCell(status);
  const [last, setLast] = useState(/** @type {any} */ (null));
  const [began, setBegan] = useState(0);
  const { id, name, url } = webhook;
  const [range, , words] = rangeOf(query.range, "1h");
  const over = `last ${words}`;
  const { data: series, problem } = useSeries(range, [id]);
  const queue = now?.webhooks?.find((/** @type {any} */ one) => one.id === id);
  const mayChange = access === "full" && !isGone;
  const onFailed = useCallback((/** @type {any} */ one) => (
    setLast((/** @type {any} */ known) => (known && known.timestamp >= one.timestamp ? known : one))), []);
  const sums = totals(series?.of.get(id));
  useLastFailed(id, queue, webhook.status !== "active" || sums.failed > 0, onFailed);
  return html`
    <div class="heading wh-heading"><h1>${name}</h1><${State} of=${webhook.status} />
      <span class="badge quiet">${webhook.source === "config" ? "of the configuration file" : "of the API"}</span>
      ${mayChange ? html`<${Actions} webhook=${webhook} queue=${queue} onChange=${put} onDelete=${onDelete} onRecovery=${() => setBegan((n) => n + 1)} />` : null}
    </div>
    <p class="wh-target"><span class="method">${webhook.method}</span> <span class="mono">${url}</span> <${Copy} text=${url} what="the URL" /></p>
    <${Warnings} of=${webhook} />
    <${Health} webhook=${webhook} queue=${queue} last=${last} sums=${series && sums} over=${over} mayChange=${mayChange} />
    <${Recoveries} id=${id} began=${began} mayChange=${mayChange} />
    <section aria-label="Charts"><div class="heading wh-range"><h2>How it went</h2><${RangeChoice} query=${query} usual="1h" /></div>
      <${NoFigures} problem=${problem} />
      <${Charts} series=${series} course=${series?.of.get(id)} over=${over} /></section>
    <div class="wh-columns"><${Facts} of=${webhook} />
      <${DeliveriesOf} webhook=${webhook} query=${query} onFailed=${onFailed} /></div>`;
}

/**
 * The newest failed attempt, looked for once where something is wrong: among those that wait longest (these are the
 * ones that are tried), then among those given up. `tell` gets it.
 * @param {string} id @param {any} queue @param {boolean} isWrong @param {(one: any) => void} tell
 */
function useLastFailed(id, queue, isWrong, tell) {
  const isKnown = isWrong && queue !== undefined;
  useLoad(async (signal) => {
    if (!isKnown) return null;
    const until = queue.oldest_seconds === null ? undefined : new Date(serverNow() - queue.oldest_seconds * 1000 + 30_000).toISOString();
    const ask = (/** @type {string} */ state) => get(`v1/webhooks/${id}/deliveries`, { status: state, limit: 50, until: state === "failed" ? undefined : until }, { signal });
    const found = (await Promise.all(["held", "pending", "failed"].map(ask))).flatMap(({ data }) => data);
    found.filter((one) => one.error && one.timestamp).forEach(tell);
    return null;
  }, [id, isKnown]);
}

/** @param {{series: any, course: any, over: string}} props */
function Charts({ series, course, over }) {
  const step = series?.step_seconds ?? 20;
  // The step under way is not complete: as a count it would look like a fall.
  const whole = (/** @type {(number|null)[]} */ values) => values.slice(0, -1);
  const axes = { until: Date.parse(series?.until ?? 0) - step * 1000, step, since: Date.parse(series?.since ?? 0) };
  const lines = (/** @type {any[]} */ ...given) => (series ? course ? given.map(([name, values, tone, kind]) => ({ name, values: whole(values), tone, kind })) : [] : null);
  return html`<div class="wh-charts">
    <${Chart} title="Attempts" unit=${`in ${step} s`} ...${axes} format=${count} least=${1} none=${`no attempt in the ${over}`}
      lines=${lines(["accepted", course?.delivered, "good", "bar"], ["failed", course?.failed, "bad", "bar"])} />
    <${Chart} title="Latency" unit="mean of an attempt" ...${axes} format=${millis} least=${0.1} none=${`no attempt in the ${over}`}
      lines=${lines(["latency", course?.latency_ms, "accent", "line"])} />
    <${Chart} title="Waiting deliveries" ...${axes} format=${count} least=${1} none=${`nothing waited in the ${over}`}
      lines=${lines(["waiting", course?.waiting, "warn", "area"])} />
  </div>`;
}
