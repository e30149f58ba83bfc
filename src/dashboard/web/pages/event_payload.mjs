// What the receiver gets: the request of the next attempt as it would be sent, secrets masked, and the
// same as a command for a shell.

import { get } from "../api.mjs";
import { html, useMemo } from "../lib.mjs";
import { Method } from "../ui/badge.mjs";
import { Body, contentOf, Long, Text } from "../ui/body.mjs";
import { Copy } from "../ui/copy.mjs";
import { curlOf } from "../ui/curl.mjs";
import { Loaded, useLoad, useReloads } from "../ui/load.mjs";
import { Pairs } from "./event_call.mjs";

const MASK = "***";

/** What to do about a refusal of the server, by its code. @type {Record<string, string>} */
const CURES = {
  webhook_gone: "\"Replay to …\" sends the event to another webhook.",
  unusable: "Mend the webhook's settings; until then nothing is sent to it.",
  unrenderable: "Every attempt fails with this. Mend the webhook's format, then retry.",
};

/** @param {{delivery: any}} props */
export function Payload({ delivery }) {
  const { id, attempts } = delivery;
  const loaded = useLoad((signal) => get(`v1/deliveries/${id}/payload`, { view: "request" }, { signal }), [id]);
  useReloads(loaded.reload, [attempts]);
  const cure = CURES[loaded.problem?.code];
  return html`<section class="ev-payload" aria-label="What the receiver gets">
    ${cure ? html`<div class="notice warn" role="alert">
      <p><strong>There is nothing to show:</strong> ${loaded.problem.message}. ${cure}</p></div>`
    : html`<${Loaded} of=${loaded} what="what the receiver gets">${loaded.data ? html`<${Shown} request=${loaded.data} attempt=${attempts + 1} />` : null}<//>`}
  </section>`;
}

/** @param {{request: any, attempt: number}} props */
function Shown({ request, attempt }) {
  const { method, url, headers, body, body_encoding: encoding } = request;
  const content = useMemo(() => contentOf(body, encoding), [body, encoding]);
  const command = useMemo(() => curlOf(request), [request]);
  const masked = Object.entries(headers).filter(([, value]) => /** @type {string} */ (value).includes(MASK)).map(([name]) => name);
  const isBodyMasked = encoding !== "base64" && body.includes(MASK);
  return html`
    <p class="hint">The request of attempt ${attempt}, as it would be sent now. Secrets and signatures read <code>${MASK}</code>: they are never shown.</p>
    <p class="ev-line"><${Method} of=${method} /> <code><${Long} text=${url} limit=${400} /></code> <${Copy} text=${url} what="the receiver's URL" /></p>
    <${Pairs} pairs=${Object.entries(headers)} isHeaders />
    <h4>Body</h4>
    <${Body} of=${content} name="Body that the receiver gets" what="the body that the receiver gets" />
    <h4>The same with curl <${Copy} text=${command} what="the curl command" label="Copy the curl command" /></h4>
    <${Text} text=${command} name="curl command" />
    <p class="hint">It really sends the request, from where it is run. ${masked.length + (isBodyMasked ? 1 : 0) > 0
      ? html`Put the true values where it says <code>${MASK}</code>: ${[...masked, ...(isBodyMasked ? ["the body"] : [])].join(", ")}. ` : null}It is not signed: a receiver that checks signatures refuses it. "Retry now" sends a signed one.</p>`;
}
