// The figures of now, as tiles.

import { html } from "../lib.mjs";
import { link } from "../router.mjs";
import { bytes, count, counted, duration, millis } from "../ui/text.mjs";

/** 0.05, 3.2, 41. @param {number} n per second */
export function rate(n) {
  if (n >= 10) return count(Math.round(n));
  return String(Number(n.toFixed(n < 0.1 ? 2 : 1)));
}

/**
 * @typedef {{calls: number|null, matched: number|null, events: number|null, allEvents: number|null,
 *   failed: number|null, failedAttempts: number|null}} Figures
 */

/** @param {{status: any, figures: Figures, words: string}} props `words` names the range */
export function Tiles({ status, figures, words }) {
  const { calls, matched, events, allEvents, failed, failedAttempts } = figures;
  const shown = (/** @type {number|null} */ n) => (n === null ? "–" : rate(n));
  const share = calls ? `${Math.round((100 * (matched ?? 0)) / calls)} % matched a rule` : calls === 0 ? "quiet now" : "no figure yet";
  return html`<div class="tiles">
    <${Tile} name="Calls per second" value=${shown(calls)} more=${share} />
    <${Tile} name="Events per second" value=${shown(events)}
      more=${allEvents === null ? "no figure yet" : `${count(allEvents)} in the last ${words}`} />
    <${Waiting} webhooks=${status?.webhooks} />
    <${Tile} name=${`Failed in the last ${words}`} value=${count(failed)} tone=${failed ? "bad" : ""} href=${failed ? failedEvents() : null}
      more=${failedAttempts === null ? "no figure yet" : failedAttempts === 0 ? "no attempt failed" : counted(failedAttempts, "failed attempt")} />
    <${Commit} store=${status?.store} />
    <${Upstream} of=${status?.upstream} />
    <${Store} of=${status?.store} />
    <${Tile} name="Running for" value=${duration(status?.uptime_seconds)} more=${status ? `sidehook ${status.version}` : ""} />
  </div>`;
}

/** @param {{name: string, value: any, more: any, tone?: string, href?: string|null}} props */
function Tile({ name, value, more, tone = "", href = null }) {
  return html`<section class="card tile ${tone}" aria-label=${name}><h2>${name}</h2>
    <p class="figure">${href ? html`<a href=${href}>${value}</a>` : value}</p><p class="more">${more}</p></section>`;
}

/** @param {{webhooks: any[]|undefined}} props */
function Waiting({ webhooks }) {
  if (!webhooks) return html`<${Tile} name="Waiting deliveries" value="–" more="" />`;
  const pending = webhooks.reduce((all, webhook) => all + webhook.pending, 0);
  const held = webhooks.reduce((all, webhook) => all + webhook.held, 0);
  const oldest = Math.max(-1, ...webhooks.map((webhook) => webhook.oldest_seconds ?? -1));
  const more = pending + held === 0 ? "nothing waits"
    : `${held > 0 ? `${count(held)} held, ` : ""}the oldest for ${duration(Math.max(oldest, 0))}`;
  return html`<${Tile} name="Waiting deliveries" value=${count(pending + held)} tone=${held > 0 ? "warn" : ""} more=${more}
    href=${held + pending > 0 ? link("events", { status: held > 0 ? "held" : "pending" }) : null} />`;
}

/** @param {{store: any}} props */
function Commit({ store }) {
  const isKnown = store && store.commit_p99_ms !== null;
  return html`<${Tile} name="Commit latency, p99" value=${millis(isKnown ? store.commit_p99_ms : null)}
    more=${isKnown ? `half within ${millis(store.commit_p50_ms)}` : store ? "no commit yet" : ""} />`;
}

/** @param {{of: any}} props */
function Upstream({ of }) {
  if (!of) return html`<${Tile} name="Upstream" value="–" more="" />`;
  if (of.healthy) return html`<${Tile} name="Upstream" value=${html`<span class="good-text">✓ well</span>`} more="the last call reached it" />`;
  return html`<${Tile} name="Upstream" tone="bad" value="✕ not reached" more=${of.last_error ?? "no reason was told"} />`;
}

/** @param {{of: any}} props */
function Store({ of }) {
  if (!of) return html`<${Tile} name="Store" value="–" more="" />`;
  const part = of.max_bytes > 0 ? Math.min(of.bytes / of.max_bytes, 1) : 0;
  const percent = part > 0 && part < 0.01 ? "less than 1 %" : `${Math.round(part * 100)} %`;
  const tone = !of.healthy || part >= 0.95 ? "bad" : part >= 0.8 ? "warn" : "";
  const words = `${percent} of ${bytes(of.max_bytes)} used`;
  return html`<${Tile} name="Store" tone=${tone} value=${of.healthy ? bytes(of.bytes) : "✕ not well"} more=${html`
    <span class="meter ${tone || "good"}" role="meter" aria-label="Store" aria-valuemin="0" aria-valuemax="100"
      aria-valuenow=${Math.round(part * 100)} aria-valuetext=${words}><span style=${{ width: `${Math.max(part * 100, 1)}%` }}></span></span>
    ${of.healthy ? words : of.reason ?? words}`} />`;
}

/** Where failed deliveries are listed. */
export const failedEvents = () => link("events", { status: "failed" });
