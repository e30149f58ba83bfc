// The admin API, as the pages ask it. Every failure is a Problem with words for people.

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
  let response;
  try {
    response = await fetch(target, {
      ...init,
      credentials: "omit",
      headers: { ...init.headers, authorization: `Bearer ${token}` },
    });
  } catch (error) {
    if (init.signal?.aborted && init.signal.reason?.name !== "TimeoutError") throw error;
    throw new Problem({ status: 0, code: "unreachable", message: "sidehook does not answer" });
  }
  if (response.ok) return response;
  const problem = await problemOf(response);
  // Another tab's or an old token: the answer of the token that is signed in alone counts.
  if (response.status === 401 && !options.token && token === session.get().token) {
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
