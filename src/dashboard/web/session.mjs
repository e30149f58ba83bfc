// Who is signed in. The token lives in the session storage of this tab: it survives a reload of the
// page and ends with the browser session. It comes from the form, or from the address that sidehook
// prints at its first start (`/#token=...`), from which it is removed at once. Whoever is signed in
// stays so until the token of such an address has proved right: anybody can make one.

import { cell } from "./lib.mjs";

const KEY = "sidehook.token";

/**
 * `token` null: nobody is signed in; `why` says what happened to the last one.
 * `access` null: not known yet whether the token is right.
 * @typedef {{token: string|null, access: "full"|"read"|null, why: string|null}} Session
 */

/** A token that came by the address while another was signed in: to be tried. @type {ReturnType<typeof cell<string|null>>} */
export const offered = cell(/** @type {string|null} */ (null));

/** @type {ReturnType<typeof cell<Session>>} */
export const session = cell(/** @type {Session} */ ({ token: firstToken(), access: null, why: null }));

function firstToken() {
  const before = stored();
  const given = tokenOfAddress("#/");
  if (given === null || given === before) return before;
  if (before !== null) offered.set(given);
  else store(given);
  return before ?? given;
}

// Behind the `#` alone an address changes without a new document.
addEventListener("hashchange", ({ oldURL }) => {
  const given = tokenOfAddress(new URL(oldURL).hash || "#/");
  const { token } = session.get();
  if (given === null || given === token) return;
  if (token !== null) return offered.set(given);
  store(given);
  session.set({ token: given, access: null, why: null });
});

/** Takes the token out of the address, which then is `hash`. @param {string} hash */
function tokenOfAddress(hash) {
  const given = /^#token=([^&]+)/.exec(location.hash);
  if (!given) return null;
  history.replaceState(null, "", location.pathname + location.search + hash);
  return decode(given[1]);
}

function stored() {
  try {
    return sessionStorage.getItem(KEY);
  } catch {
    return null; // Storage is switched off: the token then lives as long as the page.
  }
}

/** @param {string} text */
function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** @param {string|null} token */
function store(token) {
  try {
    if (token === null) sessionStorage.removeItem(KEY);
    else sessionStorage.setItem(KEY, token);
  } catch { /* See stored. */ }
}

/** @param {string} token @param {"full"|"read"} access */
export function signIn(token, access) {
  store(token);
  session.set({ token, access, why: null });
}

/** @param {string|null} why what to tell at the sign-in form */
export function signOut(why = null) {
  store(null);
  session.set({ token: null, access: null, why });
}

/** The server has said what the token may do. @param {"full"|"read"} access */
export function admitted(access) {
  const now = session.get();
  if (now.token !== null && now.access !== access) session.set({ ...now, access });
}
