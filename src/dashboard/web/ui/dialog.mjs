// Questions before something is done, in the browser's own modal dialog: it keeps the focus inside and
// closes on Escape.

import { cell, html, useCell, useEffect, useRef } from "../lib.mjs";
import { place } from "../router.mjs";
import { session } from "../session.mjs";

/**
 * @typedef {{title: string, text: any, action: string, refuse?: string, danger?: boolean, answer: (yes: boolean) => void}} Question
 */

/** @type {ReturnType<typeof cell<Question|null>>} */
const asked = cell(/** @type {Question|null} */ (null));

// A question is about what is on the page: on another one ("back" on a phone) it would be answered for what is not seen.
let asker = place.get().path.join("/");
place.watch(({ path }) => {
  const here = path.join("/");
  if (here !== asker) asked.get()?.answer(false);
  asker = here;
});
// Nor is it asked again of who signs in next.
session.watch(({ token }) => { if (token === null) asked.get()?.answer(false); });

/**
 * Asks; true when the visitor says yes.
 * @param {{title: string, text: any, action: string, refuse?: string, danger?: boolean}} question
 * `action` is the word on the button, `refuse` that on the other; `text` may be a template.
 * @returns {Promise<boolean>}
 */
export function confirm(question) {
  asked.get()?.answer(false);
  return new Promise((resolve) => {
    asked.set({ ...question, answer: (yes) => { asked.set(null); resolve(yes); } });
  });
}

/** Where questions stand; once per page. */
export function Questions() {
  const question = useCell(asked);
  if (!question) return null;
  return html`<${Dialog} title=${question.title} onClose=${() => question.answer(false)}>
    <div>${question.text}</div>
    <div class="actions">
      <button type="button" onClick=${() => question.answer(false)}>${question.refuse ?? "Leave it"}</button>
      <button type="button" class=${question.danger ? "danger" : "primary"} onClick=${() => question.answer(true)}>${question.action}</button>
    </div>
  <//>`;
}

/**
 * A modal dialog, open as long as it is rendered.
 * @param {{title: string, onClose: () => void, children: any}} props
 */
export function Dialog({ title, onClose, children }) {
  const element = useRef(/** @type {HTMLDialogElement|null} */ (null));
  useEffect(() => {
    const before = /** @type {HTMLElement|null} */ (document.activeElement);
    element.current?.showModal();
    return () => before?.focus?.();
  }, []);
  return html`<dialog ref=${element} aria-label=${title}
    onCancel=${(/** @type {Event} */ e) => { e.preventDefault(); onClose(); }}>
    <header><h2>${title}</h2><button type="button" class="bare" aria-label="Close" onClick=${onClose}>✕</button></header>
    ${children}
  </dialog>`;
}
