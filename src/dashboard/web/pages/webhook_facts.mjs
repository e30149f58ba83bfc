// The settings of a webhook. Its secrets are never among them.

import { html } from "../lib.mjs";
import { Copy } from "../ui/copy.mjs";
import { Time } from "../ui/text.mjs";

/** @param {{of: any}} props */
export function Facts({ of }) {
  const isOfFile = of.source === "config";
  return html`<section class="card" aria-labelledby="wh-settings"><h2 id="wh-settings">Settings</h2>
    ${isOfFile ? html`<p>This webhook is written in the configuration file, in the <code>[[webhook]]</code> with <code>${`name = "${of.name}"`}</code>.
      Its settings and its secret are changed there, and it is taken out there; sidehook reads the file again when it changes.
      Here it can be tested, enabled, disabled and recovered.</p>` : null}
    <dl class="facts">
      <dt>Events</dt><dd class="badges">${of.events.map((/** @type {string} */ label) => html`<code class="wh-label">${label}</code>`)}</dd>
      <dt>Request</dt><dd>${of.method}, ${format(of.format)}</dd>
      <dt>Signatures</dt><dd>${of.signatures.length ? of.signatures.map(signature) : html`<span class="quiet">none</span>`}</dd>
      <dt>Keys</dt><dd>${keys(of)}</dd>
      <dt>Headers</dt><dd>${Object.keys(of.headers).length === 0 ? html`<span class="quiet">none of its own</span>`
        : Object.entries(of.headers).map(([name, value]) => html`<div><code>${name}: ${value}</code>${value === "***" ? html` <span class="quiet">(not shown)</span>` : null}</div>`)}</dd>
      ${of.basic_auth ? html`<dt>HTTP Basic</dt><dd>user ${of.basic_auth.username}</dd>` : null}
      <dt>Attempts</dt><dd>${of.retry.length ? html`again after ${of.retry.join(", ")}` : "one only"}; timeout ${of.timeout}</dd>
      <dt>Limits</dt><dd>${[`${of.concurrency} at a time`, of.rate_limit && `${of.rate_limit} at most`, of.ordered && "in the order of events"].filter(Boolean).join(", ")}</dd>
      <dt>When it fails</dt><dd>${[of.pause_after ? `paused after ${of.pause_after} failed attempts in a row` : "never paused",
        of.disable_after ? `disabled after ${of.disable_after} failed deliveries in a row` : "never disabled for failures"].join("; ")}</dd>
      <dt>Id</dt><dd><code>${of.id}</code> <${Copy} text=${of.id} what="the webhook's id" /></dd>
      <dt>${isOfFile ? "Known since" : "Made"}</dt><dd><${Time} at=${of.created_at} />${of.updated_at === of.created_at ? null : html`; changed <${Time} at=${of.updated_at} />`}</dd>
    </dl></section>`;
}

/** @param {any} of */
function format(of) {
  if (typeof of === "string") return html`format <code>${of}</code>`;
  return html`${of.json !== undefined ? "JSON by the expression" : html`<code>${of.content_type}</code> by the template`}<pre class="wh-body" tabindex="0" role="region" aria-label="Format">${of.json ?? of.template}</pre>`;
}

/** @param {any} of */
function signature(of) {
  if (typeof of === "string") return html`<div><code>${of}</code></div>`;
  return html`<div><code>${of.header}: ${of.prefix}…</code> <span class="quiet">${of.algorithm}, ${of.encoding}, of ${of.content}</span></div>`;
}

/** @param {any} of */
function keys(of) {
  const known = [of.has_secret && "HMAC key", of.has_ed25519_key && "ed25519 key"].filter(Boolean).join(", ");
  return html`${known || html`<span class="quiet">none</span>`}${of.previous_secret_until
    ? html`; the key before signs too until <${Time} at=${of.previous_secret_until} />` : null}`;
}
