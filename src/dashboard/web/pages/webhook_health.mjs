// How a webhook is, in words, and what to do about it.

import { html, useCell } from "../lib.mjs";
import { link } from "../router.mjs";
import { Time, count, counted, duration, now } from "../ui/text.mjs";
import { sum } from "./series.mjs";

/**
 * Attempts of a series, together. @param {any} series a webhook's part of `/v1/series`
 * @returns {{delivered: number, failed: number, rate: number|null}} `rate` of success, 0 to 1; null: no attempt
 */
export function totals(series) {
  const [delivered, failed] = [sum(series?.delivered) ?? 0, sum(series?.failed) ?? 0];
  return { delivered, failed, rate: delivered + failed ? delivered / (delivered + failed) : null };
}

/** 99.97 %: never 100 when one has failed. @param {number|null} rate */
export function percent(rate) {
  if (rate === null) return "–";
  return `${rate === 1 || rate === 0 ? rate * 100 : (Math.floor(rate * 1000) / 10).toFixed(1)} %`;
}

/** Deliveries that wait, in words. @param {any} queue */
function waiting(queue) {
  if (!queue) return "";
  const n = queue.pending + queue.held;
  if (n === 0) return "Nothing waits.";
  return `${counted(n, "delivery waits", "deliveries wait")}, the oldest for ${duration(queue.oldest_seconds)}.`;
}

/**
 * `queue` of `/v1/status`; `last`: the newest failed attempt that is known; `sums` of the chart's range, in words `over`; null: not known.
 * @param {{webhook: any, queue: any, last: any, sums: ReturnType<typeof totals>|null, over: string, mayChange: boolean}} props
 */
export function Health({ webhook, queue, last, sums, over, mayChange }) {
  const { status, disabled_reason: reason, id } = webhook;
  const isOfFile = webhook.source === "config";
  const answer = last ? html`<p>Last attempt <${Time} at=${last.timestamp} ago />: ${last.error}. <a href=${link("events", last.event_id)}>See what was sent and answered</a></p>` : null;
  if (status === "paused") {
    return html`<section class="notice warn wh-health" aria-label="Health"><p><strong>Paused${webhook.paused_at ? html` since <${Time} at=${webhook.paused_at} /> (<${Time} at=${webhook.paused_at} ago />)` : ""}:</strong> ${reason}. ${waiting(queue)} Nothing is lost.</p>
      ${answer}
      <p><strong>Next try:</strong> <${NextTry} queue=${queue} /></p>
      <p class="quiet">sidehook tries one of them by itself: 30 seconds after the last attempt, then less and less often, at least every 10 minutes. The first one that is accepted ends the pause.</p>
      <p><strong>What to do:</strong> mend the receiver${mayChange ? ", then send a test: an accepted one ends the pause at once. So does “End the pause”, also while the store is full and takes no test" : ""}.</p></section>`;
  }
  if (status === "disabled") return html`<section class="notice ${isByHand(reason) ? "warn" : "bad"} wh-health" aria-label="Health">
    <p><strong>Disabled</strong>${isByHand(reason) ? ` ${reason.replace("disabled ", "")}` : `: ${reason ?? "nothing goes out to it"}`}. ${waiting(queue)} ${queue?.held ? "What waits goes out when it is enabled." : ""}</p>
    ${answer}<p><strong>What to do:</strong> ${cure(reason ?? "", isOfFile, id, mayChange)}</p></section>`;
  if (!sums) return html`<section class="notice wh-health" aria-label="Health"><p><strong>Active.</strong> ${waiting(queue)} <${Rest} webhook=${webhook} /></p></section>`;
  if (sums.failed > 0) {
    const isBad = (sums.rate ?? 1) < 0.5;
    return html`<section class="notice ${isBad ? "bad" : "warn"} wh-health" aria-label="Health"><p><strong>${isBad ? "Most attempts fail" : "Some attempts fail"}:</strong>
      ${` ${count(sums.failed)} of ${count(sums.delivered + sums.failed)} in the ${over}`}. ${waiting(queue)} Each is tried again by its schedule. <${Rest} webhook=${webhook} /></p>${answer}</section>`;
  }
  return html`<section class="notice good wh-health" aria-label="Health"><p><strong>Well:</strong> ${sums.delivered
    ? `${sums.delivered === 1 ? "the one attempt" : `all ${count(sums.delivered)} attempts`} in the ${over} ${sums.delivered === 1 ? "was" : "were"} accepted`
    : `there was no attempt in the ${over}`}. ${waiting(queue)} <${Rest} webhook=${webhook} /></p></section>`;
}

/** Until when its receiver wants no attempt. @param {{webhook: any}} props */
export function Rest({ webhook: { rests_until: until } }) {
  const isOver = !(Date.parse(until) > useCell(now));
  return isOver ? null : html`Its receiver asked for rest until <${Time} at=${until} />`;
}

/**
 * When a paused webhook is tried next. `queue` of `/v1/status`, which is asked again and again: a probe that fails is no news
 * of the webhook. @param {{queue: any}} props
 */
export function NextTry({ queue }) {
  const isDue = Date.parse(queue?.next_probe_at) <= useCell(now);
  if (!queue) return "...";
  if (isDue) return "now";
  if (queue.next_probe_at) return html`<${Time} at=${queue.next_probe_at} ago />`;
  return queue.pending + queue.held ? "one is under way" : "when there is something to deliver";
}

/** Somebody wanted it so. @param {string|null} reason */
const isByHand = (reason) => /operator|active = false/.test(reason ?? "");

/** @param {string} reason @param {boolean} isOfFile @param {string} id @param {boolean} mayChange */
function cure(reason, isOfFile, id, mayChange) {
  const edit = mayChange && !isOfFile ? html`<a href=${link("webhooks", id, "edit")}>edit it</a>` : isOfFile ? "change it in the configuration file" : "edit it";
  if (/410/.test(reason)) return html`the receiver says that this address is gone for good. Give the webhook its new address (${edit}) and enable it, or delete it.`;
  if (/does not fit the configuration/.test(reason)) return html`${edit}, or change the configuration so that it allows what the webhook has.`;
  if (isByHand(reason)) return "enable it when its receiver shall get events again; what it has missed meanwhile is held for it.";
  return html`mend the receiver, send a test, and enable the webhook when the test is accepted.`;
}
