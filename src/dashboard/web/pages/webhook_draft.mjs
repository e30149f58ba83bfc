// What stands in the form of a webhook, as texts; what of it is sent; and which mistake belongs where.
// Pure, so that the form only draws.

/**
 * @typedef {{name: string, value: string, masked: boolean}} HeaderRow a `masked` one keeps its value while none is typed
 * @typedef {Record<string, any> & {headers: HeaderRow[]}} Draft
 */

/** The keys that are one text each, a number or a flag; what they are called in the form and on the API. */
const TEXTS = ["name", "url", "timeout", "rate_limit"];
const NUMBERS = ["concurrency", "disable_after", "pause_after"];
/** Secrets: each is kept, replaced or taken away; the API never shows them. */
const SECRETS = ["signing_secret", "secret", "ed25519_key"];
export const FORMATS = ["exchange", "standard", "typed", "timestamped", "cloudevents", "cloudevents-binary", "vikunja", "wireguard-portal"];
export const SCHEMES = ["standard", "sha256", "github", "stripe", "vikunja", "standard-ed25519", "authorization"];

/** An empty form, or that of `webhook`. @param {any} [webhook] @returns {Draft} */
export function draftOf(webhook) {
  const of = webhook ?? { method: "POST", format: "exchange", signatures: [], headers: {}, events: [] };
  const { format } = of;
  const isCustom = (/** @type {any} */ scheme) => typeof scheme === "object";
  const custom = of.signatures.filter(isCustom);
  /** @type {Draft} */
  const draft = {
    events: of.events.join(" "),
    method: of.method,
    format: format.json !== undefined ? "json" : format.template !== undefined ? "template" : format,
    json: format.json ?? "",
    template: format.template ?? "",
    content_type: format.content_type ?? "",
    // Which signatures are the default's cannot be seen in what the API shows.
    signing: webhook ? "chosen" : "default",
    schemes: of.signatures.filter((/** @type {any} */ scheme) => !isCustom(scheme)),
    custom: custom.length ? JSON.stringify(custom, null, 2) : "",
    headers: Object.entries(of.headers).map(([name, value]) => (
      value === "***" ? { name, value: "", masked: true } : { name, value, masked: false })),
    username: of.basic_auth?.username ?? "",
    password: "",
    retry: of.retry === undefined ? "" : of.retry.join(", ") || "none",
    ordered: of.ordered ?? false,
    disabled: false,
  };
  for (const key of [...TEXTS, ...NUMBERS]) draft[key] = String(of[key] ?? "");
  for (const key of SECRETS) {
    draft[key] = "";
    draft[`${key}_do`] = webhook ? "keep" : key === "signing_secret" ? "made" : "own";
  }
  return draft;
}

/** Words between blanks and commas. @param {string} text */
export const words = (text) => text.split(/[\s,]+/).filter(Boolean);

/**
 * Whether a webhook's pattern takes a label, as sidehook judges it: `*` alone is every label, otherwise any text
 * within a segment; sidehook's own events go to those only who name them.
 * @param {string} pattern @param {string} label
 */
export function wants(pattern, label) {
  const isOwn = (/** @type {string} */ text) => text.startsWith("sidehook.");
  if (isOwn(pattern) !== isOwn(label)) return false;
  if (pattern === "*" || pattern === "sidehook.*") return true;
  const escaped = pattern.replace(/[.+?^${}()|[\]\\-]/g, "\\$&").replace(/\*+/g, "[^.]*");
  return new RegExp(`^${escaped}$`).test(label);
}

const WHY_MASKED = "type the value too: the present one is not shown, so it cannot be taken over";

/**
 * The body that is sent: all that was filled in, or, with `before`, what is changed (null: back to the default).
 * `errors` are those that only the form can see.
 * @param {Draft} now @param {any} [before] the webhook that is edited
 */
export function bodyOf(now, before) {
  const was = draftOf(before);
  /** @type {Record<string, any>} */
  const body = {};
  const errors = /** @type {{field: string, message: string}[]} */ ([]);
  /** @param {string} key @param {string} text @param {(text: string) => any} read */
  const put = (key, text, read) => {
    if (text.trim() !== "") body[key] = read(text.trim());
    else if (before) body[key] = null;
  };
  const isChanged = (/** @type {string[]} */ ...keys) => (
    keys.some((key) => JSON.stringify(now[key]) !== JSON.stringify(was[key])));
  for (const key of TEXTS) if (isChanged(key)) put(key, now[key], String);
  for (const key of NUMBERS) if (isChanged(key)) put(key, now[key], numberOf);
  if (isChanged("retry")) put("retry", now.retry, (text) => (text === "none" ? [] : words(text)));
  if (!before || isChanged("events")) body.events = words(now.events);
  for (const key of ["method", "ordered"]) if (isChanged(key)) body[key] = now[key];
  if (now.disabled) body.active = false;
  if (isChanged("format", "json", "template", "content_type")) body.format = formatOf(now);
  if (isChanged("signing", "schemes", "custom")) signaturesOf(now, body, errors);
  for (const key of SECRETS) {
    if (now[`${key}_do`] === "own" && now[key] !== "") body[key] = now[key];
    else if (now[`${key}_do`] === "own" && (before || key === "signing_secret")) errors.push({ field: key, message: "type it" });
    else if (now[`${key}_do`] === "none") body[key] = null;
  }
  const headers = headersOf(now.headers, was.headers, errors);
  if (Object.keys(headers).length) body.headers = headers;
  if (now.username === "" && now.password === "") {
    if (was.username !== "") body.basic_auth = null;
  } else if (isChanged("username", "password")) {
    body.basic_auth = { username: now.username, ...(now.password ? { password: now.password } : {}) };
  }
  return { body, errors };
}

/** What is no number goes as it is: the server says what is right. @param {string} text */
const numberOf = (text) => (/^\d{1,9}$/.test(text) ? Number(text) : text);

/** @param {Draft} now */
function formatOf({ format, json, template, content_type: type }) {
  if (format === "json") return { json };
  if (format === "template") return type.trim() ? { template, content_type: type.trim() } : { template };
  return format;
}

/** @param {Draft} now @param {Record<string, any>} body @param {{field: string, message: string}[]} errors */
function signaturesOf(now, body, errors) {
  if (now.signing === "default") {
    body.signatures = null;
    return;
  }
  let custom = [];
  try {
    custom = now.custom.trim() ? JSON.parse(now.custom) : [];
    if (!Array.isArray(custom)) throw new Error("it is no list");
  } catch (error) {
    errors.push({ field: "custom", message: `this must be a JSON list of tables: ${/** @type {Error} */ (error).message}` });
  }
  body.signatures = [...now.schemes, ...custom];
}

/**
 * @param {HeaderRow[]} rows @param {HeaderRow[]} before @param {{field: string, message: string}[]} errors
 * @returns {Record<string, string|null>}
 */
function headersOf(rows, before, errors) {
  /** @type {Record<string, string|null>} */
  const changes = {};
  const known = new Map(before.map((row) => [row.name.toLowerCase(), row]));
  const seen = new Set();
  for (const { name: given, value, masked } of rows) {
    const name = given.trim();
    if (name === "" && value === "") continue;
    const field = `headers.${name}`;
    if (seen.has(name.toLowerCase())) errors.push({ field, message: "this header stands here twice" });
    seen.add(name.toLowerCase());
    const was = known.get(name.toLowerCase());
    if (masked && value === "") {
      if (!was?.masked) errors.push({ field, message: WHY_MASKED });
    } else if (!was || was.masked || was.value !== value) changes[name] = value;
  }
  for (const [name, row] of known) if (!seen.has(name)) changes[row.name] = null;
  return changes;
}

/** Where the API's word for a field stands in the form. @type {Record<string, string>} */
const PLACES = {
  "format.json": "json", "format.template": "template", "format.content_type": "content_type", basic_auth: "username",
  "basic_auth.username": "username", "basic_auth.password": "password", active: "disabled",
};

/**
 * Which mistakes stand at which field of the form, and (under "") those that belong to none.
 * @param {{field: string, message: string}[]} errors @param {Draft} draft @returns {Record<string, string>}
 */
export function placed(errors, draft) {
  /** @type {Record<string, string>} */
  const at = {};
  for (const { field, message } of errors) {
    let place = PLACES[field] ?? field;
    let text = message;
    const [, base, index, rest] = /^([a-z_]+)\[(\d+)\]\.?(.*)$/.exec(field) ?? [];
    if (base === "signatures") {
      const n = Number(index) - draft.schemes.length;
      place = n < 0 ? "schemes" : "custom";
      text = n < 0 ? message : `No. ${n + 1}${rest ? `, ${rest}` : ""}: ${message}`;
    } else if (base) {
      place = base;
      text = `${words(draft[base] ?? "")[Number(index)] ?? `no. ${Number(index) + 1}`}: ${message}`;
    } else if (field === "signatures") place = "schemes";
    else if (/^headers\./.test(field)) {
      place = field.toLowerCase();
      const name = place.slice("headers.".length);
      if (!draft.headers.some((row) => row.name.trim().toLowerCase() === name)) place = "";
    } else if (!(place in draft) || place === "headers") place = "";
    if (place === "" && field) text = `${field}: ${message}`;
    at[place] = at[place] ? `${at[place]} · ${text}` : text;
  }
  return at;
}

/**
 * Somebody else has changed the webhook while it was edited: what was not touched here takes the new
 * values. `both` names what was changed at both places.
 * @param {Draft} mine @param {any} before @param {any} after
 */
export function merged(mine, before, after) {
  const [was, is] = [draftOf(before), draftOf(after)];
  const draft = /** @type {Draft} */ ({ ...mine });
  const both = [];
  let isOther = false;
  for (const key of Object.keys(is)) {
    const [a, b, c] = [was[key], is[key], mine[key]].map((value) => JSON.stringify(value));
    if (a === b) continue;
    isOther = true;
    if (a === c) draft[key] = is[key];
    else if (b !== c) both.push(key);
  }
  return { draft, both, isOther };
}
