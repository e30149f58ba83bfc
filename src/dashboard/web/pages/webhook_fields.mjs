// The fields of a webhook's form: the common ones first, the rest under "More settings".

import { html, useState } from "../lib.mjs";
import { Check, Field } from "../ui/form.mjs";
import { FORMATS, SCHEMES, wants, words } from "./webhook_draft.mjs";

/**
 * `put` changes members of the draft. `errors` by the field's name. `known`: the rules' labels.
 * @typedef {{draft: import("./webhook_draft.mjs").Draft, put: (changes: Record<string, any>) => void,
 *   errors: Record<string, string>, isNew: boolean, known: string[]}} Props
 */

/** One text of the draft. @param {Props & {of: string, label: string} & Record<string, any>} props */
function Text({ draft, put, errors, of, label, isNew, known, ...rest }) {
  return html`<${Field} name=${of} label=${label} value=${draft[of]} error=${errors[of]}
    onInput=${(/** @type {string} */ value) => put({ [of]: value })} ...${rest} />`;
}

/** @param {Props} props */
export function CommonFields(props) {
  const { isNew } = props;
  return html`
    <${Text} ...${props} of="url" label="URL" type="url" required placeholder="https://receiver.example.com/hook" autofocus=${isNew}
      hint="Each event is sent to it as one request." />
    <${Text} ...${props} of="name" label="Name" placeholder=${isNew ? "the URL's host" : ""} hint="Unique. Logs, metrics and alerts call it so." />
    <${EventsField} ...${props} />
    <${SecretField} ...${props} of="signing_secret" label="Signing secret" hint=${isNew
      ? html`Signs what is sent, so that the receiver can tell it from a forgery: <code>whsec_</code> and base64, or any text.`
      : "A secret that is typed here takes the place of the present one at once. To change it without a break, use “Rotate secret” on the webhook's page."} />`;
}

/** A secret: kept, typed, taken away; at the creation the first one can be made. @param {Props & {of: string, label: string, hint: any}} props */
function SecretField({ of, label, hint, ...props }) {
  const { draft, put, isNew } = props;
  const action = `${of}_do`;
  const typed = (/** @type {any} */ extra) => html`<${Text} ...${props} of=${of} autocomplete="new-password" ...${extra} />`;
  if (isNew && of !== "signing_secret") return typed({ label, hint });
  const options = isNew ? [["made", "Generate one (best)"], ["own", "Type my own"]]
    : [["keep", "Leave as it is"], ["own", "Replace it"], ["none", "Take it away"]];
  const isOwn = draft[action] === "own";
  return html`<div class="wh-pair">
    <${Field} name=${action} label=${label} value=${draft[action]} options=${options} hint=${hint} error=${isOwn ? null : props.errors[of]}
      onInput=${(/** @type {string} */ value) => put({ [action]: value })} />
    ${isOwn ? typed({ label: `${label}: the new one` }) : null}
  </div>`;
}

/** Events: a text for all there is, and the rules' labels to tick. @param {Props} props */
function EventsField(props) {
  const { draft, put, known } = props;
  const chosen = words(draft.events);
  const groups = known.map((label) => label.split(/[.:]/)[0]);
  const patterns = [...new Set(groups.filter((group, i) => groups.indexOf(group) !== i && known[i].startsWith(`${group}.`)))].map((group) => `${group}.*`);
  const choices = ["*", ...patterns, ...known];
  /** @param {string} label @param {boolean} wanted */
  const tick = (label, wanted) => put({ events: (wanted ? [...chosen, label] : chosen.filter((other) => other !== label)).join(" ") });
  return html`
    <${Text} ...${props} of="events" label="Events" required placeholder="task.created invoice.*"
      hint=${html`Labels, with blanks between them; <code>*</code> stands for any text within a segment, or alone for all.
        Sidehook's own (a webhook was paused, say) are <code>sidehook.*</code>.`} />
    ${known.length === 0 ? null : html`<fieldset class="wh-labels"><legend>From the rules</legend>
      ${choices.map((label) => {
        const isChosen = chosen.includes(label);
        const by = isChosen ? undefined : chosen.find((pattern) => wants(pattern, label));
        return html`<label key=${label} title=${by ? `${by} has it already` : label} class=${by ? "wh-covered" : ""}>
          <input type="checkbox" checked=${isChosen || Boolean(by)} disabled=${Boolean(by)} onChange=${(/** @type {any} */ e) => tick(label, e.currentTarget.checked)} />
          <code>${label}</code>${label === "*" ? html` <span class="quiet">all</span>` : null}</label>`;
      })}
    </fieldset>`}`;
}

/** @param {Props & {opened: boolean}} props `opened`: at least once, because something is wrong inside */
export function MoreFields({ opened, ...props }) {
  const { draft, put, errors } = props;
  const [isOpen, setOpen] = useState(false);
  return html`<details class="card wh-more" open=${isOpen || opened} onToggle=${(/** @type {any} */ e) => setOpen(e.currentTarget.open)}>
    <summary><h2>More settings</h2><span class="quiet">body, signatures, headers, retries, limits</span></summary>
    <div class="wh-groups">
      <section><h3>Body</h3><${FormatFields} ...${props} />
        <${Field} name="method" label="Method" value=${draft.method} options=${["POST", "PUT", "PATCH"]} error=${errors.method}
          onInput=${(/** @type {string} */ method) => put({ method })} /></section>
      <section><h3>Signatures and secrets</h3><${SignatureFields} ...${props} />
        <${SecretField} ...${props} of="secret" label="Shared secret" hint=${html`Stands in the body of the format <code>exchange</code>, or in the header <code>authorization</code>; a signing secret is then not made by itself.`} />
        <${SecretField} ...${props} of="ed25519_key" label="ed25519 key" hint=${html`For <code>standard-ed25519</code>: <code>whsk_</code> and the base64 of the 32-byte seed.`} /></section>
      <section><h3>Headers and authentication</h3><${HeaderFields} ...${props} />
        <div class="wh-pair"><${Text} ...${props} of="username" label="User name (HTTP Basic)" hint=${props.isNew ? null : "Empty: no HTTP Basic authentication."} />
          <${Text} ...${props} of="password" label="Password" type="password" autocomplete="new-password" placeholder=${!props.isNew && draft.username ? "as it is" : ""} /></div></section>
      <section><h3>Attempts and limits</h3><${LimitFields} ...${props} /></section>
    </div>
  </details>`;
}

/** @param {Props} props */
function FormatFields(props) {
  const { draft, put, errors } = props;
  return html`
    <${Field} name="format" label="Format" value=${draft.format} error=${errors.format} onInput=${(/** @type {string} */ format) => put({ format })}
      options=${[...FORMATS, ["json", "JSON by an expression"], ["template", "Text by a template"]]}
      hint=${html`<code>exchange</code> carries request and response; <code>standard</code> and <code>cloudevents</code> are those of the specifications.`} />
    ${draft.format === "json" ? html`<${Text} ...${props} of="json" label="Expression" rows=${4} placeholder="{'text': event.label ~ ' ' ~ request.path}"
      hint="Its value is the body. Variables: event, id, event_id, time, webhook, request, response." />` : null}
    ${draft.format === "template" ? html`<${Text} ...${props} of="template" label="Template" rows=${4} placeholder="{{ event.label }}: {{ request.path }}"
      hint="Variables: event, id, event_id, time, webhook, request, response." />
      <${Text} ...${props} of="content_type" label="Content type" placeholder="text/plain; charset=utf-8" />` : null}`;
}

/** @param {Props} props */
function SignatureFields(props) {
  const { draft, put, errors } = props;
  const { schemes } = draft;
  return html`
    <${Field} name="signing" label="Signatures" value=${draft.signing} onInput=${(/** @type {string} */ signing) => put({ signing })}
      options=${[["default", "The default"], ["chosen", "As chosen here"]]} error=${draft.signing === "default" ? errors.schemes : null}
      hint=${html`The default is <code>standard</code> and <code>sha256</code>, where there is a key that the body does not show.`} />
    ${draft.signing === "default" ? null : html`
      <fieldset class=${`wh-labels ${errors.schemes ? "wrong" : ""}`}><legend class="unseen">Signature schemes</legend>
        ${SCHEMES.map((scheme) => html`<label key=${scheme}><input type="checkbox" name="schemes" checked=${schemes.includes(scheme)}
          aria-invalid=${errors.schemes ? "true" : undefined} aria-describedby=${errors.schemes ? "wh-schemes" : undefined}
          onChange=${(/** @type {any} */ e) => put({ schemes: e.currentTarget.checked ? [...schemes, scheme] : schemes.filter((/** @type {string} */ other) => other !== scheme) })} />
          <code>${scheme}</code></label>`)}
        ${errors.schemes ? html`<p class="error" id="wh-schemes">${errors.schemes}</p>` : null}
      </fieldset>
      <${Text} ...${props} of="custom" label="Signatures of your own" rows=${3} placeholder=${'[{"header": "X-Signature", "prefix": "sha256="}]'}
        hint=${html`A JSON list of tables: <code>header</code>, and where wanted <code>prefix</code>, <code>encoding</code> (hex, base64),${" "}
          <code>content</code> (body, timestamp.body, id.timestamp.body), <code>algorithm</code> (sha256, sha512).`} />`}`;
}

/** @param {Props} props */
function HeaderFields({ draft, put, errors }) {
  const { headers } = draft;
  /** @param {number} i @param {Record<string, any>} change */
  const change = (i, change) => put({ headers: headers.map((row, n) => (n === i ? { ...row, ...change } : row)) });
  return html`<fieldset class="wh-headers"><legend>Headers of its own</legend>
    ${headers.map((row, i) => html`<div class="wh-header" key=${i}>
      <${Field} name="header-name" label="Name" value=${row.name} placeholder="X-Env" onInput=${(/** @type {string} */ name) => change(i, { name })} />
      <${Field} name="header-value" label="Value" value=${row.value} placeholder=${row.masked ? "not shown; kept" : ""} error=${errors[`headers.${row.name.trim().toLowerCase()}`]}
        onInput=${(/** @type {string} */ value) => change(i, { value })} />
      <button type="button" aria-label=${`Take away header ${row.name || i + 1}`} onClick=${() => put({ headers: headers.filter((_, n) => n !== i) })}>✕</button>
    </div>`)}
    <button type="button" class="small" onClick=${() => put({ headers: [...headers, { name: "", value: "", masked: false }] })}>Add a header</button>
  </fieldset>`;
}

/** @param {Props} props */
function LimitFields(props) {
  const { draft, put, errors } = props;
  return html`
    <${Text} ...${props} of="retry" label="Waits between attempts" placeholder="default" hint="After the 1st, 2nd, ... failed attempt: 5s, 1m, 6h. “none”: one attempt only. What is left empty is as [delivery] of the configuration says." />
    <div class="wh-trio">
      <${Text} ...${props} of="timeout" label="Timeout" placeholder="default" hint="For a whole attempt: 15s" />
      <${Text} ...${props} of="concurrency" label="At a time" inputmode="numeric" placeholder="8" hint="attempts; 1 to 4096" />
      <${Text} ...${props} of="rate_limit" label="Rate limit" placeholder="none" hint="10/s, 100/m, 1000/h" />
      <${Text} ...${props} of="pause_after" label="Pause after" inputmode="numeric" placeholder="default" hint="failed attempts in a row; 0: never" />
      <${Text} ...${props} of="disable_after" label="Disable after" inputmode="numeric" placeholder="default" hint="failed deliveries in a row; 0: never" />
    </div>
    <${Check} name="ordered" label="In order: one at a time, per subject where there is one" checked=${draft.ordered} onChange=${(/** @type {boolean} */ ordered) => put({ ordered })} />
    ${props.isNew ? html`<${Check} name="disabled" label="Begin disabled" checked=${draft.disabled} onChange=${(/** @type {boolean} */ disabled) => put({ disabled })}
      hint="Its deliveries are held until it is enabled." />` : null}
    ${errors.ordered ? html`<p class="error">${errors.ordered}</p>` : null}`;
}
