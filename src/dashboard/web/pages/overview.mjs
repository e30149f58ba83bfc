import { html } from "../lib.mjs";

/** @param {any} props */
export function Overview(props) {
  return html`<h1>Overview</h1>`;
}
