// What has just happened, told at the edge of the page and to screen readers, for a few seconds.

import { cell, html, useCell } from "../lib.mjs";
import { session } from "../session.mjs";

const GOOD_FOR = 6_000;

/** @typedef {{id: number, tone: "good"|"bad", text: string}} Notice */

/** @type {ReturnType<typeof cell<Notice[]>>} */
const notices = cell(/** @type {Notice[]} */ ([]));
let n = 0;

// What was told to who has signed out is not for who comes next.
session.watch(({ token }) => { if (token === null) notices.set([]); });

/** It worked. @param {string} text */
export const done = (text) => tell("good", text);

/** It did not; stays until it is closed, or four newer ones have come. @param {any} problem an Error, or words */
export const failed = (problem) => tell("bad", typeof problem === "string" ? problem : problem.message);

/** @param {"good"|"bad"} tone @param {string} text */
function tell(tone, text) {
  const id = n += 1;
  notices.set([...notices.get().slice(-3), { id, tone, text }]);
  if (tone === "good") setTimeout(() => close(id), GOOD_FOR);
}

/** @param {number} id */
function close(id) {
  notices.set(notices.get().filter((notice) => notice.id !== id));
}

/** Where they stand; once per page. */
export function Notices() {
  const shown = useCell(notices);
  return html`<div class="notices" role="status" aria-live="polite">
    ${shown.map(({ id, tone, text }) => html`<div key=${id} class="notice ${tone}">
      <span>${text}</span>
      <button type="button" class="bare" aria-label="Close this notice" onClick=${() => close(id)}>✕</button>
    </div>`)}
  </div>`;
}

/**
 * Runs an action of a button: tells how it ended, and gives what came of it (undefined when it failed).
 * @template T
 * @param {() => Promise<T>} action
 * @param {string|((result: T) => string)} [words] what to say when it worked
 * @returns {Promise<T|undefined>}
 */
export async function act(action, words) {
  try {
    const result = await action();
    const text = typeof words === "function" ? words(result) : words;
    if (text) done(text);
    return result;
  } catch (problem) {
    failed(problem);
    return undefined;
  }
}
