import { html } from "../lib.mjs";

/** @param {any} props */
export function Event(props) {
  return html`<h1>Event</h1>`;
}
