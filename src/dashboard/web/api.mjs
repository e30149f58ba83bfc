// The admin API, as the pages ask it. Every failure is a Problem with words for people.

import { hearTime } from "./clock.mjs";
import { session, signOut } from "./session.mjs";

/** The longest that an answer may take, ms. The server's own limit is 30 s. */
const PATIENCE = 35_000;

/** What went wrong with a request. `status` 0: no answer came. */
export class Problem extends Error {
  /** @param {{status: number, code: string, message: string, errors?: {field: string, message: string}[]}} of */
  constructor({ status, code, message, errors = [] }) {
    super(message);
    this.status = status;
    this.code = code;
    /** Which members of the body were wrong. */
    this.errors = errors;
  }
}

/**
 * @typedef {Record<string, string|number|boolean|null|undefined>} Params
 * @typedef {{signal?: AbortSignal, token?: string, keepSession?: boolean}} Options
 */

/** @param {string} path @param {Params} [params] */
export function address(path, params = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    if (value !== undefined && value !== null && value !== "") query.set(name, String(value));
  }
  const text = query.toString();
  return path.replace(/^\//, "") + (text ? `?${text}` : "");
}

/**
 * @param {string} path @param {Params} [params] @param {Options} [options]
 * @returns {Promise<any>}
 */
export const get = (path, params, options) => ask("GET", address(path, params), undefined, options);

/** So many of a list are read unasked. */
export const MANY = 2_000;

/**
 * A list, page by page; `most` bounds it, and `isCut` says that there are more.
 * @param {string} path @param {AbortSignal} signal @param {number} [most] @returns {Promise<any[] & {isCut: boolean}>}
 */
export async function whole(path, signal, most = MANY) {
  const all = /** @type {any[]} */ ([]);
  let cursor = null;
  do {
    const { data, next } = await get(path, { limit: 200, cursor }, { signal });
    all.push(...data);
    cursor = next;
  } while (cursor && all.length < most);
  return Object.assign(all, { isCut: cursor !== null });
}

/** @param {string} path @param {any} [body] @param {Options} [options] @returns {Promise<any>} */
export const post = (path, body, options) => ask("POST", address(path), body, options);

/** @param {string} path @param {any} body @param {Options} [options] @returns {Promise<any>} */
export const patch = (path, body, options) => ask("PATCH", address(path), body, options);

/** @param {string} path @param {Options} [options] @returns {Promise<any>} */
export const remove = (path, options) => ask("DELETE", address(path), undefined, options);

/**
 * The answer itself, for what is no JSON document (the stream).
 * @param {string} target @param {RequestInit} init @param {Options} options
 */
export async function send(target, init, options = {}) {
  const token = options.token ?? session.get().token ?? "";
  const headers = headersWith(init.headers, token);
  if (!headers) return refuse(new Problem({ status: 401, code: "unauthorized", message: "this is no token" }), token, options);
  const asked = Date.now();
  let response;
  try {
    response = await fetch(target, { ...init, credentials: "omit", headers });
  } catch (error) {
    if (init.signal?.aborted && init.signal.reason?.name !== "TimeoutError") throw error;
    throw new Problem({ status: 0, code: "unreachable", message: "sidehook does not answer" });
  }
  hearTime(response.headers.get("date"), asked);
  if (response.ok) return response;
  return refuse(await problemOf(response), token, options);
}

/** Null: no header can carry this token (a letter beyond Latin-1, a line break), so it is none. @param {HeadersInit|undefined} others @param {string} token */
function headersWith(others, token) {
  try {
    const headers = new Headers(others);
    headers.set("authorization", `Bearer ${token}`);
    return headers;
  } catch {
    return null;
  }
}

/** @param {Problem} problem @param {string} token the one it is about @param {Options} options @returns {never} */
function refuse(problem, token, options) {
  // 429 is a wrong token too: the right one is let in at any time.
  const isWrong = problem.status === 401 || problem.code === "too_many_wrong_tokens";
  // Another tab's or an old token: the answer of the token that is signed in alone counts.
  if (isWrong && !options.token && token === session.get().token) {
    signOut("The token is not accepted any more. It was changed, or sidehook was set up anew.");
  }
  throw problem;
}

/** @param {string} method @param {string} target @param {any} body @param {Options} [options] */
async function ask(method, target, body, options = {}) {
  const timeout = AbortSignal.timeout(PATIENCE);
  const signal = options.signal ? AbortSignal.any([options.signal, timeout]) : timeout;
  const init = { method, signal, ...(body === undefined ? {} : {
    body: JSON.stringify(body), headers: { "content-type": "application/json" },
  }) };
  const response = await send(target, init, options);
  if (response.status === 204) return null;
  try {
    return await response.json();
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new Problem({ status: 0, code: "broken", message: "the answer broke off" });
  }
}

/** @param {Response} response */
async function problemOf(response) {
  let said = null;
  try {
    said = await response.json();
  } catch { /* Not ours: a proxy in between, perhaps. */ }
  const message = said?.detail ?? said?.title ?? `the server answered ${response.status}`;
  return new Problem({
    status: response.status, code: said?.code ?? "unknown", message, errors: said?.errors ?? [],
  });
}
