// The frame around every page: who is signed in, where one is, what is wrong.

import { html, render, useCell, useEffect, useErrorBoundary, useRef } from "./lib.mjs";
import { connection, startFollowing } from "./live.mjs";
import { Configuration } from "./pages/configuration.mjs";
import { Event } from "./pages/event.mjs";
import { Events } from "./pages/events.mjs";
import { startTrying } from "./pages/offered_token.mjs";
import { Overview } from "./pages/overview.mjs";
import { Rules } from "./pages/rules.mjs";
import { Tester } from "./pages/tester.mjs";
import { SignIn } from "./pages/sign_in.mjs";
import { Webhook } from "./pages/webhook.mjs";
import { WebhookForm } from "./pages/webhook_form.mjs";
import { Webhooks } from "./pages/webhooks.mjs";
import { link, place } from "./router.mjs";
import { session, signOut } from "./session.mjs";
import { startAsking, status } from "./status.mjs";
import { Banner } from "./ui/banner.mjs";
import { Questions } from "./ui/dialog.mjs";
import { Notices } from "./ui/notice.mjs";

const SECTIONS = [
  ["", "Overview"], ["events", "Events"], ["webhooks", "Webhooks"], ["rules", "Rules"],
  ["configuration", "Configuration"],
];

/** How ids look, in any spelling. Anything else in an address (`../`) could lead a request to another path of the API. */
const ID = /^[\w-]+$/;

/** The page of a place, and its title. @param {{path: string[], query: Record<string, string>}} at */
function pageOf({ path: [section = "", id, action], query }) {
  switch (`${section}/${id ? (ID.test(id) ? "*" : "?") : ""}/${action ?? ""}`) {
    case "//": return { title: "Overview", page: html`<${Overview} query=${query} />` };
    case "events//": return { title: "Events", page: html`<${Events} query=${query} />` };
    case "events/*/": return { title: "Event", page: html`<${Event} key=${id} id=${id} query=${query} />` };
    case "webhooks//": return { title: "Webhooks", page: html`<${Webhooks} query=${query} />` };
    case "webhooks/*/": return id === "new"
      ? { title: "New webhook", page: html`<${WebhookForm} key="new" id=${null} />` }
      : { title: "Webhook", page: html`<${Webhook} key=${id} id=${id} query=${query} />` };
    case "webhooks/*/edit": return { title: "Edit webhook", page: html`<${WebhookForm} key=${id} id=${id} />` };
    case "rules//": return { title: "Rules", page: html`<${Rules} query=${query} />` };
    case "rules/*/": if (id === "test") return { title: "Rule tester", page: html`<${Tester} query=${query} />` };
      break;
    case "configuration//": return { title: "Configuration", page: html`<${Configuration} />` };
  }
  const page = html`<h1>No such page</h1><p>Perhaps the link was cut. <a href=${link("")}>To the overview</a></p>`;
  return { title: "No such page", page };
}

function App() {
  const { token, access } = useCell(session);
  if (token === null) return html`<${SignIn} /><${Notices} />`;
  if (access === null) return html`<${Waiting} />`;
  return html`<${Frame} access=${access} /><${Questions} /><${Notices} />`;
}

/** Between a reload of the page and the server's first word. */
function Waiting() {
  const { awaySince, why } = useCell(status);
  return html`<main class="lonely">
    <p role="status">${awaySince === null ? "Signing in ..." : `${why}. Trying again ...`}</p>
    ${awaySince === null ? null : html`<button type="button" onClick=${() => signOut()}>Sign out</button>`}
  </main>`;
}

/** @param {{access: "full"|"read"}} props */
function Frame({ access }) {
  const at = useCell(place);
  const { title, page } = pageOf(at);
  const main = useRef(/** @type {HTMLElement|null} */ (null));
  const where = at.path.join("/");
  const isFirst = useRef(true);
  useEffect(() => {
    document.title = `${title} · sidehook`;
    // A new page begins at its top, for eyes and for screen readers.
    if (!isFirst.current) {
      scrollTo(0, 0);
      main.current?.focus({ preventScroll: true });
    }
    isFirst.current = false;
  }, [where]);
  return html`
    <a class="skip" href="#main" onClick=${(/** @type {Event} */ e) => { e.preventDefault(); main.current?.focus(); }}>Skip to the page</a>
    <header class="top">
      <a class="brand" href=${link("")}><img src="assets/icon.svg" alt="" width="24" height="24" /> sidehook</a>
      <nav aria-label="Sections">${SECTIONS.map(([section, name]) => html`
        <a href=${link(section)} aria-current=${(at.path[0] ?? "") === section ? "page" : undefined}>${name}</a>`)}
      </nav>
      <div class="who">
        <${Connection} />
        ${access === "read" ? html`<span class="badge quiet" title="This token may only look; sign in with the admin token to change things.">read only</span>` : null}
        <button type="button" class="small" onClick=${() => signOut()}>Sign out</button>
      </div>
    </header>
    <${Banner} />
    <main id="main" tabindex="-1" ref=${main}><${Guarded} key=${where}>${page}<//></main>`;
}

/** Whether changes arrive live. */
function Connection() {
  const now = useCell(connection);
  const [tone, words, why] = now === "live" ? ["good", "live"] : now === "away" ? ["bad", "not connected"]
    : now === "asking" ? ["good", "every 5 s", "Other windows hear of changes at once, which takes a connection each; this one asks every 5 s."]
    : ["wait", "connecting"];
  return html`<span class="badge ${tone}" role="status" title=${why}><span aria-hidden="true">●</span> ${words}</span>`;
}

/** A mistake of a page does not take the others with it. @param {{children: any}} props */
function Guarded({ children }) {
  const [error, retry] = useErrorBoundary();
  if (!error) return children;
  return html`<div class="notice bad" role="alert">
    <p><strong>This page failed.</strong> ${String(error?.message ?? error)}</p>
    <button type="button" onClick=${retry}>Try again</button>
  </div>`;
}

startAsking();
startFollowing();
startTrying();
const root = /** @type {HTMLElement} */ (document.getElementById("app"));
root.replaceChildren();
render(html`<${App} />`, root);
