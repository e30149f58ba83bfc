// What is wrong, in words and with the cure, above every page.

import { html, useCell } from "../lib.mjs";
import { link } from "../router.mjs";
import { status } from "../status.mjs";
import { Time } from "./text.mjs";

/** Nothing is shown when all is well. */
export function Banner() {
  const { data, awaySince } = useCell(status);
  if (awaySince !== null) {
    return html`<div class="banner bad" role="alert">
      <p><strong>sidehook does not answer</strong> since <${Time} at=${awaySince} />. What you see is how it was then.
      It is tried again all the time. If it stays so: is the process running, and is this address still its admin address?</p>
    </div>`;
  }
  const problems = data?.problems ?? [];
  if (problems.length === 0) return null;
  const isBad = problems.some((/** @type {any} */ problem) => problem.severity === "error");
  return html`<section class="banner ${isBad ? "bad" : "warn"}" role=${isBad ? "alert" : "status"} aria-label="Problems">
    <ul>${problems.map((/** @type {any} */ problem) => html`<li key=${problem.code + (problem.webhook_id ?? "")}>
      <strong>${problem.message}</strong> ${problem.cure}
      ${problem.webhook_id ? html` <a href=${link("webhooks", problem.webhook_id)}>Open the webhook</a>` : null}
    </li>`)}</ul>
  </section>`;
}
