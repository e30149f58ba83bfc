// Queueing again what a webhook missed: first the count, then the recovery; and those under way.

import { get, post } from "../api.mjs";
import { serverNow } from "../clock.mjs";
import { html, useEffect, useState } from "../lib.mjs";
import { Dialog } from "../ui/dialog.mjs";
import { Check, Field } from "../ui/form.mjs";
import { useAgain, useLoad } from "../ui/load.mjs";
import { act } from "../ui/notice.mjs";
import { Time, count, counted, fromLocalInput, localInput } from "../ui/text.mjs";

/** While one is under way, ms. */
const EVERY = 5_000;
const DAY = 86_400_000;

/** @param {{webhook: any, onClose: () => void, onStart: () => void}} props */
export function RecoverDialog({ webhook, onClose, onStart }) {
  const [asked, setAsked] = useState(() => ({ since: localInput(serverNow() - DAY).slice(0, 16), until: "", status: "failed", backfill: false }));
  const [dry, setDry] = useState(/** @type {any} */ ({}));
  const [errors, setErrors] = useState(/** @type {Record<string, string>} */ ({}));
  const [isBusy, setBusy] = useState(false);
  /** Of another question the count is no answer. @type {number|null} */
  const n = dry.of === asked ? dry.n : null;
  const put = (/** @type {any} */ change) => setAsked({ ...asked, ...change });
  /** @param {boolean} isDry */
  const order = async (isDry) => {
    setBusy(true);
    setErrors({});
    const { since, until, status, backfill } = asked;
    try {
      const answer = await post(`v1/webhooks/${webhook.id}/recover`, { since: fromLocalInput(since) || undefined, until: fromLocalInput(until) || undefined, status, backfill, dry_run: isDry });
      if (isDry) setDry({ of: asked, n: answer.count });
      else {
        onStart();
        onClose();
      }
    } catch (problem) {
      const { errors: wrong, message } = problem;
      setErrors(wrong?.length ? Object.fromEntries(wrong.map((/** @type {any} */ one) => [one.field, one.message])) : { "": message });
    }
    setBusy(false);
  };
  const rest = Object.entries(errors).filter(([field]) => !["since", "until", "status"].includes(field)).map(([, message]) => message);
  return html`<${Dialog} title=${`Recover what ${webhook.name} missed`} onClose=${onClose}>
    <form novalidate onSubmit=${(/** @type {Event} */ e) => { e.preventDefault(); order(!n); }}>
      <p>Deliveries that have ended are queued again, with the same <code>webhook-id</code>: a receiver that has seen one knows it.</p>
      <div class="wh-pair">
        <${Field} name="since" type="datetime-local" label="Events since" value=${asked.since} error=${errors.since} onInput=${(/** @type {string} */ since) => put({ since })} hint="Your local time. Empty: all." />
        <${Field} name="until" type="datetime-local" label="Until" value=${asked.until} error=${errors.until} onInput=${(/** @type {string} */ until) => put({ until })} hint="Empty: now." />
      </div>
      <${Field} name="status" label="Which deliveries" value=${asked.status} error=${errors.status} onInput=${(/** @type {string} */ status) => put({ status })}
        options=${[["failed", "failed"], ["cancelled", "cancelled"], ["delivered", "delivered (sends them once more)"]]} />
      <${Check} name="backfill" label="Also events that it never got" checked=${asked.backfill} onChange=${(/** @type {boolean} */ backfill) => put({ backfill })}
        hint="Those that it would have had, had it been there or wanted them." />
      ${rest.length ? html`<p class="notice bad" role="alert">${rest.join(" ")}</p>` : null}
      <div aria-live="polite">${n === null ? null : html`<p class="notice ${n ? "warn" : "good"}">${n
        ? html`<strong>${counted(n, "delivery", "deliveries")}</strong> would be queued again.${webhook.status === "disabled" ? " The webhook is disabled: they are held until it is enabled." : ""}`
        : "Nothing to recover: there are none."}</p>`}</div>
      <div class="actions"><button type="button" onClick=${onClose}>Leave it</button>
        ${n ? html`<button type="submit" class="primary" disabled=${isBusy}>${isBusy ? "Starting ..." : `Queue ${count(n)} again`}</button>`
          : html`<button type="submit" class="primary" disabled=${isBusy}>${isBusy ? "Counting ..." : "Count them first"}</button>`}
      </div>
    </form>
  <//>`;
}

/**
 * The recoveries of a webhook that are under way, and the last that ended.
 * @param {{id: string, began: number, mayChange: boolean}} props `began` counts those started here
 */
export function Recoveries({ id, began, mayChange }) {
  const of = useLoad((signal) => get("v1/recoveries", { limit: 200 }, { signal }), [id]);
  useEffect(() => { if (began) of.reload(); }, [began]);
  const mine = (of.data?.data ?? []).filter((/** @type {any} */ one) => one.webhook_id === id);
  const running = mine.filter((/** @type {any} */ one) => one.status === "running");
  useAgain(of, running.length ? EVERY : 0);
  const shown = running.length ? running : mine.slice(0, 1);
  if (shown.length === 0) return null;
  const stop = (/** @type {string} */ recovery) => act(() => post(`v1/recoveries/${recovery}/stop`), "The recovery is stopped; what it has queued stays queued.").then(of.reload);
  return html`<section class="card" aria-label="Recoveries">${shown.map((/** @type {any} */ one) => html`<div key=${one.id} class="wh-line">
    <div><strong>${one.status === "running" ? "Recovery under way" : one.status === "stopped" ? "Recovery stopped" : "Recovery done"}</strong>${" "}
      <span class="quiet">begun <${Time} at=${one.started_at} />: ${one.asked.status} deliveries${one.asked.since ? html` since <${Time} at=${one.asked.since} />` : null}${one.asked.backfill ? ", and those it never got" : ""}</span></div>
    <progress max=${Math.max(one.count, 1)} value=${one.count ? one.done : 1} aria-label="Progress of the recovery"></progress>
    <span>${count(one.done)} of ${count(one.count)} queued</span>
    ${one.status === "running" && mayChange ? html`<button type="button" class="small" onClick=${() => stop(one.id)}>Stop</button>` : null}
  </div>`)}</section>`;
}
