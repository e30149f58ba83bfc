// What is wrong, in words and with the cure, above every page: the worst few, the others behind a button.

import { html, useCell, useRef, useState } from "../lib.mjs";
import { link, place } from "../router.mjs";
import { status } from "../status.mjs";
import { counted, Prose, Time } from "./text.mjs";

/** So many stand there unasked; fewer where they would fill the screen of whoever is at something else. */
const WORST = 3;
const narrow = matchMedia("(max-width: 640px)");

/** @typedef {{code: string, severity: "error"|"warning", message: string, cure: string, webhook_id?: string}} Trouble */

/** Nothing is shown when all is well. */
export function Banner() {
  const { data, awaySince, why } = useCell(status);
  const { path } = useCell(place);
  const [isOpen, setOpen] = useState(false);
  const problems = /** @type {Trouble[]} */ (data?.problems ?? []);
  const said = useAnnouncement(awaySince === null ? problems : []);
  if (awaySince !== null) {
    return html`<div class="banner bad" role="alert">
      <p><strong>${why}</strong> (since <${Time} at=${awaySince} />). What you see is how it was then.
      It is tried again all the time. If it stays so: is the process running, and is this address still its admin address?</p>
    </div>`;
  }
  const few = narrow.matches && path.length > 0 ? 1 : WORST;
  const shown = isOpen ? problems : problems.slice(0, few);
  const more = problems.length - few;
  const isBad = problems.some(({ severity }) => severity === "error");
  return html`<p class="unseen" role="status">${said}</p>
    ${problems.length === 0 ? null : html`<section class="banner ${isBad ? "bad" : "warn"}" aria-label="Problems">
      <ul>${shown.map((problem) => html`<${Line} key=${keyOf(problem)} of=${problem} />`)}</ul>
      ${more > 0 ? html`<button type="button" class="small" aria-expanded=${isOpen} onClick=${() => setOpen(!isOpen)}>
        ${isOpen ? few === 1 ? "Show the worst only" : `Show the worst ${few} only` : `and ${more} more`}</button>` : null}
    </section>`}`;
}

/** @param {{of: Trouble}} props */
function Line({ of }) {
  const [sign, word] = of.severity === "error" ? ["✕", "Error"] : ["!", "Warning"];
  return html`<li><span class="sign" aria-hidden="true">${sign}</span><div><span class="unseen">${word}: </span><strong><${Prose} text=${of.message} /></strong> <${Prose} text=${of.cure} />${" "}
    ${of.webhook_id ? html`<a href=${link("webhooks", of.webhook_id)}>Open the webhook</a>`
      : of.code === "config_refused" || of.code === "needs_restart" ? html`<a href=${link("configuration")}>Open the configuration</a>` : null}</div>
  </li>`;
}

/** @param {Trouble} problem */
const keyOf = (problem) => `${problem.code} ${problem.webhook_id ?? ""}`;

/**
 * What a screen reader is told: once when the set of problems changes, not whenever a figure in a message does.
 * @param {Trouble[]} problems
 */
function useAnnouncement(problems) {
  const last = useRef({ keys: "", said: "" });
  const keys = problems.map(keyOf).join("\n");
  if (keys !== last.current.keys) {
    const said = problems.length === 0 ? "All problems are over."
      : `${counted(problems.length, "problem")}. ${problems[0].message}`;
    last.current = { keys, said };
  }
  return last.current.said;
}
