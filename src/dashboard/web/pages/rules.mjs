import { html } from "../lib.mjs";

/** @param {any} props */
export function Rules(props) {
  return html`<h1>Rules</h1>`;
}
