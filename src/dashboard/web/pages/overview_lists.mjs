// The webhooks, those first that need somebody, and the deliveries that were given up last.

import { html, useState } from "../lib.mjs";
import { link } from "../router.mjs";
import { Code, State } from "../ui/badge.mjs";
import { Loaded } from "../ui/load.mjs";
import { Spark } from "../ui/spark.mjs";
import { count, duration, Time } from "../ui/text.mjs";
import { failedEvents } from "./overview_tiles.mjs";

/** So many webhooks are shown unasked. */
const FIRST = 7;

/** @param {{webhooks: any[]|null, series: Map<string, any>|undefined, words: string}} props `webhooks` worst first; `words` names the range */
export function Queues({ webhooks, series, words }) {
  const [isAll, setAll] = useState(false);
  if (webhooks?.length === 0) {
    return html`<section class="card"><h2>Webhooks</h2><p class="quiet">There is no webhook yet: events are kept, and nobody is told of them.
      <a href=${link("webhooks")}>To the webhooks</a></p></section>`;
  }
  const shown = isAll ? webhooks : webhooks?.slice(0, FIRST);
  return html`<section class="card" aria-label="Webhooks">
    <h2>Webhooks <span class="quiet">worst first</span></h2>
    ${webhooks === null ? html`<p class="quiet">Loading ...</p>` : html`<div class="table"><table>
      <thead><tr><th scope="col">Webhook</th><th scope="col" class="n">Pending</th><th scope="col" class="n">Held</th>
        <th scope="col" class="n">Oldest</th><th scope="col" class="wide-only">Waiting, last ${words}</th></tr></thead>
      <tbody>${shown?.map((webhook) => html`<tr key=${webhook.id}>
        <td class="name"><div><a class="cut" href=${link("webhooks", webhook.id)} title=${webhook.name}>${webhook.name}</a>
          <span><${State} of=${webhook.status} /></span></div></td>
        <td class="n">${count(webhook.pending)}</td>
        <td class="n">${webhook.held > 0 ? html`<strong class="warn-text">${count(webhook.held)}</strong>` : count(webhook.held)}</td>
        <td class="n">${webhook.oldest_seconds === null ? html`<span class="quiet">–</span>` : duration(webhook.oldest_seconds)}</td>
        <td class="wide-only">${series?.has(webhook.id) ? html`<${Spark} values=${series.get(webhook.id).waiting} tone=${webhook.status === "active" ? "wait" : "warn"}
          label=${`Waiting deliveries of ${webhook.name} in the last ${words}`} />` : null}</td>
      </tr>`)}</tbody>
    </table></div>
    ${webhooks.length > FIRST ? html`<button type="button" class="small" aria-expanded=${isAll} onClick=${() => setAll(!isAll)}>
      ${isAll ? `Show the first ${FIRST} only` : `Show all ${webhooks.length}`}</button>` : null}`}
  </section>`;
}

/** @param {{of: any, webhooks: any[]|null}} props `webhooks` null: not known yet */
export function LatestFailed({ of, webhooks }) {
  const names = new Map(webhooks?.map(({ id, name }) => [id, name]));
  const failed = of.data?.data ?? [];
  return html`<section class="card" aria-label="Latest failed deliveries">
    <h2>Latest failed deliveries</h2>
    <${Loaded} of=${of} what="failed deliveries">${failed.length === 0
      ? html`<p class="quiet">No delivery has failed. One fails when its last try was in vain; until then it is pending.</p>`
      : html`<ul class="failed-list">${failed.map((/** @type {any} */ one) => html`<li key=${one.id}>
          <div><a href=${link("events", one.event_id)}>${one.event}</a> <span class="quiet">to</span> ${names.get(one.webhook_id) ?? (webhooks ? "a webhook that is gone" : "...")}
            <span class="quiet when"><${Time} at=${one.timestamp} ago /></span></div>
          <div class="why"><${Code} of=${one.response_code} /> <span class="cut" title=${one.error}>${one.error ?? ""}</span></div>
        </li>`)}</ul>
        <p><a href=${failedEvents()}>All events with a failed delivery</a></p>`}<//>
  </section>`;
}
