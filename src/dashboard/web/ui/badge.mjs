// States, as a sign, a word and a colour: never by the colour alone.

import { html } from "../lib.mjs";

/** @type {Record<string, [string, string, string]>} state: sign, tone, what it means */
const STATES = {
  pending: ["◔", "wait", "waits for its attempt"],
  held: ["‖", "warn", "waits until its webhook is well or enabled again"],
  delivered: ["✓", "good", "accepted by its receiver"],
  failed: ["✕", "bad", "given up; retry it when the receiver is well"],
  cancelled: ["⊘", "quiet", "cancelled by hand"],
  active: ["✓", "good", "deliveries go out"],
  paused: ["‖", "warn", "its receiver fails: one probe at a time until it is well"],
  disabled: ["⊘", "quiet", "nothing goes out; its deliveries are held"],
};

/** The state of a delivery or webhook. @param {{of: string, n?: number}} props */
export function State({ of, n }) {
  const [sign, tone, meaning] = STATES[of] ?? ["•", "quiet", ""];
  return html`<span class="badge ${tone}" title=${meaning}>
    <span aria-hidden="true">${sign}</span> ${n === undefined ? "" : `${n} `}${of}</span>`;
}

/** A response's status code; null: none came. @param {{of: number|null|undefined}} props */
export function Code({ of }) {
  if (of === null || of === undefined) return html`<span class="badge bad" title="no response"><span aria-hidden="true">✕</span> none</span>`;
  const tone = of < 300 ? "good" : of < 400 ? "wait" : of < 500 ? "warn" : "bad";
  return html`<span class="badge ${tone}">${of}</span>`;
}

/** A method. @param {{of: string}} props */
export const Method = ({ of }) => html`<span class="method">${of.toUpperCase()}</span>`;

/** How the deliveries of an event stand: only the states that occur. @param {{of: Record<string, number>}} props */
export function Deliveries({ of }) {
  const states = ["failed", "held", "pending", "delivered", "cancelled"].filter((state) => of[state] > 0);
  if (states.length === 0) return html`<span class="quiet">no webhook</span>`;
  return html`<span class="badges">${states.map((state) => html`<${State} of=${state} n=${of[state]} />`)}</span>`;
}

/** Says that a value was taken out. @param {{why?: string, word?: string}} props */
export const Redacted = ({ why = "sidehook put this word where a secret stood. What is redacted, [capture] says.", word = "redacted" }) =>
  html`<span class="badge warn" title=${why}>${word}</span>`;
