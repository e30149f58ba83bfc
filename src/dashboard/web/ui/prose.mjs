// Sentences of the server, in which `commands` stand between backquotes.

import { html } from "../lib.mjs";

/** @param {{text: string}} props */
export function Prose({ text }) {
  const parts = text.split("`");
  // An odd one out is no quotation: a name may hold anything.
  if (parts.length % 2 === 0) return text;
  return parts.map((part, i) => (i % 2 === 1 ? html`<code>${part}</code>` : part));
}
