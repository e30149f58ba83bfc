// An event once more, to webhooks of the operator's choice, those that never got it included.

import { post, whole } from "../api.mjs";
import { html, useState } from "../lib.mjs";
import { State } from "../ui/badge.mjs";
import { Dialog } from "../ui/dialog.mjs";
import { Check, Field } from "../ui/form.mjs";
import { Loaded, useLoad } from "../ui/load.mjs";
import { act } from "../ui/notice.mjs";
import { count, counted } from "../ui/text.mjs";

/** Webhooks that the dialog knows, and that one replay may name. */
const MANY = 1000;
/** Webhooks that are drawn; beyond it one has to search. */
const DRAWN = 50;

/** @param {{event: any, deliveries: any[], onClose: () => void, onDone: () => void}} props */
export function Replay({ event, deliveries, onClose, onDone }) {
  const loaded = useLoad((signal) => whole("v1/webhooks", signal, MANY), []);
  const states = new Map(deliveries.map((delivery) => [delivery.webhook_id, delivery.status]));
  const [ticked, setTicked] = useState(() => new Set(deliveries.filter(({ status }) => status === "failed").map(({ webhook_id: id }) => id)));
  const [search, setSearch] = useState("");
  const [isBusy, setBusy] = useState(false);
  // Those that got it, or should have, stand first.
  const all = /** @type {any[]} */ ((loaded.data ?? []).toSorted((a, b) => Number(states.has(b.id)) - Number(states.has(a.id)) || a.name.localeCompare(b.name)));
  const found = all.filter(({ name, url }) => `${name} ${url}`.toLowerCase().includes(search.toLowerCase()));
  const chosen = all.filter(({ id }) => ticked.has(id));
  /** @param {string} id @param {boolean} isTicked */
  const tick = (id, isTicked) => {
    const next = new Set(ticked);
    if (isTicked) next.add(id);
    else next.delete(id);
    setTicked(next);
  };
  /** @param {SubmitEvent} e */
  const submit = async (e) => {
    e.preventDefault();
    setBusy(true);
    const result = await act(() => post(`v1/events/${event.id}/replay`, { webhooks: chosen.map(({ id }) => id) }),
      ({ count: n }) => (n === 1 ? "1 delivery is due now." : `${count(n)} deliveries are due now.`));
    setBusy(false);
    if (!result) return;
    onDone();
    onClose();
  };
  return html`<${Dialog} title=${`Replay ${event.label}`} onClose=${onClose}>
    <p class="hint">Every webhook that is ticked gets the event now. One that had it before gets it with the same <code>webhook-id</code>, so that
      a receiver that keeps account of these sees the repetition.</p>
    <form onSubmit=${submit}>
      <${Loaded} of=${loaded} what="the webhooks">
        ${all.length > 8 ? html`<${Field} name="search" label="Search" value=${search} onInput=${setSearch} />` : null}
        <fieldset class="ev-choices"><legend class="unseen">Webhooks</legend>
          ${all.length === 0 ? html`<p class="quiet">There is no webhook.</p>` : null}
          ${found.slice(0, DRAWN).map((webhook) => html`<${Check} key=${webhook.id} name="webhook" checked=${ticked.has(webhook.id)}
            onChange=${(/** @type {boolean} */ isTicked) => tick(webhook.id, isTicked)}
            label=${html`${webhook.name} ${states.has(webhook.id) ? html`<${State} of=${states.get(webhook.id)} />` : html`<span class="badge quiet">never got it</span>`}
              ${webhook.status === "active" ? null : html` <span class="quiet">webhook: </span><${State} of=${webhook.status} />`}`}
            hint=${webhook.url.slice(0, 200)} />`)}
          ${found.length > DRAWN ? html`<p class="hint">${count(found.length - DRAWN)} more: search for them.</p>` : null}
          ${loaded.data?.isCut ? html`<p class="hint">Only the ${count(all.length)} newest webhooks are known here. To another: <code>sidehook replay ${event.id} --webhook NAME</code>.</p>` : null}
          ${all.length > 0 && found.length === 0 ? html`<p class="quiet">No webhook has "${search}" in its name or URL.</p>` : null}
        </fieldset>
      <//>
      <div class="actions">
        <button type="button" onClick=${onClose}>Leave it</button>
        <button type="submit" class="primary" disabled=${isBusy || chosen.length === 0}>
          ${chosen.length === 0 ? "Replay" : `Replay to ${counted(chosen.length, "webhook")}`}</button>
      </div>
    </form>
  <//>`;
}
