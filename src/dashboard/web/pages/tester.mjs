import { html } from "../lib.mjs";

/** @param {any} props */
export function Tester(props) {
  return html`<h1>Tester</h1>`;
}
