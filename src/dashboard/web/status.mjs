// How sidehook is, asked every few seconds while somebody looks, for the banner and for every page.

import { get } from "./api.mjs";
import { serverNow } from "./clock.mjs";
import { cell } from "./lib.mjs";
import { answered, connection, stale } from "./live.mjs";
import { admitted, session } from "./session.mjs";

const EVERY = 5_000;
/** While it does not answer. */
const EVERY_AWAY = 2_000;

/**
 * `data` is the last answer of `/v1/status`; `awaySince` is set while there is none.
 * @type {ReturnType<typeof cell<{data: any, awaySince: number|null}>>}
 */
export const status = cell({ data: /** @type {any} */ (null), awaySince: /** @type {number|null} */ (null) });

let timer = 0;

/** Asks as long as somebody is signed in and the tab is seen. Called once. */
export function startAsking() {
  document.addEventListener("visibilitychange", () => { if (!document.hidden) ask(); });
  session.watch((now) => {
    // Signed in: by the form, which has asked already but kept no answer, or by a token not tried yet.
    if (now.token === null ? status.get().data !== null : status.get().data === null) ask();
  });
  stale.watch(ask);
  ask();
}

/** Asks now. */
export async function ask() {
  clearTimeout(timer);
  if (session.get().token === null) return status.set({ data: null, awaySince: null });
  if (document.hidden && session.get().access !== null) return;
  try {
    const data = await get("v1/status");
    if (session.get().token === null) return;
    answered();
    if (status.get().awaySince !== null) stale.set(stale.get() + 1);
    status.set({ data, awaySince: null });
    admitted(data.access);
  } catch (problem) {
    if (session.get().token === null) return;
    status.set({ ...status.get(), awaySince: status.get().awaySince ?? serverNow() });
    if (/** @type {any} */ (problem).status === 0) connection.set("away");
  }
  clearTimeout(timer);
  timer = setTimeout(ask, status.get().awaySince === null ? EVERY : EVERY_AWAY);
}
