// The attempts of a delivery on a time line: what each was answered, and when the next one comes.

import { get } from "../api.mjs";
import { serverNow } from "../clock.mjs";
import { html, useCell, useState } from "../lib.mjs";
import { Code } from "../ui/badge.mjs";
import { Body, contentOf, Long } from "../ui/body.mjs";
import { Loaded, useLoad, useReloads } from "../ui/load.mjs";
import { count, duration, millis, now, Time } from "../ui/text.mjs";
import { Pairs } from "./event_call.mjs";

/** Attempts that are drawn at once: the last ones. */
const SLICE = 20;

/** @param {{delivery: any}} props */
export function Attempts({ delivery }) {
  const { id, attempts, status, timestamp } = delivery;
  const loaded = useLoad((signal) => get(`v1/deliveries/${id}`, {}, { signal }), [id]);
  useReloads(loaded.reload, [attempts, status, timestamp]);
  const [shown, setShown] = useState(SLICE);
  const all = loaded.data?.attempts ?? [];
  const some = all.slice(-shown);
  const next = status === "pending" ? html`<li class="ev-next"><p><${Due} at=${delivery.next_attempt_at} attempts=${attempts} /></p></li>` : null;
  return html`<div class="ev-attempts">
    <${Loaded} of=${loaded} what="the attempts">
      ${all.length > some.length ? html`<button type="button" class="small" onClick=${() => setShown(shown + SLICE)}>
        Show earlier ones (${count(all.length - some.length)})</button>` : null}
      ${all.length === 0 && !next ? html`<p class="quiet">There was no attempt yet.</p>` : null}
      <ol class="ev-line-of-time" aria-label="Attempts, the first one first">
        ${some.map((/** @type {any} */ attempt) => html`<${Attempt} key=${attempt.number} attempt=${attempt}
          isFirst=${attempt === all[all.length - 1] && attempt.error !== null} />`)}
        ${next}
      </ol>
    <//>
  </div>`;
}

/** @param {{attempt: any, isFirst: boolean}} props `isFirst`: open from the beginning */
function Attempt({ attempt, isFirst }) {
  const [isOpen, setOpen] = useState(isFirst);
  const { number, started_at: at, response_code: code, response_time_ms: ms, error, next_attempt_at: next } = attempt;
  const hasReply = attempt.response_headers !== null;
  const head = html`<span class="ev-number"><span class="unseen">Attempt </span>#${number}</span> <${Code} of=${code} /> <span class="nowrap"><${Time} at=${at} /></span>
    <span class="quiet nowrap">${millis(ms)}</span>`;
  return html`<li class=${error === null ? "ev-good" : "ev-bad"}>
    ${hasReply
      ? html`<button type="button" class="bare ev-attempt" aria-expanded=${String(isOpen)} onClick=${() => setOpen(!isOpen)}>
          <span class="json-sign" aria-hidden="true">${isOpen ? "▾" : "▸"}</span> ${head}</button>`
      : html`<span class="ev-attempt">${head}</span>`}
    ${error === null ? null : html`<span class="bad-text"><${Long} text=${error} /></span>`}
    ${next ? html` <span class="quiet">Next try set for <span class="nowrap"><${Time} at=${next} />.</span></span>` : null}
    ${isOpen && hasReply ? html`<${Reply} attempt=${attempt} />` : null}
  </li>`;
}

/** @param {{attempt: any}} props */
function Reply({ attempt }) {
  const { number, response_headers: headers, response_body: text, response_body_encoding: encoding, response_body_truncated: isCut } = attempt;
  const pairs = Object.entries(headers);
  const [content] = useState(() => contentOf(text, encoding));
  return html`<div class="ev-reply">
    ${pairs.length > 0 ? html`<h4>Headers of the answer</h4><${Pairs} pairs=${pairs} isHeaders />` : null}
    <h4>Body of the answer ${isCut ? html`<span class="badge warn">cut</span>` : null}</h4>
    <${Body} of=${content} name=${`Body of the answer to attempt ${number}`} what=${`the answer to attempt ${number}`} nothing="The answer had no body.">
      ${isCut ? html`<p class="ev-capture">Only its beginning is kept: <code>[delivery] max_response_kept</code>.</p>` : null}
    <//>
  </div>`;
}

/** When the next attempt is made, to the second. @param {{at: string|null, attempts: number}} props */
export function Due({ at, attempts }) {
  const wait = at === null ? 0 : (Date.parse(at) - useNow()) / 1000;
  const what = attempts === 0 ? "First attempt" : `Attempt ${attempts + 1}`;
  if (at === null || wait < 1) return html`<strong>${what} is due now.</strong>`;
  return html`<strong>${what} in ${duration(wait)}</strong> (<${Time} at=${at} />).`;
}

/** The time, which may be newer than the last tick. */
function useNow() {
  useCell(now);
  return serverNow();
}
