// All webhooks, the one that needs somebody first.

import { html, useCell, useMemo, useState } from "../lib.mjs";
import { useChanges } from "../live.mjs";
import { link, setQuery } from "../router.mjs";
import { session } from "../session.mjs";
import { status } from "../status.mjs";
import { State } from "../ui/badge.mjs";
import { Field } from "../ui/form.mjs";
import { Cut, Loaded, useWhole } from "../ui/load.mjs";
import { Spark } from "../ui/spark.mjs";
import { Time, count, counted, duration, millis } from "../ui/text.mjs";
import { NextTry, Rest, percent, totals } from "./webhook_health.mjs";
import { rankOf, worse } from "./webhook_rank.mjs";
import { NoFigures, useSeries } from "./series.mjs";

/** From so many on there is a filter. */
const N_MANY = 8;
const N_SHOWN = 100;

/** @param {{query: Record<string, string>}} props */
export function Webhooks({ query }) {
  const { access } = useCell(session);
  const { data: now } = useCell(status);
  const of = useWhole("v1/webhooks");
  useChanges(({ webhook: changes }) => {
    if (changes.length === 0 || !of.data) return;
    const byId = new Map(of.data.map((one) => [one.id, one]));
    for (const one of changes) one.deleted ? byId.delete(one.id) : byId.set(one.id, one);
    of.put(Object.assign([...byId.values()], { isCut: of.data.isCut }));
  });
  const webhooks = of.data ?? [];
  const ids = useMemo(() => webhooks.map(({ id }) => id).sort(), [webhooks]);
  const { data: series, problem } = useSeries("1h", ids);
  const rows = useMemo(() => rowsOf(webhooks, now, series), [webhooks, now, series]);
  return html`
    <div class="heading"><h1>Webhooks</h1>
      ${rows.length > 1 ? html`<${Order} query=${query} />` : null}
      ${access === "full" ? html`<div class="actions"><a class="button primary" href=${link("webhooks", "new")}>New webhook</a></div>` : null}
    </div>
    <${NoFigures} problem=${problem} />
    <${Cut} of=${of} what="newest webhooks" />
    <${Loaded} of=${of} what="the webhooks">
      ${rows.length ? html`<${Rows} rows=${rows} query=${query} />` : html`<${Empty} access=${access} />`}
    <//>`;
}

/** @param {{access: string|null}} props */
function Empty({ access }) {
  return html`<div class="card wh-empty"><h2>There is no webhook yet</h2>
    <p>A webhook is an address that gets the events of your API: each event as one signed request, tried again until it is accepted.</p>
    <p>${access === "full" ? html`<a class="button primary" href=${link("webhooks", "new")}>Make the first one</a>` : "Sign in with the admin token to make one."}</p>
    <p class="quiet">Webhooks can also be written in the configuration file, as <code>[[webhook]]</code>.</p></div>`;
}

/** @param {{query: Record<string, string>}} props */
function Order({ query }) {
  const isByName = query.sort === "name";
  return html`<div class="choice" role="group" aria-label="Order">
    <button type="button" aria-pressed=${!isByName} onClick=${() => setQuery({ ...query, sort: null })}>Worst first</button>
    <button type="button" aria-pressed=${isByName} onClick=${() => setQuery({ ...query, sort: "name" })}>By name</button></div>`;
}

/** @typedef {{webhook: any, queue: any, course: any, sums: ReturnType<typeof totals>, rank: number}} RowData */

/** @param {any[]} webhooks @param {any} now `/v1/status` @param {any} series @returns {RowData[]} */
function rowsOf(webhooks, now, series) {
  const queues = new Map((now?.webhooks ?? []).map((/** @type {any} */ queue) => [queue.id, queue]));
  return webhooks.map((webhook) => {
    const queue = queues.get(webhook.id);
    const course = series?.of.get(webhook.id);
    const sums = totals(course);
    return { webhook, queue, course, sums, rank: rankOf(webhook.status, queue, sums) };
  });
}

/** @param {{rows: RowData[], query: Record<string, string>}} props */
function Rows({ rows, query }) {
  const [isAll, setAll] = useState(false);
  const wanted = (query.q ?? "").toLowerCase();
  const found = rows
    .filter(({ webhook }) => !wanted || [webhook.name, webhook.url, webhook.status, ...webhook.events].some((text) => text.toLowerCase().includes(wanted)))
    .sort(query.sort === "name" ? (a, b) => a.webhook.name.localeCompare(b.webhook.name) : worse);
  const shown = isAll ? found : found.slice(0, N_SHOWN);
  return html`
    ${rows.length > N_MANY || wanted ? html`<div class="filters"><${Field} name="filter" type="search" label="Filter" value=${query.q ?? ""} placeholder="name, URL, label or status"
        onInput=${(/** @type {string} */ q) => setQuery({ ...query, q })} />
      <p class="quiet wh-found" role="status">${wanted ? `${count(found.length)} of ${counted(rows.length, "webhook")}` : counted(rows.length, "webhook")}</p></div>` : null}
    ${found.length === 0 ? html`<p class="card">No webhook has “${query.q}” in its name, URL, labels or status.</p>` : html`
    <div class="table wh-table"><table>
      <caption class="unseen">Webhooks, with their last hour</caption>
      <thead><tr><th scope="col">Webhook</th><th scope="col">Status</th><th scope="col">Accepted</th><th scope="col">Latency</th><th scope="col">Waiting</th></tr></thead>
      <tbody>${shown.map((row) => html`<${Row} key=${row.webhook.id} of=${row} />`)}</tbody>
    </table></div>`}
    ${shown.length < found.length ? html`<button type="button" onClick=${() => setAll(true)}>Show all ${count(found.length)}</button>` : null}`;
}

/** Accepted attempts of each step, per cent; where there was none, it is as it was. @param {any} course @returns {(number|null)[]} */
function ratesOf({ delivered, failed }) {
  let last = /** @type {number|null} */ (null);
  return delivered.slice(0, -1).map((/** @type {number|null} */ n, /** @type {number} */ i) => {
    if (n !== null && n + failed[i] > 0) last = (100 * n) / (n + failed[i]);
    return n === null ? null : last;
  });
}

/** What the number means that stands before it. @param {any} queue */
function waitingWords({ pending, held, oldest_seconds: oldest }) {
  if (pending + held === 0) return "";
  const states = pending && held ? `(${count(held)} held)` : held ? "held" : "pending";
  return oldest === null ? states : `${states}, oldest ${duration(oldest)}`;
}

/** @param {{of: RowData}} props */
function Row({ of: { webhook, queue, course, sums } }) {
  const { id, name, url } = webhook;
  const over = `${name}, last hour`;
  const latency = course ? course.latency_ms.slice(0, -1) : [];
  const known = latency.filter((/** @type {number|null} */ ms) => ms !== null);
  const mean = known.length ? known.reduce((/** @type {number} */ sum, /** @type {number} */ ms) => sum + ms, 0) / known.length : null;
  const rates = course ? ratesOf(course) : [];
  const tone = sums.rate === null || sums.rate === 1 ? "good" : sums.rate < 0.5 ? "bad" : "warn";
  const isLate = queue?.held > 0 || queue?.oldest_seconds > 60;
  return html`<tr>
    <th scope="row" class="wh-name"><a href=${link("webhooks", id)}>${name}</a>
      ${webhook.source === "config" ? html` <span class="badge quiet" title="Written in the configuration file, and changed there">file</span>` : html` <span class="badge quiet" title="Made on the admin API or here">API</span>`}
      <span class="wh-url mono" title=${url}>${url}</span></th>
    <td class="wh-state"><${State} of=${webhook.status} />${webhook.disabled_reason ? html`<span class="wh-reason">${webhook.disabled_reason}</span>` : null}
      ${webhook.paused_at ? html`<span class="wh-reason">since <${Time} at=${webhook.paused_at} />, next try: <${NextTry} queue=${queue} /></span>` : null}
      ${webhook.rests_until ? html`<span class="wh-reason"><${Rest} webhook=${webhook} /></span>` : null}</td>
    <td data-name="Accepted">${course ? html`<span class="wh-figure">${sums.rate === null ? html`<span class="quiet">no attempt</span>` : html`<strong class=${`${tone}-text`}>${percent(sums.rate)}</strong>
      <span class="quiet">${sums.failed ? `${count(sums.failed)} failed` : `of ${count(sums.delivered)}`}</span>`}</span>
      ${sums.rate === null ? null : html`<${Spark} values=${rates} label=${`accepted attempts of ${over}`} tone=${tone} top=${100} format=${(/** @type {number} */ n) => `${Math.floor(n)} %`} />`}` : null}</td>
    <td data-name="Latency">${mean === null ? html`<span class="quiet">–</span>` : html`<span class="wh-figure"><strong>${millis(mean)}</strong> <span class="quiet">mean</span></span>
      <${Spark} values=${latency} label=${`latency of ${over}`} format=${millis} />`}</td>
    <td data-name="Waiting"><span class="wh-figure">${queue ? html`<strong class=${isLate ? "warn-text" : ""}>${count(queue.pending + queue.held)}</strong>
      <span class="quiet">${waitingWords(queue)}</span>` : "–"}</span>
      ${course ? html`<${Spark} values=${course.waiting} label=${`waiting deliveries of ${over}`} tone=${isLate ? "warn" : "wait"} />` : null}</td>
  </tr>`;
}
