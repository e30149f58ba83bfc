import { html } from "../lib.mjs";

/** @param {any} props */
export function Webhook(props) {
  return html`<h1>Webhook</h1>`;
}
