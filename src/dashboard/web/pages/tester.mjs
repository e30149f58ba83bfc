// Why does this call (not) become an event? One asks the rules in force; nothing is made by it.

import { get, post } from "../api.mjs";
import { html, useEffect, useRef, useState } from "../lib.mjs";
import { link, setQuery } from "../router.mjs";
import { Long } from "../ui/body.mjs";
import { Field } from "../ui/form.mjs";
import { useLoad } from "../ui/load.mjs";
import { counted } from "../ui/text.mjs";
import { EMPTY, bodyOf, callOf, errorsOf } from "./tester_call.mjs";
import { parseCall } from "./tester_parse.mjs";

/** @typedef {import("./tester_call.mjs").Call} Call */
/** @typedef {{rules: any[], of: string}} Answer `of`: the call that was asked for, as JSON */

/** @param {{query: Record<string, string>}} props `event`: take its call; `label`: take the last one of it */
export function Tester({ query }) {
  const [call, setCall] = useState(EMPTY);
  const [errors, setErrors] = useState(/** @type {any} */ ({}));
  const [answer, setAnswer] = useState(/** @type {Answer|null} */ (null));
  const [isBusy, setBusy] = useState(false);
  const [about, setAbout] = useState(/** @type {{words: string, notes: string[]}|null} */ (null));

  const isAsked = useRef(false);
  const said = useRef(/** @type {HTMLElement|null} */ (null));
  useEffect(() => {
    // On a narrow screen the answer stands below the form.
    if (isAsked.current && answer && (said.current?.getBoundingClientRect().top ?? 0) > innerHeight - 120) said.current?.scrollIntoView();
    isAsked.current = false;
  }, [answer]);

  /** @param {Call} asked @param {boolean} [isByHand] */
  const ask = async (asked, isByHand = false) => {
    const { body, errors: wrong } = bodyOf(asked);
    setErrors(wrong);
    if (Object.keys(wrong).length > 0) return;
    setBusy(true);
    try {
      const { data } = await post("v1/rules/test", body);
      setAnswer({ rules: data, of: JSON.stringify(asked) });
      isAsked.current = isByHand;
    } catch (problem) {
      setErrors(problem.errors?.length > 0 ? errorsOf(problem.errors) : { "": problem.message });
    }
    setBusy(false);
  };
  /** @param {Partial<Call>} part @param {{words: string, notes: string[]}} of */
  const fill = (part, of) => {
    const next = { ...EMPTY, ...part };
    setCall(next);
    setErrors({});
    setAbout(of);
    ask(next);
  };
  usePicked(query, fill, (words) => setAbout({ words, notes: [] }));
  return html`
    <div class="heading"><h1>Rule tester</h1><div class="actions"><a href=${link("rules")}>All rules</a></div></div>
    <p class="quiet">Which rules does a call fit, and why not the others? The rules in force are asked; no event is made.</p>
    <div class="tester">
      <section class="card" aria-label="The call">
        <${Sources} event=${query.event ?? ""} onParsed=${fill} />
        ${about ? html`<div class="notice" role="status"><p>${about.words}</p>${about.notes.map((note) => html`<p class="warn-text">${note}</p>`)}</div>` : null}
        <${Form} call=${call} errors=${errors} isBusy=${isBusy} onAsk=${() => ask(call, true)}
          onChange=${(/** @type {Partial<Call>} */ part) => setCall({ ...call, ...part })} />
      </section>
      <section class="answer" aria-label="What the rules say" ref=${said}>
        ${answer ? html`<${Said} rules=${answer.rules} isOld=${answer.of !== JSON.stringify(call)} />`
          : html`<div class="card"><p class="quiet">What each rule says stands here: those that match first.</p></div>`}
      </section>
    </div>`;
}

/**
 * Takes the call of the event that the address names.
 * @param {Record<string, string>} query @param {(part: Call, of: {words: string, notes: string[]}) => void} fill @param {(words: string) => void} tell
 */
function usePicked({ event, label }, fill, tell) {
  const latest = useRef({ fill, tell });
  latest.current = { fill, tell };
  useEffect(() => {
    const abort = new AbortController();
    const { signal } = abort;
    const pick = async () => {
      let id = event;
      if (!id && label) id = (await get("v1/events", { label, limit: 1 }, { signal })).data[0]?.id;
      if (!id && label) return latest.current.tell(`There is no event of ${label} yet to take the call from. Describe a call that should become one.`);
      if (!id) return undefined;
      const picked = await callOf(id, signal);
      latest.current.fill(picked.call, { words: `The call of ${event ? "an" : "the last"} event ${picked.label}, ${id}.`, notes: picked.notes });
      return undefined;
    };
    pick().catch((problem) => { if (!signal.aborted) latest.current.tell(`The call could not be taken from the event: ${problem.message}.`); });
    return () => abort.abort();
  }, [event, label]);
}

/** Where a call may come from. @param {{event: string, onParsed: (part: Partial<Call>, of: {words: string, notes: string[]}) => void}} props */
function Sources({ event, onParsed }) {
  const recent = useLoad((signal) => get("v1/events", { limit: 30 }, { signal }), []);
  const [text, setText] = useState("");
  const [error, setError] = useState(/** @type {string|null} */ (null));
  const events = (recent.data?.data ?? []).map((/** @type {any} */ { id, created_at, method, url, label }) => [
    id, `${new Date(created_at).toLocaleTimeString()} ${label}: ${method} ${url.length > 60 ? `${url.slice(0, 60)}...` : url}`]);
  const isListed = !event || events.some((/** @type {any} */ [id]) => id === event);
  const take = () => {
    const parsed = parseCall(text);
    if (!parsed?.url && !parsed?.status) return setError("This is neither a curl command nor an HTTP message. It begins with \"curl\", with a line such as \"POST /tasks HTTP/1.1\", or with \"HTTP/1.1 200\".");
    setError(null);
    const { notes, ...part } = parsed;
    return onParsed(part, { words: "Taken from what you pasted. Say below how the upstream answers it.", notes });
  };
  return html`
    <${Field} name="event" label="Take a call from an event" value=${event} onInput=${(/** @type {string} */ id) => setQuery({ event: id })}
      options=${[["", "choose one of the last events"], ...events, ...(isListed ? [] : [[event, event]])]} />
    <details>
      <summary>Paste a curl command or an HTTP message</summary>
      <${Field} name="paste" label="Command or message" rows=${5} value=${text} onInput=${setText} error=${error} placeholder="curl -X POST https://api.example.com/tasks --json '{}'" />
      <div class="actions field"><button type="button" onClick=${take} disabled=${!text.trim()}>Fill in</button></div>
    </details>`;
}

/** @param {{call: Call, errors: any, isBusy: boolean, onAsk: () => void, onChange: (part: Partial<Call>) => void}} props */
function Form({ call, errors, isBusy, onAsk, onChange }) {
  /** @param {keyof Call} name @param {string} label @param {any} [more] */
  const field = (name, label, more = {}) => html`<${Field} name=${name} label=${label} value=${call[name]} error=${errors[name]}
    onInput=${(/** @type {string} */ text) => onChange({ [name]: text })} ...${more} />`;
  return html`<form onSubmit=${(/** @type {Event} */ e) => { e.preventDefault(); onAsk(); }} novalidate>
    <div class="target">
      ${field("method", "Method", { list: ["GET", "POST", "PUT", "PATCH", "DELETE"] })}
      ${field("url", "Path and query", { placeholder: "/tasks/7?notify=1" })}
      ${field("status", "Answered", { inputmode: "numeric" })}
    </div>
    ${[["request", "Request"], ["response", "Response"]].map(([side, title]) => html`<div key=${side}>
      ${field(/** @type {any} */ (`${side}Headers`), `${title} headers`, { rows: 2, placeholder: "content-type: application/json" })}
      ${field(/** @type {any} */ (`${side}Body`), `${title} body`, { rows: 4, placeholder: "JSON, a form or other text; nothing: no body" })}
    </div>`)}
    ${errors[""] ? html`<p class="error" role="alert">${errors[""]}</p>` : null}
    <div class="actions"><button type="submit" class="primary" disabled=${isBusy}>${isBusy ? "Asking ..." : "Test the call"}</button></div>
  </form>`;
}

/** @param {{rules: any[], isOld: boolean}} props */
function Said({ rules, isOld }) {
  const n = rules.filter((rule) => rule.matched).length;
  /** How near a rule is: what has the right path is what one looks for. @param {any} rule */
  const distance = (rule) => (rule.matched ? -1 : failing(rule) + (rule.parts.url.result === "not_matched" ? 10 : 0));
  const sorted = [...rules].sort((a, b) => distance(a) - distance(b));
  const words = rules.length === 0 ? "There are no rules" : n === 0 ? `None of ${counted(rules.length, "rule")} matches` : `${n} of ${counted(rules.length, "rule")} ${n === 1 ? "matches" : "match"}`;
  return html`<div class=${isOld ? "old-answer" : ""}>
    <div class="heading" aria-live="polite"><h2 class=${n > 0 ? "good-text" : "warn-text"}>${words}</h2>${isOld ? html`<span class="badge warn">the call has changed since</span>` : null}</div>
    ${sorted.map((rule) => html`<${SaidRule} key=${rule.id} rule=${rule} />`)}
  </div>`;
}

/** @param {any} rule */
const failing = (rule) => Object.values(rule.parts).filter((/** @type {any} */ part) => part.result === "not_matched").length;

const SIGNS = /** @type {Record<string, any>} */ ({
  matched: html`<span class="good-text"><span aria-hidden="true">✓</span> yes</span>`,
  not_matched: html`<strong class="bad-text"><span aria-hidden="true">✕</span> no</strong>`,
  not_asked: html`<span class="quiet"><span aria-hidden="true">–</span><span class="unseen">not asked</span></span>`,
});

/** A text of the call. @param {{text: string}} props */
const Code = ({ text }) => html`<code><${Long} text=${text} limit=${160} /></code>`;

/** @param {{rule: any}} props */
function SaidRule({ rule }) {
  const captures = Object.entries(rule.params);
  const parts = Object.entries(rule.parts).filter(([, part]) => part.expected !== null);
  return html`<article class="card said ${rule.matched ? "yes" : ""}">
    <header><h3>${rule.label}</h3> <span class="quiet">rule ${rule.id}</span>
      ${rule.matched ? html`<span class="badge good"><span aria-hidden="true">✓</span> matches</span>` : html`<span class="badge"><span aria-hidden="true">✕</span> does not match</span>`}
      <a href=${link("events", { label: rule.label })} aria-label=${`Events of ${rule.label}`}>Events</a></header>
    <ul class="parts">
      ${parts.map(([name, part]) => html`<li key=${name}><span>${SIGNS[part.result]}</span> <span class="quiet">${name}</span>
        <span><code>${part.expected}</code>${part.result === "not_matched" ? (part.found ? html`; found <${Code} text=${part.found} />` : "; there is none") : ""}
        ${part.note ? html`<span class="quiet"> (${part.note})</span>` : ""}</span></li>`)}
      ${captures.map(([name, value]) => html`<li key=${`of ${name}`}><span></span> <span class="quiet">captures</span> <span><${Code} text=${`${name} = ${value}`} /></span></li>`)}
      ${rule.subject !== null || rule.subject_error !== null ? html`<li key="subject"><span></span> <span class="quiet">subject</span>
        <span>${rule.subject !== null ? html`<${Code} text=${rule.subject} />` : html`none: <span class="warn-text">${rule.subject_error}</span>`}</span></li>` : null}
    </ul>
  </article>`;
}
