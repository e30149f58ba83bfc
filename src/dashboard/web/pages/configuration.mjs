// The configuration in force, as TOML with its secrets masked by the server; why the file as it is now is not in
// force, where it is not; and reading it again.

import { get, post } from "../api.mjs";
import { html, useCell, useEffect, useMemo, useState } from "../lib.mjs";
import { go, link, place } from "../router.mjs";
import { session } from "../session.mjs";
import { ask, status } from "../status.mjs";
import { Copy } from "../ui/copy.mjs";
import { Field } from "../ui/form.mjs";
import { Loaded, useLoad, useReloads } from "../ui/load.mjs";
import { act } from "../ui/notice.mjs";
import { count, counted, Prose, Time } from "../ui/text.mjs";
import { sectionsOf } from "./configuration_toml.mjs";

export function Configuration() {
  const load = useLoad((signal) => get("v1/config", {}, { signal }), []);
  const { access } = useCell(session);
  // The file is watched: what the status tells of a new one, this page tells whole.
  const { data: now } = useCell(status);
  const seen = JSON.stringify(now?.config);
  useReloads(load.reload, [seen]);
  const config = load.data;
  return html`
    <div class="heading"><h1>Configuration</h1>
      ${access === "full" ? html`<div class="actions"><${Reload} onDone=${load.reload} /></div>` : null}
    </div>
    <${Loaded} of=${load} what="the configuration">${config && html`
      <${Refused} config=${config} />
      <${Restart} keys=${config.needs_restart} />
      <${Effective} config=${config} />`}<//>`;
}

/** @param {{onDone: () => void}} props */
function Reload({ onDone }) {
  const [isBusy, setBusy] = useState(false);
  const reload = async () => {
    setBusy(true);
    const before = status.get().data?.config.generation;
    await act(() => post("v1/reload"), ({ generation, needs_restart: waits }) =>
      (generation === before ? `Nothing had changed: generation ${generation} stays in force.` : `Generation ${generation} is in force.`)
      + (waits.length > 0 ? ` For ${waits.join(", ")} sidehook must be restarted.` : ""));
    setBusy(false);
    onDone();
    ask();
  };
  return html`<button type="button" class="primary" disabled=${isBusy} onClick=${reload}>${isBusy ? "Reading it ..." : "Reload now"}</button>`;
}

/** Why what was read last is not in force. @param {{config: any}} props */
function Refused({ config: { problems, generation } }) {
  if (problems.length === 0) return null;
  return html`<section class="card config-refused" aria-label="Mistakes in the configuration">
    <h2><span aria-hidden="true">✕</span> The configuration as it is now was refused: ${counted(problems.length, "mistake")}</h2>
    <p>Generation ${generation} below stays in force. Mend what is listed; a changed file is read again by itself, or by "Reload now".
      A restart before that would fail.</p>
    <ol>${problems.map((/** @type {any} */ problem) => html`<li>
      <code class="where">${problem.source}${problem.line > 0 ? `:${problem.line}:${problem.column}` : ""}</code>
      <p><strong><${Prose} text=${sentence(problem.message)} /></strong></p><p><${Prose} text=${sentence(problem.cure)} /></p>
    </li>`)}</ol>
  </section>`;
}

/** @param {string} text */
const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** @param {{keys: string[]}} props */
function Restart({ keys }) {
  if (keys.length === 0) return null;
  return html`<section class="notice warn config-restart" aria-label="Waiting for a restart">
    <p><strong>Waiting for a restart:</strong> ${keys.map((key, i) => html`${i > 0 ? ", " : ""}<code>${key}</code>`)}.
      The rest of the file is in force. Restart sidehook when it suits: calls and deliveries under way are brought to their end.</p>
  </section>`;
}

/** @param {{config: any}} props */
function Effective({ config }) {
  const sections = useMemo(() => sectionsOf(config.effective), [config.effective]);
  const { query } = useCell(place);
  const chosen = sections.find(({ name }) => name === query.section)?.name;
  useEffect(() => {
    if (chosen) document.getElementById("config-chosen")?.focus();
  }, [chosen]);
  const text = useMemo(() => sections.map(({ name, tokens }) => html`<section key=${name} class=${name === chosen ? "chosen" : ""}
    id=${name === chosen ? "config-chosen" : undefined} tabindex=${name === chosen ? "-1" : undefined} aria-label=${name}>
    <pre>${tokens.map(([kind, part]) => (kind ? html`<span class=${`toml-${kind}`} title=${kind === "masked" ? "A secret: it is never shown." : undefined}>${part}</span>` : part))}</pre>
  </section>`), [sections, chosen]);
  return html`<p class="quiet">Generation ${count(config.generation)} is in force since <${Time} at=${config.loaded_at} />.
      Every key with its value, defaults included; secrets read <code>***</code>.</p>
    <div class="config">
      <${Sections} sections=${sections} chosen=${chosen} />
      <div class="card config-text"><${Copy} text=${config.effective} what="the configuration" />${text}</div>
    </div>`;
}

/** The way to a section. @param {{sections: {name: string, title: string}[], chosen: string|undefined}} props */
function Sections({ sections, chosen }) {
  const [wanted, setWanted] = useState("");
  const found = sections.filter(({ name }) => name.toLowerCase().includes(wanted.trim().toLowerCase()));
  const to = (/** @type {string} */ name) => link("configuration", { section: name });
  const submit = (/** @type {Event} */ e) => {
    e.preventDefault();
    if (found.length > 0) go(to(found[0].name));
  };
  return html`<nav class="config-nav" aria-label="Sections of the configuration">
    <form role="search" onSubmit=${submit}><${Field} name="section" type="search" label="Find a section" placeholder="proxy, task.created ..."
      value=${wanted} onInput=${setWanted} /></form>
    <ul>${found.map(({ name, title }) => html`<li key=${name}><a href=${to(name)} aria-current=${name === chosen ? "true" : undefined}>${title}</a></li>`)}</ul>
    <p class="quiet" role="status">${found.length === 0 ? "No section has this name." : ""}</p>
  </nav>`;
}
