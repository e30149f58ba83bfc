// Which calls become events: the rules in their order, what each has seen, and who gets its events.

import { html, useState } from "../lib.mjs";
import { link, setQuery } from "../router.mjs";
import { Field } from "../ui/form.mjs";
import { Cut, Loaded, useAgain, useWhole } from "../ui/load.mjs";
import { Time, counted } from "../ui/text.mjs";
import { wants } from "./webhook_draft.mjs";

/** Between two looks at the counters, ms. */
const EVERY = 5_000;
/** So many rules are seen at a glance. */
const N_GLANCE = 20;

/** @param {{query: Record<string, string>}} props */
export function Rules({ query }) {
  const rules = useWhole("v1/rules");
  const webhooks = useWhole("v1/webhooks");
  useAgain(rules, EVERY);
  useAgain(webhooks, EVERY);
  const [words, setWords] = useState(query.q ?? "");
  const all = /** @type {any[]} */ (rules.data ?? []);
  const shown = all.filter((rule) => has(rule, words));
  return html`
    <div class="heading"><h1>Rules</h1>
      <span class="quiet">${rules.data && !rules.data.isCut ? counted(all.length, "rule") : ""}</span>
      <div class="actions"><a class="button primary" href=${link("rules", "test")}>Test a call</a></div>
    </div>
    <p class="quiet">A call becomes an event of every rule that it fits. Rules are changed in the configuration file; the counters begin at the start of sidehook.</p>
    ${all.length > N_GLANCE ? html`<div class="filters" role="search">
      <${Field} name="q" type="search" label="Find a rule" placeholder="part of a label, tag, URL or condition" value=${words}
        onInput=${(/** @type {string} */ text) => { setWords(text); setQuery({ q: text }); }} />
    </div>` : null}
    <${Cut} of=${rules} what="first rules" />
    <${Cut} of=${webhooks} what="newest webhooks" />
    <${Loaded} of=${rules} what="the rules">
      ${all.length === 0 ? html`<div class="card empty"><h2>There are no rules</h2>
        <p>Without rules no call becomes an event. Add an <code>[[event]]</code> with a label, a method and a URL to the
        configuration file; it is read again as soon as it is saved.</p></div>` : null}
      ${all.length > 0 && shown.length === 0 ? html`<div class="card empty" role="status"><h2>No rule has these words</h2>
        <p><button type="button" onClick=${() => { setWords(""); setQuery({}); }}>Show all rules</button></p></div>` : null}
      <ol class="rules">${shown.map((rule) => html`<${Rule} key=${rule.id} rule=${rule} position=${all.indexOf(rule) + 1}
        webhooks=${webhooks.data} problem=${webhooks.problem} />`)}</ol>
    <//>`;
}

/** @param {any} rule @param {string} words */
function has(rule, words) {
  const text = [rule.label, rule.tag, rule.method, rule.url, rule.query, rule.when, rule.subject].flat().join(" ").toLowerCase();
  return words.toLowerCase().split(/\s+/).every((word) => text.includes(word));
}

/** @param {{rule: any, position: number, webhooks: any[]|null, problem: any}} props */
function Rule({ rule, position, webhooks, problem }) {
  const wanted = (webhooks ?? []).filter((webhook) => webhook.events.some((/** @type {string} */ pattern) => wants(pattern, rule.label)));
  return html`<li class="card rule" value=${position}>
    <header>
      <h2>${rule.label}</h2>
      ${rule.tag ? html`<span class="badge">${rule.tag}</span>` : null}
      <span class="quiet">rule ${rule.id}</span>
      <span class="actions"><a href=${link("events", { label: rule.label })} aria-label=${`Events of ${rule.label}`}>Events</a>
        <a href=${link("rules", "test", { label: rule.label })} aria-label=${`Test ${rule.label}`}>Test</a></span>
    </header>
    <p><span class="method">${[rule.method].flat().map((method) => (method === "*" ? "any method" : method)).join(", ")}</span> <code>${rule.url}</code></p>
    <p><strong>${counted(rule.hits, "hit")}</strong>${rule.last_hit_at ? html`<span class="quiet">, the last <${Time} at=${rule.last_hit_at} ago /></span>` : ""}</p>
    <dl class="terms">
      <div><dt>answered</dt> <dd>${rule.status.join(", ")}</dd></div>
      ${[["query", rule.query], ["when", rule.when], ["subject", rule.subject]].map(([name, text]) => (text === null ? null
        : html`<div key=${name}><dt>${name}</dt> <dd><code>${text}</code></dd></div>`))}
    </dl>
    <p class="names"><span class="quiet">For</span> ${webhooks === null ? problem ? `(the webhooks could not be loaded: ${problem.message})` : "..." : wanted.length === 0
      ? html`<span class="badge warn"><span aria-hidden="true">!</span> no webhook wants it</span>`
      : wanted.map((webhook) => html`<a key=${webhook.id} href=${link("webhooks", webhook.id)}>${webhook.name}</a>`)}</p>
    ${rule.condition_errors > 0 ? html`<p class="failures"><span class="badge bad"><span aria-hidden="true">✕</span> condition failed ${counted(rule.condition_errors, "time")}</span>
      ${rule.last_condition_error === null ? null : html` <span class="bad-text">${rule.last_condition_error}</span>`}</p>` : null}
  </li>`;
}
