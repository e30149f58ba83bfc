// Where the visitor is: `#/events?status=failed`. The part behind the `#` is all of it, so that a link
// can be shared and the server has one page only.

import { cell } from "./lib.mjs";

/** @typedef {{path: string[], query: Record<string, string>}} Place */

/** @type {ReturnType<typeof cell<Place>>} */
export const place = cell(read());

/** @returns {Place} */
function read() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?", 2);
  return {
    path: path.split("/").filter(Boolean).map(decode),
    query: Object.fromEntries(new URLSearchParams(query)),
  };
}

/** @param {string} text */
function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** @type {(() => Promise<boolean>)|null} */
let guard = null;
let here = location.hash;

/**
 * Asks before this page is left, until the function is called that it gives.
 * @param {() => Promise<boolean>} ask true: it may be left
 */
export function guardLeaving(ask) {
  guard = ask;
  return () => { if (guard === ask) guard = null; };
}

addEventListener("hashchange", async () => {
  const to = location.hash;
  if (guard && to !== here) {
    history.pushState(null, "", here);
    if (await guard()) {
      guard = null;
      location.hash = to;
    }
    return;
  }
  here = to;
  place.set(read());
});

/**
 * The link to a place: `link("events", id)`, or with a query as last argument.
 * @param {...(string|Record<string, string|null|undefined>)} parts
 */
export function link(...parts) {
  const last = parts.at(-1);
  const query = typeof last === "object" ? last : {};
  const path = parts.filter((part) => typeof part === "string").map(encodeURIComponent).join("/");
  const given = Object.entries(query).filter(([, value]) => value);
  const text = new URLSearchParams(/** @type {[string, string][]} */ (given)).toString();
  return `#/${path}${text ? `?${text}` : ""}`;
}

/** Goes there. @param {string} to made by `link` */
export function go(to) {
  location.hash = to;
}

/**
 * The same page with another query; no new step for the browser's "back" button.
 * @param {Record<string, string|null|undefined>} query
 */
export function setQuery(query) {
  here = link(...place.get().path, query);
  history.replaceState(null, "", here);
  place.set(read());
}
