import { html } from "../lib.mjs";

/** @param {any} props */
export function Webhooks(props) {
  return html`<h1>Webhooks</h1>`;
}
