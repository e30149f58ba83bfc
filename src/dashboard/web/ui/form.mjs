// Fields of forms: each with its label, its hint, and its mistake in words, tied together for screen
// readers.

import { html, useId } from "../lib.mjs";

/**
 * @typedef {{name: string, label: string, value: string, onInput: (value: string) => void, hint?: any,
 *   error?: string|null, type?: string, placeholder?: string, required?: boolean, rows?: number,
 *   options?: (string|[string, string])[], disabled?: boolean, autofocus?: boolean, autocomplete?: string,
 *   list?: string[]}} FieldProps
 * `options` makes it a choice, `rows` a text of several lines; `list` are suggestions. `error` is shown and marks it.
 */

/** One field of text, number, choice or several lines. @param {FieldProps} props */
export function Field(props) {
  const { name, label, value, onInput, hint, error, type = "text", rows, options, list, required, ...rest } = props;
  const id = useId();
  const about = [hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(" ") || undefined;
  const shared = {
    id, name, required, "aria-describedby": about, "aria-invalid": error ? "true" : undefined, ...rest,
    onInput: (/** @type {any} */ e) => onInput(e.currentTarget.value),
  };
  let control;
  if (options) {
    const pairs = options.map((option) => (typeof option === "string" ? [option, option] : option));
    control = html`<select ...${shared}>
      ${pairs.map(([key, text]) => html`<option value=${key} selected=${key === value}>${text}</option>`)}
    </select>`;
  } else if (rows) {
    control = html`<textarea ...${shared} rows=${rows} value=${value} spellcheck=${false}></textarea>`;
  } else {
    control = html`<input ...${shared} type=${type} value=${value} list=${list ? `${id}-list` : undefined}
      spellcheck=${false} autocapitalize="off" autocomplete=${rest.autocomplete ?? "off"} />`;
  }
  return html`<div class="field ${error ? "wrong" : ""}">
    <label for=${id}>${label}${required ? html`<span class="quiet"> (required)</span>` : null}</label>
    ${control}
    ${list ? html`<datalist id=${`${id}-list`}>${list.map((text) => html`<option value=${text} />`)}</datalist>` : null}
    ${hint ? html`<p class="hint" id=${`${id}-hint`}>${hint}</p>` : null}
    ${error ? html`<p class="error" id=${`${id}-error`}>${error}</p>` : null}
  </div>`;
}

/** A box to tick. @param {{name: string, label: any, checked: boolean, onChange: (checked: boolean) => void, hint?: any}} props */
export function Check({ name, label, checked, onChange, hint }) {
  const id = useId();
  return html`<div class="check">
    <input type="checkbox" id=${id} name=${name} checked=${checked} aria-describedby=${hint ? `${id}-hint` : undefined}
      onChange=${(/** @type {any} */ e) => onChange(e.currentTarget.checked)} />
    <label for=${id}>${label}</label>
    ${hint ? html`<p class="hint" id=${`${id}-hint`}>${hint}</p>` : null}
  </div>`;
}
