// Who is signed in. The token lives in the session storage of this tab: it survives a reload of the
// page and ends with the browser session. It comes from the form, or from the address that sidehook
// prints at its first start (`/#token=...`), from which it is removed at once.

import { cell } from "./lib.mjs";

const KEY = "sidehook.token";

/**
 * `token` null: nobody is signed in; `why` says what happened to the last one.
 * `access` null: not known yet whether the token is right.
 * @typedef {{token: string|null, access: "full"|"read"|null, why: string|null}} Session
 */

/** @type {ReturnType<typeof cell<Session>>} */
export const session = cell(/** @type {Session} */ ({ token: takeToken(), access: null, why: null }));

function takeToken() {
  const given = /^#token=([^&]+)/.exec(location.hash);
  if (given) {
    history.replaceState(null, "", location.pathname + location.search + "#/");
    const token = decode(given[1]);
    store(token);
    return token;
  }
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
  } catch { /* See takeToken. */ }
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
