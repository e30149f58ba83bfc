// A body that was captured or received, as what it is: JSON, a form, text, bytes, or nothing. Always as
// text, never as what it would be to a browser.

import { html, useMemo, useState } from "../lib.mjs";
import { Redacted } from "./badge.mjs";
import { Copy } from "./copy.mjs";
import { Json } from "./json.mjs";
import { isJson } from "./json_text.mjs";
import { bytes, count } from "./text.mjs";

/** Characters of a text that are shown at once, and then on each demand. */
const SLICE = 16_384;
/** Longer JSON begins as text: to fold it takes a while, and is done when it is asked for. */
const LARGE = 4 * 1024 * 1024;
/** Bytes that are shown as figures. */
const DUMP = 256;

/**
 * What is shown. `text`: JSON, text, or base64, exactly as it came. `fields`: those of a form.
 * @typedef {{kind: "json"|"form"|"text"|"base64"|"none", text: string, place?: {from: number, to: number},
 *   fields?: [string, string[]][]}} Content
 */

/**
 * @param {{of: Content, name: string, what: string, root?: string, nothing?: any, children?: any}} props
 * `name` begins a sentence ("Body of the request"), `what` ends one ("the request's body"); `root`: how conditions
 * call it; `nothing`: what to say where there is none; `children`: what else there is to say about it.
 */
export function Body({ of, name, what, root, nothing = "No body.", children }) {
  const raw = useMemo(() => (of.place ? of.text.slice(of.place.from, of.place.to) : of.text), [of]);
  const [view, setView] = useState(of.kind === "json" && raw.length > LARGE ? "raw" : "pretty");
  const size = useMemo(() => bytes(sizeOf(of, raw)), [raw]);
  if (of.kind === "none") return html`${nothing === null ? null : html`<p class="quiet">${nothing}</p>`}${children}`;
  const hasViews = of.kind !== "text";
  const isPretty = view === "pretty" || !hasViews;
  return html`<div class="body">
    ${children}
    <div class="body-tools">
      <span class="quiet" title="Without the content coding of the transfer.">${WORDS[of.kind]}, <span class="nowrap">${size}</span></span>
      ${hasViews ? html`<span class="choice" role="group" aria-label=${`View of ${what}`}>
        <button type="button" aria-pressed=${isPretty} onClick=${() => setView("pretty")}>Pretty</button>
        <button type="button" aria-pressed=${!isPretty} onClick=${() => setView("raw")}>Raw</button>
      </span>` : null}
      <${Copy} text=${raw} what=${what} />
      ${of.kind === "base64" || raw.length > SLICE ? html`<button type="button" class="small" aria-label=${`Download ${what}`} onClick=${() => download(of, raw)}>Download</button>` : null}
    </div>
    ${isPretty ? html`<${Pretty} of=${of} raw=${raw} name=${name} root=${root} />` : html`<${Text} text=${raw} name=${name} />`}
  </div>`;
}

const WORDS = { json: "JSON", form: "Form", text: "Text", base64: "Bytes that are no text", none: "" };

/** @param {{of: Content, raw: string, name: string, root?: string}} props */
function Pretty({ of, raw, name, root }) {
  if (of.kind === "json") return html`<${Json} text=${of.text} place=${of.place} name=${name} root=${root} />`;
  if (of.kind === "base64") return html`<${Dump} base64=${raw} name=${name} />`;
  if (of.kind === "form") return html`<${Form} fields=${of.fields ?? []} name=${name} />`;
  return html`<${Text} text=${raw} name=${name} />`;
}

/** @param {{fields: [string, string[]][], name: string}} props */
function Form({ fields, name }) {
  return html`<div class="table" role="region" tabindex="0" aria-label=${name}><table>
    <thead><tr><th>Field</th><th>Value</th></tr></thead>
    <tbody>${fields.slice(0, 500).map(([field, values]) => html`<tr key=${field}>
      <td class="mono">${field}</td>
      <td class="mono">${values.map((value) => html`<div><${Long} text=${value} />${value === "REDACTED" ? html` <${Redacted} />` : null}</div>`)}</td>
    </tr>`)}</tbody>
  </table>${fields.length > 500 ? html`<p class="hint">${count(fields.length - 500)} more fields are in the view "Raw".</p>` : null}</div>`;
}

/** A text that may be very long, slice by slice. @param {{text: string, name: string}} props */
export function Text({ text, name }) {
  const [shown, setShown] = useState(SLICE);
  const rest = text.length - shown;
  return html`<pre class="body-text" tabindex="0" role="region" aria-label=${name}>${text.slice(0, shown)}</pre>
    ${rest > 0 ? html`<button type="button" class="small" onClick=${() => setShown(shown + 4 * SLICE)}>
      Show ${count(Math.min(rest, 4 * SLICE))} more of ${count(rest)} characters</button>` : null}`;
}

/** The beginning of bytes in figures and letters. @param {{base64: string, name: string}} props */
function Dump({ base64, name }) {
  const some = bytesOf(base64.slice(0, Math.ceil(DUMP / 3) * 4)).slice(0, DUMP);
  const lines = [];
  for (let at = 0; at < some.length; at += 16) {
    const line = [...some.slice(at, at + 16)];
    const figures = line.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const letters = line.map((byte) => (byte > 31 && byte < 127 ? String.fromCharCode(byte) : "·")).join("");
    lines.push(`${at.toString(16).padStart(4, "0")}  ${figures.padEnd(47)}  ${letters}`);
  }
  const rest = lengthOf(base64) - some.length;
  return html`<pre class="body-text body-dump" tabindex="0" role="region" aria-label=${name}>${lines.join("\n")}</pre>
    ${rest > 0 ? html`<p class="hint">${bytes(rest)} more. "Raw" and "Copy" give all of it as base64, "Download" the bytes.</p>` : null}`;
}

/** A value on one line, cut where it is long. @param {{text: string, limit?: number}} props */
export function Long({ text, limit = 240 }) {
  const [shown, setShown] = useState(limit);
  if (text.length <= limit + 40) return html`<span>${text}</span>`;
  const rest = text.length - shown;
  return html`<span>${text.slice(0, shown)}${rest > 0 ? "…" : ""}</span>
    <button type="button" class="small" onClick=${() => setShown(rest > 0 ? shown + SLICE : limit)}>
      ${rest > 0 ? `Show ${count(Math.min(rest, SLICE))} more` : "Show less"}</button>`;
}

/** What a text is, whose content type is known. @param {string|null} text @param {string|undefined} encoding @returns {Content} */
export function contentOf(text, encoding) {
  if (text === null || text === "") return { kind: "none", text: "" };
  if (encoding === "base64") return { kind: "base64", text };
  return { kind: /^\s*[[{"]/.test(text) && isJson(text) ? "json" : "text", text };
}

/** @param {Content} of @param {string} raw */
function sizeOf(of, raw) {
  return of.kind === "base64" ? lengthOf(raw) : new Blob([raw]).size;
}

/** How many bytes it stands for (RFC 4648 4). @param {string} base64 */
function lengthOf(base64) {
  return (base64.length / 4) * 3 - (base64.endsWith("==") ? 2 : base64.endsWith("=") ? 1 : 0);
}

/** @param {string} base64 */
function bytesOf(base64) {
  return Uint8Array.from(atob(base64), (sign) => sign.charCodeAt(0));
}

/** As a file; its type is of no use to a browser. @param {Content} of @param {string} raw */
function download(of, raw) {
  const content = of.kind === "base64" ? bytesOf(raw) : raw;
  const url = URL.createObjectURL(new Blob([content], { type: "application/octet-stream" }));
  const a = document.createElement("a");
  a.href = url;
  a.download = of.kind === "json" ? "body.json" : of.kind === "base64" ? "body.bin" : "body.txt";
  a.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
