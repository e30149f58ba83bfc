// Secrets, in the one moment in which they can be seen.

import { html } from "../lib.mjs";
import { Copy } from "../ui/copy.mjs";

/** @type {[string, string][]} */
const KINDS = [["signing_secret", "Signing secret"], ["secret", "Shared secret"], ["ed25519_key", "ed25519 key"]];

/** What secrets an answer of the API carries. @param {any} webhook */
export const hasSecrets = (webhook) => KINDS.some(([key]) => webhook[key]);

/** The secrets of an answer of the API, with what a receiver does with them. @param {{of: any}} props */
export function Secrets({ of }) {
  const given = KINDS.filter(([key]) => of[key]);
  const isStandard = of.signatures.includes("standard");
  return html`<div class="wh-secrets">
    ${given.map(([key, name]) => html`<div class="wh-secret" key=${key}><span class="quiet">${name}</span>
      <code>${of[key]}</code> <${Copy} text=${of[key]} what=${`the ${name.toLowerCase()}`} /></div>`)}
    ${given.length ? html`<p class="notice warn"><strong>Copy it now.</strong> It is shown this once and does not come back; a lost one is replaced with “Rotate secret”.</p>` : null}
    ${isStandard ? html`<p class="quiet">To verify: <code>webhook-signature</code> has <code>v1,</code> + base64 of HMAC-SHA256, with this key, over${" "}
      <code>${"{webhook-id}.{webhook-timestamp}.{body}"}</code>; every Standard Webhooks library does it with the secret as it stands here.</p>` : null}
    <${Warnings} of=${of} />
  </div>`;
}

/** What works but may not be meant. @param {{of: any}} props */
export function Warnings({ of }) {
  if (!of.warnings?.length) return null;
  return html`<div class="notice warn" role="status"><ul class="wh-plain">${of.warnings.map((/** @type {string} */ text) => html`<li>${text}</li>`)}</ul></div>`;
}
