// A test, and what the receiver answered: as text, whatever it is.

import { post } from "../api.mjs";
import { html, useEffect, useRef, useState } from "../lib.mjs";
import { link } from "../router.mjs";
import { Code } from "../ui/badge.mjs";
import { Field } from "../ui/form.mjs";
import { millis } from "../ui/text.mjs";

/** @type {Record<string, [string, string]>} the answer's tone and first words */
const VERDICTS = {
  delivered: ["good", "The receiver took it."],
  failed: ["bad", "The test failed."],
  pending: ["warn", "No attempt has ended within 25 seconds; it is tried still."],
  held: ["warn", "No attempt has ended within 25 seconds; it is held."],
};

/** @param {{webhook: any}} props */
export function TestPanel({ webhook }) {
  const [event, setEvent] = useState("");
  const [isBusy, setBusy] = useState(false);
  const [result, setResult] = useState(/** @type {any} */ (null));
  const [problem, setProblem] = useState(/** @type {any} */ (null));
  /** @param {Event} e */
  const send = async (e) => {
    e.preventDefault();
    setBusy(true);
    setProblem(null);
    setResult(null);
    try {
      setResult(await post(`v1/webhooks/${webhook.id}/test`, event.trim() ? { event: event.trim() } : {}));
    } catch (failure) {
      setProblem(failure);
    }
    setBusy(false);
  };
  const labels = webhook.events.filter((/** @type {string} */ label) => !label.includes("*"));
  const wrong = problem?.errors.find((/** @type {any} */ one) => one.field === "event")?.message;
  return html`<form class="wh-test" onSubmit=${send} novalidate>
    <p>One request goes out now, with the body of a made-up call. It is not held against the webhook; an accepted one ends a pause.</p>
    <div class="wh-line"><${Field} name="test-event" label="Event label" value=${event} onInput=${setEvent} list=${labels} error=${wrong}
        placeholder=${labels[0] ?? "sidehook.test"} hint="Optional." />
      <button type="submit" class="primary" disabled=${isBusy}>${isBusy ? "Waiting for the receiver ..." : "Send the test"}</button></div>
    <div aria-live="polite">
      ${problem && !wrong ? html`<p class="notice bad"><strong>The test was not sent.</strong> ${problem.message}</p>` : null}
      ${result ? html`<${Answer} of=${result} />` : null}
    </div>
  </form>`;
}

/** @param {{of: any}} props */
function Answer({ of }) {
  const [tone, words] = VERDICTS[of.status] ?? ["warn", of.status];
  const box = useRef(/** @type {HTMLElement|null} */ (null));
  useEffect(() => box.current?.scrollIntoView({ block: "nearest" }), []);
  return html`<div class="notice ${tone} wh-answer" ref=${box}>
    <p><strong>${words}</strong> ${of.error ?? ""}</p>
    <dl class="facts">
      <dt>Answer</dt><dd><${Code} of=${of.response_code} /></dd>
      <dt>Time</dt><dd>${millis(of.response_time_ms)}</dd>
      <dt>Event</dt><dd><a href=${link("events", of.id)}>see the request and all of the answer</a></dd>
    </dl>
    ${of.response_body ? html`<h3>What the receiver said${of.response_body_encoding ? " (base64)" : ""}</h3>
      <pre class="wh-body" tabindex="0" role="region" aria-label="The receiver's answer">${of.response_body}</pre>
      ${of.response_body_truncated ? html`<p class="quiet">There was more; only its beginning is kept.</p>` : null}` : null}
  </div>`;
}
