// A button that puts a text into the clipboard.

import { html, useState } from "../lib.mjs";
import { failed } from "./notice.mjs";

/** @param {{text: string|(() => string), what: string, label?: string}} props `what` names it: "the payload" */
export function Copy({ text, what, label = "Copy" }) {
  const [isDone, setDone] = useState(false);
  const copy = async () => {
    const value = typeof text === "function" ? text() : text;
    try {
      // Without https (and not on localhost) the browser offers no clipboard.
      if (navigator.clipboard) await navigator.clipboard.writeText(value);
      else copyBySelection(value);
      setDone(true);
      setTimeout(() => setDone(false), 2000);
    } catch {
      failed("The browser did not allow copying. Select the text and copy it by hand.");
    }
  };
  return html`<button type="button" class="small" aria-label=${`Copy ${what}`} onClick=${copy}>
    <span aria-live="polite">${isDone ? "Copied" : label}</span></button>`;
}

/** @param {string} value */
function copyBySelection(value) {
  const area = document.createElement("textarea");
  area.value = value;
  area.className = "unseen";
  document.body.append(area);
  area.select();
  const isCopied = document.execCommand("copy");
  area.remove();
  if (!isCopied) throw new Error("not copied");
}
