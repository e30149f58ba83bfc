// The call that made an event: request and response side by side, and what of them is not there.

import { html, useMemo } from "../lib.mjs";
import { Code, Method, Redacted } from "../ui/badge.mjs";
import { Body, Long } from "../ui/body.mjs";
import { Copy } from "../ui/copy.mjs";
import { bytes } from "../ui/text.mjs";

/** Where the word stands in place of the value, whatever the configuration says. */
const ALWAYS = new Set(["authorization", "proxy-authorization", "cookie", "set-cookie"]);

/** @typedef {import("../ui/json_text.mjs").JsonText} JsonText */

/** @param {{event: any, json: JsonText}} props */
export function Call({ event, json }) {
  const { request, response } = event;
  return html`<section aria-labelledby="ev-call">
    <h2 id="ev-call">The call</h2>
    <div class="halves">
      <${Side} side="request" message=${request} json=${json}>
        <${Method} of=${request.method} /> <code><${Long} text=${request.url} limit=${400} /></code>
        ${/(^|[?&])[^=&]*=REDACTED(&|$)/.test(request.url) ? html` <${Redacted} why="[capture] redact_query names parameters of this URL." />` : null}
        <${Copy} text=${request.url} what="the URL" />
      <//>
      <${Side} side="response" message=${response} json=${json}><${Code} of=${response.status} /><//>
    </div>
  </section>`;
}

/** @param {{side: "request"|"response", message: any, json: JsonText, children: any}} props */
function Side({ side, message, json, children }) {
  const { place, headers, params, content } = useMemo(() => read(side, message, json), [message, json]);
  const name = side === "request" ? "Request" : "Response";
  return html`<article class="card ev-side" aria-label=${name}>
    <h3>${name}</h3>
    <p class="ev-line">${children}</p>
    ${params.length > 0 ? html`<h4>Parameters <span class="quiet">of the path</span></h4><${Pairs} pairs=${params} />` : null}
    <h4>Headers <span class="quiet" title="[capture] keep_headers names those that are kept.">as far as they are kept</span></h4>
    ${headers.length > 0 ? html`<${Pairs} pairs=${headers} isHeaders />` : html`<p class="quiet">None. <code>[capture] keep_headers</code> says which are kept.</p>`}
    <h4>Body <${CaptureBadge} of=${message} isNone=${content.kind === "none"} /></h4>
    <${Body} key=${place.from} of=${content} name=${`Body of the ${side}`} what=${`the ${side}'s body`} root=${`${side}.body`} nothing=${nothingOf(message)}>
      <${CaptureWords} of=${message} side=${side} />
    <//>
  </article>`;
}

/** What the message has, in the order and the words of the answer's text. @param {string} side @param {any} message @param {JsonText} json */
function read(side, message, json) {
  const place = /** @type {any} */ (json.member(json.root, side));
  const members = new Map(json.members(place));
  /** @param {any} of @returns {[string, any][]} */
  const pairs = (of) => (of ? json.members(of).map(([key, at]) => [key, JSON.parse(json.raw(at))]) : []);
  const body = members.get("body");
  /** @type {import("../ui/body.mjs").Content} */
  let content = { kind: "none", text: "" };
  if (body && json.raw(body) !== "null") {
    const encoding = message.body_encoding;
    if (encoding === undefined) content = { kind: "json", text: json.text, place: body };
    else if (encoding === "form") {
      content = { kind: "form", text: json.raw(body), fields: pairs(body).map(([key, value]) => [key, [value].flat()]) };
    } else content = { kind: encoding === "base64" ? "base64" : "text", text: JSON.parse(json.raw(body)) };
  }
  return { place, headers: pairs(members.get("headers")), params: pairs(members.get("params")), content };
}

/** Names and values. @param {{pairs: [string, string][], isHeaders?: boolean}} props `isHeaders`: what is redacted or masked is marked */
export function Pairs({ pairs, isHeaders = false }) {
  return html`<dl class="pairs">${pairs.map(([name, value]) => html`<div key=${name}>
    <dt>${name}</dt>
    <dd><${Long} text=${value} />${isHeaders && value === "REDACTED" ? html` <${Redacted} why=${ALWAYS.has(name)
      ? "This header is always redacted: it carries credentials." : "[capture] redact_headers names this header."} />` : null}${isHeaders && value.includes("***") ? html` <${Redacted} word="masked"
      why="It stands for a secret or a signature, which sidehook never shows." />` : null}</dd>
  </div>`)}</dl>`;
}

/** @type {Record<string, [string, string]>} capture: tone, words */
const CAPTURES = {
  complete: ["good", "complete"], truncated: ["warn", "cut"], over_budget: ["bad", "left out"], redacted: ["warn", "left out"],
  client_aborted: ["warn", "broken off by the client"], upstream_aborted: ["warn", "not taken whole"], streaming: ["wait", "still under way"],
};

/** @param {{of: any, isNone: boolean}} props */
function CaptureBadge({ of, isNone }) {
  if (of.capture === "complete" && of.body_truncated) return html`<span class="badge warn">cut</span>`;
  if (of.capture === "complete" && isNone) return null;
  const [tone, words] = CAPTURES[of.capture] ?? ["quiet", of.capture];
  return html`<span class="badge ${tone}">${words}</span>`;
}

/** Why not all of it is here, and what would change that. @param {{of: any, side: "request"|"response"}} props */
function CaptureWords({ of, side }) {
  const words = wordsFor(of, side);
  return words ? html`<p class="ev-capture">${words}</p>` : null;
}

/** @param {any} of @param {"request"|"response"} side */
function wordsFor({ capture, body_size: size, body_truncated: isCut }, side) {
  const key = html`<code>max_${side}_body</code>`;
  const onWire = size > 0 ? html` It had <strong class="nowrap">${bytes(size)}</strong> on the wire.` : null;
  switch (capture) {
    case "complete": return isCut ? html`Only its beginning is here: it is compressed, and decoding stops at eight times ${key}.${onWire}` : null;
    case "truncated": return html`Only its beginning is here: it is longer than ${key} in <code>[capture]</code> or of the rule. The call itself
      was not cut.${onWire}`;
    case "over_budget": return html`It was not kept: all captures in flight together had reached <code>[capture] max_total</code>. The call itself
      was not touched.${onWire}`;
    case "redacted": return html`It was left out whole: <code>[capture] redact_fields</code> reaches into it, and it is cut or no valid JSON, so that
      nobody could be sure of what is in it.${onWire}`;
    case "client_aborted": return html`The client hung up before its end; what came until then is here. The rule's <code>on_disconnect</code> says
      whether such a call is carried on.${onWire}`;
    case "upstream_aborted": return html`The upstream answered without taking all of it; what was sent until then is here.${onWire}`;
    case "streaming": return html`It had not ended after <code>[capture] max_duration</code>; what came until then is here, and the call went
      on.${onWire}`;
    default: return html`Its capture is called "${capture}", which this page does not know.${onWire}`;
  }
}

/** @param {any} message */
function nothingOf(message) {
  if (message.body_encoding === "omitted") return null; // The words of the capture say why.
  if (message.body_truncated) return "Nothing of it had come.";
  // Both are null in the answer.
  return /json/i.test(message.headers["content-type"] ?? "") ? "No body, or the JSON value null." : "No body.";
}
