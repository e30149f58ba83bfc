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
 * `data` is the last answer of `/v1/status`; `awaySince` is set while there is none, and `why` says what is the matter.
 * @typedef {{data: any, awaySince: number|null, why: string}} Status
 */
const NOTHING = /** @type {Status} */ ({ data: null, awaySince: null, why: "" });
export const status = cell(NOTHING);

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
  const { token, access } = session.get();
  if (token === null) return status.set(NOTHING);
  if (document.hidden && access !== null) return;
  try {
    const data = await get("v1/status");
    // What one token may do says nothing of the next.
    if (session.get().token !== token) return ask();
    answered();
    if (status.get().awaySince !== null) stale.set(stale.get() + 1);
    status.set({ ...NOTHING, data });
    admitted(data.access);
  } catch (problem) {
    if (session.get().token !== token) return ask();
    status.set({ ...status.get(), awaySince: status.get().awaySince ?? serverNow(), why: problem.message });
    if (problem.status === 0) connection.set("away");
  }
  clearTimeout(timer);
  timer = setTimeout(ask, status.get().awaySince === null ? EVERY : EVERY_AWAY);
}
