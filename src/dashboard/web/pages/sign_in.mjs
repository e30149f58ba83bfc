// Signing in: the token, and what happened to the last one.

import { get } from "../api.mjs";
import { html, useCell, useEffect, useState } from "../lib.mjs";
import { session, signIn } from "../session.mjs";
import { Field } from "../ui/form.mjs";

export function SignIn() {
  const { why } = useCell(session);
  const [token, setToken] = useState("");
  const [error, setError] = useState(/** @type {string|null} */ (null));
  const [isBusy, setBusy] = useState(false);
  useEffect(() => { document.title = "Sign in · sidehook"; }, []);

  /** @param {Event} e */
  const submit = async (e) => {
    e.preventDefault();
    const given = token.trim();
    if (!given) return setError("Enter the token.");
    setBusy(true);
    setError(null);
    try {
      const status = await get("v1/status", {}, { token: given });
      signIn(given, status.access);
    } catch (problem) {
      setError(wordsFor(problem));
      setBusy(false);
    }
  };
  return html`<main class="lonely card">
    <h1><img src="assets/icon.svg" alt="" width="32" height="32" /> sidehook</h1>
    ${why ? html`<p class="notice warn" role="alert">${why}</p>` : null}
    <form onSubmit=${submit} novalidate>
      <${Field} name="token" type="password" label="Admin token" value=${token} onInput=${setToken} error=${error}
        autocomplete="current-password" autofocus
        hint=${html`It is what <code>[admin] token</code> says. Where nothing is said there, it is in the file
          <code>admin-token</code> in the store's folder. A <code>read_token</code> works too: it only looks.`} />
      <div class="actions"><button type="submit" class="primary" disabled=${isBusy}>${isBusy ? "Signing in ..." : "Sign in"}</button></div>
    </form>
    <p class="quiet">The token is kept by this tab only, until the browser is closed or you sign out.</p>
  </main>`;
}

/** @param {{status: number, message: string}} problem */
function wordsFor(problem) {
  if (problem.status === 0) return "sidehook does not answer. Is it running, and is this its admin address?";
  if (problem.status === 401) return "This is not the token. Nothing was changed; try again.";
  if (problem.status === 429) return "Too many wrong tokens came from your address. The right one is accepted at any time.";
  return problem.message;
}
