import { html } from "../lib.mjs";

/** @param {any} props */
export function WebhookForm(props) {
  return html`<h1>WebhookForm</h1>`;
}
