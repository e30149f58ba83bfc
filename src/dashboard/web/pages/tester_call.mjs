// A call as the tester's form has it, and as the API takes and gives it.

import { send } from "../api.mjs";

/** @typedef {{method: string, url: string, status: string, requestHeaders: string, requestBody: string, responseHeaders: string, responseBody: string}} Call */

/** @type {Call} */
export const EMPTY = { method: "POST", url: "", status: "200", requestHeaders: "", requestBody: "", responseHeaders: "", responseBody: "" };

/** @typedef {Partial<Record<keyof Call, string>>} Errors */

/** What `POST /v1/rules/test` takes, or what is wrong with the form. @param {Call} call @returns {{body: any, errors: Errors}} */
export function bodyOf(call) {
  /** @type {Errors} */
  const errors = {};
  /** @param {"request"|"response"} side */
  const message = (side) => {
    const { headers, wrong } = headersOf(call[`${side}Headers`]);
    if (wrong) errors[`${side}Headers`] = wrong;
    // As text: sidehook reads it as it would read it on the wire.
    return { headers, body: call[`${side}Body`] || null };
  };
  const status = call.status.trim();
  if (!call.method.trim()) errors.method = "Give a method, such as POST.";
  if (!call.url.trim()) errors.url = "Give a path, such as /tasks/7?notify=1.";
  if (status && !/^\d+$/.test(status)) errors.status = "Give a number, such as 200.";
  const body = { method: call.method.trim(), url: call.url.trim(), request: message("request"), response: message("response") };
  return { body: status ? { ...body, status: Number(status) } : body, errors };
}

/** "Name: value" line by line. @param {string} text */
function headersOf(text) {
  /** @type {Record<string, string[]>} */
  const headers = Object.create(null);
  for (const [i, line] of text.split(/\r?\n/).entries()) {
    if (!line.trim()) continue;
    const at = line.indexOf(":");
    if (at < 1) return { headers: {}, wrong: `Line ${i + 1} is no header. Write it as "Name: value".` };
    (headers[line.slice(0, at).trim().toLowerCase()] ??= []).push(line.slice(at + 1).trim());
  }
  return { headers, wrong: null };
}

/** Which field the server's words belong to; "": none of them. @param {{field: string, message: string}[]} said @returns {Errors & {""?: string}} */
export function errorsOf(said) {
  /** @type {any} */
  const errors = {};
  for (const { field, message } of said) {
    const [, side, part] = /^(request|response)\.(headers|body)/.exec(field) ?? [];
    const name = side ? side + (part === "body" ? "Body" : "Headers") : field in EMPTY ? field : "";
    const words = side || name === "" ? `${field}: ${message}` : message;
    errors[name] = errors[name] ? `${errors[name]}; ${words}` : words;
  }
  return errors;
}

/**
 * The call that made an event, as far as it was kept; `notes` says what is missing.
 * @param {string} id @param {AbortSignal} signal @returns {Promise<{call: Call, label: string, notes: string[]}>}
 */
export async function callOf(id, signal) {
  const answer = await send(`v1/events/${encodeURIComponent(id)}`, { signal });
  const event = exactJson(await answer.text());
  /** @type {string[]} */
  const notes = [];
  const call = { ...EMPTY, method: event.method, url: event.url, status: String(event.status) };
  for (const side of /** @type {("request"|"response")[]} */ (["request", "response"])) {
    const part = event[side];
    const headers = Object.entries(part.headers);
    call[`${side}Headers`] = headers.map(([name, value]) => `${name}: ${value}`).join("\n");
    call[`${side}Body`] = textOf(part, side, notes);
    if (headers.some(([, value]) => value === "REDACTED")) notes.push(`Headers of the ${side} were redacted; a condition on them may judge otherwise here.`);
  }
  if (/=REDACTED(&|$)/.test(event.url)) notes.push("A part of the query was redacted.");
  return { call, label: event.label, notes };
}

/** @param {any} part @param {string} side @param {string[]} notes */
function textOf(part, side, notes) {
  if (part.body_truncated) notes.push(`The ${side}'s body was cut when it was kept.`);
  if (part.body_encoding === "omitted") notes.push(`The ${side}'s body was not kept.`);
  if (part.body_encoding === "base64") notes.push(`The ${side}'s body is binary and cannot be given here.`);
  if (part.body === null || part.body_encoding === "omitted" || part.body_encoding === "base64") return "";
  if (part.body_encoding === "text") return String(part.body);
  if (part.body_encoding === "form") {
    const pairs = Object.entries(part.body).flatMap(([name, value]) => [value].flat().map((text) => [name, String(text)]));
    return new URLSearchParams(pairs).toString();
  }
  return JSON.stringify(part.body, null, 2);
}

/** JSON whose numbers stay as they are written, where the browser can: ids are often longer than what JavaScript counts. @param {string} text */
function exactJson(text) {
  const rawJson = /** @type {any} */ (JSON).rawJSON;
  if (!rawJson) return JSON.parse(text);
  return JSON.parse(text, /** @type {any} */ ((/** @type {string} */ _, /** @type {any} */ value, /** @type {any} */ context) => (
    typeof value === "number" && context?.source && context.source !== String(value) ? rawJson(context.source) : value)));
}
