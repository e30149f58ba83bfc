import { html } from "../lib.mjs";

/** @param {any} props */
export function Events(props) {
  return html`<h1>Events</h1>`;
}
