import { html } from "../lib.mjs";

/** @param {any} props */
export function Configuration(props) {
  return html`<h1>Configuration</h1>`;
}
