// One delivery of an event: how it stands, in words; its attempts; what one can do.

import { post } from "../api.mjs";
import { html, useCell, useEffect, useRef, useState } from "../lib.mjs";
import { link } from "../router.mjs";
import { session } from "../session.mjs";
import { status } from "../status.mjs";
import { State } from "../ui/badge.mjs";
import { Long } from "../ui/body.mjs";
import { Copy } from "../ui/copy.mjs";
import { confirm } from "../ui/dialog.mjs";
import { act } from "../ui/notice.mjs";
import { counted, millis, Time } from "../ui/text.mjs";
import { Attempts, Due } from "./event_attempts.mjs";
import { Payload } from "./event_payload.mjs";

/**
 * @param {{delivery: any, isFirst: boolean, isNamed: boolean, onDone: () => void}} props
 * `isFirst`: its attempts are open from the beginning; `isNamed`: the address names it; `onDone`: it was changed.
 */
export function DeliveryCard({ delivery, isFirst, isNamed, onDone }) {
  const [isOpen, setOpen] = useState(isFirst);
  const [isPayloadOpen, setPayloadOpen] = useState(false);
  const card = useRef(/** @type {HTMLElement|null} */ (null));
  useEffect(() => { if (isNamed) card.current?.scrollIntoView({ block: "center" }); }, []);
  const { id, attempts } = delivery;
  const webhook = webhookOf(useCell(status).data, delivery.webhook_id);
  const name = webhook === null ? "a deleted webhook" : webhook?.name ?? "webhook";
  return html`<article class="card ev-delivery ev-${delivery.status} ${isNamed ? "ev-named" : ""}" ref=${card} aria-label=${`Delivery to ${name}`}>
    <div class="heading">
      <h3><${State} of=${delivery.status} /> ${webhook === null
        ? html`<span class="quiet" title=${delivery.webhook_id}>a deleted webhook</span>`
        : html`<a href=${link("webhooks", delivery.webhook_id)}>${name}</a>`}</h3>
      <p class="ev-story"><${Story} delivery=${delivery} webhook=${webhook} /></p>
      <${Buttons} delivery=${delivery} name=${name} isGone=${webhook === null} onDone=${onDone} />
    </div>
    <div class="ev-more">
      <button type="button" class="small" aria-expanded=${String(isOpen)} onClick=${() => setOpen(!isOpen)}>
        <span aria-hidden="true">${isOpen ? "▾" : "▸"}</span> ${counted(attempts, "attempt")}</button>
      <button type="button" class="small" aria-expanded=${String(isPayloadOpen)} onClick=${() => setPayloadOpen(!isPayloadOpen)}>
        <span aria-hidden="true">${isPayloadOpen ? "▾" : "▸"}</span> What the receiver gets</button>
      <span class="ev-id quiet" title="The header webhook-id: the same over retries and replays.">id <code>${id}</code> <${Copy} text=${id} what="the delivery's id" /></span>
    </div>
    ${isOpen ? html`<${Attempts} delivery=${delivery} />` : null}
    ${isPayloadOpen ? html`<${Payload} delivery=${delivery} />` : null}
  </article>`;
}

/** Of the webhooks that are: null when it is none of them any more, undefined when that is not known. @param {any} data @param {string} id */
function webhookOf(data, id) {
  if (!data?.webhooks) return undefined;
  return data.webhooks.find((/** @type {any} */ webhook) => webhook.id === id) ?? null;
}

/** How it stands, in words. @param {{delivery: any, webhook: any}} props */
function Story({ delivery, webhook }) {
  const { status: state, attempts, error, response_code: code, response_time_ms: ms, timestamp, next_attempt_at: next } = delivery;
  const last = error === null ? null : html` The last attempt failed <${Time} at=${timestamp} ago />: <strong class="bad-text"><${Long} text=${error} /></strong>`;
  switch (state) {
    case "delivered": return html`Accepted${code === null ? "" : ` with ${code}`} ${ms === null ? "" : `after ${millis(ms)}, `}<${Time} at=${timestamp} ago />.`;
    case "failed": return html`Given up after ${counted(attempts, "attempt")}.${last}`;
    case "pending": return html`<${Due} at=${next} attempts=${attempts} />${last}`;
    case "held": return html`${webhook === null ? "Its webhook is gone, so nothing sends it."
      : webhook?.status === "disabled" ? "Waits until its webhook is enabled again." : "Waits until its webhook is well again."}
      ${webhook?.reason ? html` The webhook is <${State} of=${webhook.status} />: ${webhook.reason}.` : null}${last}`;
    case "cancelled": return html`Cancelled by hand.${last}`;
    default: return last;
  }
}

/** @param {{delivery: any, name: string, isGone: boolean, onDone: () => void}} props */
function Buttons({ delivery, name, isGone, onDone }) {
  const { access } = useCell(session);
  const [isBusy, setBusy] = useState(false);
  if (access !== "full") return null;
  const { id, status: state } = delivery;
  /** @param {() => Promise<any>} action @param {string} words */
  const run = async (action, words) => {
    setBusy(true);
    if (await act(action, words)) onDone();
    setBusy(false);
  };
  const retry = async () => {
    const isSure = state !== "delivered" || await confirm({
      title: "Send it again?", action: "Send again",
      text: html`<p><strong>${name}</strong> has accepted this delivery already. It gets it once more with the same <code>webhook-id</code>:
        a receiver that keeps account of these takes it for a repetition.</p>`,
    });
    if (isSure) {
      await run(() => post(`v1/deliveries/${id}/retry`), `It is sent to ${name} now.`);
    }
  };
  const cancel = async () => {
    const isSure = await confirm({
      title: "Cancel this delivery?", action: "Cancel the delivery", danger: true,
      text: html`<p><strong>${name}</strong> will not get this event. An attempt that is just running is not broken off. "Retry now" sends it after all.</p>`,
    });
    if (isSure) await run(() => post(`v1/deliveries/${id}/cancel`), "The delivery is cancelled.");
  };
  return html`<span class="actions">
    ${isGone ? null : html`<button type="button" class="small" disabled=${isBusy} onClick=${retry}>Retry now</button>`}
    ${state === "pending" || state === "held" ? html`<button type="button" class="small danger" disabled=${isBusy} onClick=${cancel}>Cancel</button>` : null}
  </span>`;
}
