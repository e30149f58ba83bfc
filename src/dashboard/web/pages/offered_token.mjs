// A token that came by an address while another is signed in: it takes over if it is right, and not in silence.

import { get } from "../api.mjs";
import { offered, session, signIn } from "../session.mjs";
import { done, failed } from "../ui/notice.mjs";

/** Called once. */
export function startTrying() {
  offered.watch(tryIt);
  tryIt(offered.get());
}

/** @param {string|null} token */
async function tryIt(token) {
  if (token === null) return;
  offered.set(null);
  try {
    const { access } = await get("v1/status", {}, { token });
    signIn(token, access);
    done("Signed in with the token of the address.");
  } catch (problem) {
    const { status, code, message } = problem;
    const isWrong = status === 401 || code === "too_many_wrong_tokens";
    const words = isWrong ? "The token of the address is not accepted." : `The token of the address could not be tried: ${message}.`;
    failed(session.get().token === null ? words : `${words} You are still signed in as before.`);
  }
}
