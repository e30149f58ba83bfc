// What can be done with a webhook, and the dialogs that ask for the rest.

import { patch, post, remove } from "../api.mjs";
import { html, useState } from "../lib.mjs";
import { go, link } from "../router.mjs";
import { Dialog, confirm } from "../ui/dialog.mjs";
import { Field } from "../ui/form.mjs";
import { act } from "../ui/notice.mjs";
import { counted } from "../ui/text.mjs";
import { RecoverDialog } from "./webhook_recover.mjs";
import { Secrets } from "./webhook_secret.mjs";
import { TestPanel } from "./webhook_test.mjs";

/**
 * `onDelete` hears that it is deleted from here (false: it was not).
 * `queue` is what waits, of `/v1/status`; `onChange` gets the webhook as it is after an action.
 * @param {{webhook: any, queue: any, onChange: (webhook: any) => void, onRecovery: () => void, onDelete: (mine: boolean) => void}} props
 */
export function Actions({ webhook, queue, onChange, onRecovery, onDelete }) {
  const [open, setOpen] = useState(/** @type {"test"|"recover"|"rotate"|null} */ (null));
  const [isBusy, setBusy] = useState(false);
  const { id, name, status } = webhook;
  const isOfFile = webhook.source === "config";
  const waiting = (queue?.pending ?? 0) + (queue?.held ?? 0);
  /** @param {() => Promise<any>} action @param {string} words */
  const run = async (action, words) => {
    setBusy(true);
    const result = await act(action, words);
    setBusy(false);
    if (result) onChange(result);
    return result !== undefined;
  };
  const enable = () => run(() => patch(`v1/webhooks/${id}`, { status: "active" }), status === "paused" ? `${name} goes on` : `${name} is enabled`);
  const disable = async () => {
    const isSure = await confirm({
      title: `Disable ${name}?`, action: "Disable", danger: true,
      text: "Nothing goes out to it any more. Its events are kept: they are held, and go out when it is enabled again.",
    });
    if (isSure) await run(() => patch(`v1/webhooks/${id}`, { status: "disabled" }), `${name} is disabled`);
  };
  const drop = async () => {
    const isSure = await confirm({
      title: `Delete ${name}?`, action: `Delete ${name}`, danger: true,
      text: html`<p>It gets no more events, and its secrets are gone. ${waiting > 0
        ? html`<strong>${counted(waiting, "delivery", "deliveries")} that ${waiting === 1 ? "waits" : "wait"} for it will be cancelled.</strong>`
        : "No delivery waits for it."} What has been delivered stays in the events.</p>
        ${status === "disabled" ? null : html`<p>To stop it for a while only, disable it.</p>`}`,
    });
    if (!isSure) return;
    onDelete(true);
    const isDeleted = await run(() => remove(`v1/webhooks/${id}`), `${name} is deleted`);
    onDelete(isDeleted);
    if (isDeleted) go(link("webhooks"));
  };
  const close = () => setOpen(null);
  return html`<div class="actions">
    <button type="button" class="primary" onClick=${() => setOpen("test")}>Test</button>
    ${status === "active" ? null : html`<button type="button" disabled=${isBusy} onClick=${enable}>${status === "paused" ? "End the pause" : "Enable"}</button>`}
    ${status === "disabled" ? null : html`<button type="button" disabled=${isBusy} onClick=${disable}>Disable</button>`}
    <button type="button" onClick=${() => setOpen("recover")}>Recover</button>
    ${isOfFile ? null : html`
      <button type="button" onClick=${() => setOpen("rotate")}>Rotate secret</button>
      <a class="button" href=${link("webhooks", id, "edit")}>Edit</a>
      <button type="button" class="danger" disabled=${isBusy} onClick=${drop}>Delete</button>`}
    ${open === "test" ? html`<${Dialog} title=${`Test ${name}`} onClose=${close}><${TestPanel} webhook=${webhook} /><//>` : null}
    ${open === "recover" ? html`<${RecoverDialog} webhook=${webhook} onClose=${close} onStart=${onRecovery} />` : null}
    ${open === "rotate" ? html`<${RotateDialog} webhook=${webhook} onClose=${close} onChange=${onChange} />` : null}
  </div>`;
}

/** @param {{webhook: any, onClose: () => void, onChange: (webhook: any) => void}} props */
function RotateDialog({ webhook, onClose, onChange }) {
  const [overlap, setOverlap] = useState("24h");
  const [error, setError] = useState("");
  const [isBusy, setBusy] = useState(false);
  const [answer, setAnswer] = useState(/** @type {any} */ (null));
  /** @param {Event} e */
  const rotate = async (e) => {
    e.preventDefault();
    setBusy(true);
    setError("");
    try {
      const made = await post(`v1/webhooks/${webhook.id}/rotate-secret`, overlap.trim() ? { overlap: overlap.trim() } : {});
      setAnswer(made);
      // The page needs no secrets.
      const { signing_secret: _, secret: __, ...shown } = made;
      onChange(shown);
    } catch (problem) {
      const { errors, message } = problem;
      setError(errors?.[0]?.message ?? message);
    }
    setBusy(false);
  };
  // The new key is told once: not to nobody.
  const close = () => { if (!isBusy) onClose(); };
  const title = answer ? `The new key of ${webhook.name}` : `Rotate the secret of ${webhook.name}`;
  return html`<${Dialog} title=${title} onClose=${close}>
    ${answer ? html`<${Secrets} of=${answer} />
      <div class="actions"><button type="button" onClick=${onClose}>I have stored it</button></div>`
    : html`<form onSubmit=${rotate} novalidate>
      <p>sidehook makes a new key and signs with it at once. For the overlap, <code>standard</code> and <code>stripe</code> carry a second signature by the
        present key, so that the receiver can change over in its own time; the other schemes change at once.</p>
      <${Field} name="overlap" label="Overlap" value=${overlap} onInput=${setOverlap} error=${error} hint="How long both keys sign: 1h, 24h, 30d at most." />
      <div class="actions"><button type="button" disabled=${isBusy} onClick=${close}>Leave it</button>
        <button type="submit" class="primary" disabled=${isBusy}>${isBusy ? "Rotating ..." : "Rotate"}</button></div>
    </form>`}
  <//>`;
}
