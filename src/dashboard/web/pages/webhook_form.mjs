// Making a webhook and changing one. The server checks; what it finds wrong is told at the field, and
// nothing that was typed is lost.

import { get, patch, post, whole } from "../api.mjs";
import { html, useCell, useEffect, useRef, useState } from "../lib.mjs";
import { useChanges } from "../live.mjs";
import { go, guardLeaving, link } from "../router.mjs";
import { session } from "../session.mjs";
import { confirm } from "../ui/dialog.mjs";
import { Loaded, useLoad } from "../ui/load.mjs";
import { done } from "../ui/notice.mjs";
import { bodyOf, draftOf, merged, placed } from "./webhook_draft.mjs";
import { CommonFields, MoreFields } from "./webhook_fields.mjs";
import { Secrets, hasSecrets } from "./webhook_secret.mjs";
import { TestPanel } from "./webhook_test.mjs";

const COMMON = ["url", "name", "events", "signing_secret"];

/** @param {{id: string|null}} props */
export function WebhookForm({ id }) {
  const { access } = useCell(session);
  const of = useLoad(async (signal) => (id ? await get(`v1/webhooks/${id}`, {}, { signal }) : {}), [id]);
  if (access === "read") return html`<h1>Webhook</h1><p class="notice warn">This token may only look. Sign in with the admin token to change webhooks.</p>`;
  return html`${of.data ? null : html`<h1>Webhook</h1>`}<${Loaded} of=${of} what="the webhook">${of.data?.source === "config"
    ? html`<h1>${of.data.name}</h1><p class="notice warn">This webhook is written in the configuration file, and is changed there: <code>[[webhook]]</code>
        ${" with "}<code>${`name = "${of.data.name}"`}</code>. <a href=${link("webhooks", of.data.id)}>To the webhook</a></p>`
    : of.data && html`<${Form} initial=${id ? of.data : null} isGone=${of.problem?.status === 404} />`}<//>`;
}

/** Every label that a rule makes. @param {AbortSignal} signal @returns {Promise<string[]>} */
const labelsOfRules = async (signal) => [...new Set((await whole("v1/rules", signal)).map(({ label }) => label))].sort();

/** @param {{initial: any, isGone: boolean}} props `initial` null: a new one */
function Form({ initial, isGone }) {
  // Once begun, an answer that comes anew (sidehook was away) must not take away what was typed.
  const [before, setBefore] = useState(initial);
  const [draft, setDraft] = useState(() => draftOf(initial ?? undefined));
  const [at, setAt] = useState(/** @type {Record<string, string>} */ ({}));
  const [isBusy, setBusy] = useState(false);
  const [created, setCreated] = useState(/** @type {any} */ (null));
  const [elsewhere, setElsewhere] = useState(/** @type {null|"gone"|string[]} */ (null));
  const labels = useLoad(labelsOfRules, []);
  const form = useRef(/** @type {HTMLFormElement|null} */ (null));
  const isSaved = useRef(false);
  const isDirty = !created && JSON.stringify(draft) !== JSON.stringify(draftOf(before ?? undefined));
  useLeaving(isDirty);
  useEffect(() => {
    if (Object.keys(at).length === 0) return;
    /** @type {HTMLElement|null|undefined} */ (form.current?.querySelector(".wh-top-error, [aria-invalid=true]"))?.focus();
  }, [at]);
  /** @param {any} now how the webhook is, as somebody else has left it */
  const take = (now) => {
    if (!before || now.id !== before.id || isSaved.current) return;
    if (now.deleted) return setElsewhere("gone");
    const { draft: next, both, isOther } = merged(draft, before, now);
    setBefore(now);
    if (!isOther) return;
    setDraft(next);
    setElsewhere(both);
  };
  useChanges(({ webhook }) => webhook.forEach(take));
  // What was missed while sidehook was away comes with the load.
  useEffect(() => { if (isGone) setElsewhere("gone"); else if (initial && initial !== before) take(initial); }, [initial, isGone]);

  /** @param {Event} e */
  const submit = async (e) => {
    e.preventDefault();
    const { body, errors } = bodyOf(draft, before ?? undefined);
    if (errors.length) return setAt(placed(errors, draft));
    if (before && Object.keys(body).length === 0) return go(link("webhooks", before.id));
    setBusy(true);
    isSaved.current = true;
    try {
      const answer = before ? await patch(`v1/webhooks/${before.id}`, body) : await post("v1/webhooks", body);
      setAt({});
      setCreated(answer);
    } catch (problem) {
      isSaved.current = false;
      setAt(placed(errorsOf(problem, before), draft));
    }
    setBusy(false);
  };
  if (created) return html`<${Saved} webhook=${created} isNew=${!before} />`;
  const put = (/** @type {Record<string, any>} */ changes) => setDraft((now) => ({ ...now, ...changes }));
  const props = { draft, put, errors: at, isNew: !before, known: labels.data ?? [] };
  const isWrongInside = Object.keys(at).some((field) => field !== "" && !COMMON.includes(field));
  return html`<p class="wh-back"><a href=${link("webhooks")}>Webhooks</a>${before ? html` / <a href=${link("webhooks", before.id)}>${before.name}</a>` : null}</p>
    <h1>${before ? html`Edit ${before.name}` : "New webhook"}</h1>
    <form class="wh-form" ref=${form} onSubmit=${submit} novalidate>
      ${elsewhere ? html`<${Elsewhere} of=${elsewhere} />` : null}
      ${at[""] ? html`<p class="notice bad wh-top-error" tabindex="-1" role="alert">${at[""]}</p>` : null}
      <div class="card"><${CommonFields} ...${props} /></div>
      <${MoreFields} ...${props} opened=${isWrongInside} />
      <div class="actions">
        <button type="submit" class="primary" disabled=${isBusy || elsewhere === "gone"}>${isBusy ? "Saving ..." : before ? "Save" : "Create the webhook"}</button>
        <a class="button" href=${before ? link("webhooks", before.id) : link("webhooks")}>Cancel</a>
        ${Object.keys(at).length ? html`<span class="bad-text" role="status">Not saved: see what is marked.</span>` : null}
      </div>
    </form>`;
}

/** Whatever was refused, as mistakes of fields. @param {any} problem @param {any} before */
function errorsOf(problem, before) {
  if (problem.errors?.length) return problem.errors;
  if (problem.code === "name_taken") return [{ field: "name", message: problem.message }];
  if (before && problem.status === 404) return [{ field: "", message: "This webhook does not exist any more: somebody has deleted it." }];
  return [{ field: "", message: problem.message }];
}

/** Asks before what was typed is left behind. @param {boolean} isDirty */
function useLeaving(isDirty) {
  useEffect(() => {
    if (!isDirty) return undefined;
    const unguard = guardLeaving(() => confirm({
      title: "Leave without saving?", text: "What you have typed here is not saved.", action: "Leave without saving", refuse: "Stay", danger: true,
    }));
    /** @param {Event} e */
    const warn = (e) => e.preventDefault();
    addEventListener("beforeunload", warn);
    return () => { unguard(); removeEventListener("beforeunload", warn); };
  }, [isDirty]);
}

/** Somebody else was at it. @param {{of: "gone"|string[]}} props */
function Elsewhere({ of }) {
  if (of === "gone") {
    return html`<p class="notice bad" role="alert"><strong>This webhook was deleted</strong> by somebody else meanwhile. It cannot be saved; copy what you still need.</p>`;
  }
  return html`<p class="notice warn" role="alert"><strong>Somebody else has changed this webhook</strong> meanwhile. What you had not touched shows the new values.
    ${of.length ? html` You both changed <strong>${of.join(", ").replaceAll("_", " ")}</strong>: saving puts yours in place of theirs.` : null}</p>`;
}

/** @param {{webhook: any, isNew: boolean}} props */
function Saved({ webhook, isNew }) {
  const hasToTell = isNew || webhook.warnings?.length || hasSecrets(webhook);
  const to = link("webhooks", webhook.id);
  const heading = useRef(/** @type {HTMLElement|null} */ (null));
  useEffect(() => {
    if (hasToTell) {
      scrollTo(0, 0);
      return heading.current?.focus();
    }
    done(`Saved: ${webhook.name}`);
    go(to);
    return undefined;
  }, []);
  if (!hasToTell) return null;
  return html`<p class="wh-back"><a href=${link("webhooks")}>Webhooks</a></p>
    <h1 tabindex="-1" ref=${heading}>${webhook.name} ${isNew ? "is created" : "is saved"}</h1>
    <div class="wh-form">
      <div class="card"><p>${isNew && webhook.status === "active" ? "It gets events from now on." : isNew ? "It is disabled: enable it on its page." : "The changes are in force."}</p>
        <${Secrets} of=${webhook} /></div>
      <div class="card"><h2>Send a test</h2><${TestPanel} webhook=${webhook} /></div>
      <div class="actions"><a class="button" href=${to}>To the webhook</a></div>
    </div>`;
}
