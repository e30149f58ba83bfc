// A JSON document to be folded: a tree of rows (WAI-ARIA tree pattern), drawn flat, so that neither deep
// nor wide ones hold the page up. Every token is shown as it was written (see json_text.mjs).

import { html, useLayoutEffect, useMemo, useRef, useState } from "../lib.mjs";
import { Redacted } from "./badge.mjs";
import { Copy } from "./copy.mjs";
import { JsonText } from "./json_text.mjs";
import { count, counted } from "./text.mjs";

/** Values of a container that are shown at once, and then on each demand. */
const SLICE = 100;
/** Characters of a string that are shown at once, and then on each demand. */
const SHORT = 300;
const LONG = 20_000;
/** Rows that are open at the beginning, and after "expand all". */
const FEW = 60;
const MANY = 1_000;
/** Fewer of a container are not worth to open it by itself. */
const FEWEST = 10;
const DEPTH_MAX = 60;
/** Indentation ends here; deeper rows say their depth. */
const INDENT_MAX = 14;

/**
 * How much is open: of a container so many values, of a string so many characters. By begin of the value.
 * @typedef {Map<number, number>} Open
 * @typedef {{id: string, at: number, level: number, key: string|null, kind: string, place: any, n: number,
 *   size: number, isOpen: boolean, rest: number, position: number, siblings: number, parent: string|null}} Row
 */

/** @param {{text: string, place?: {from: number, to: number}, name: string, root?: string}} props
 * `name` says what it is, to screen readers; `root`: how conditions call the document ("request.body"). */
export function Json({ text, place, name, root }) {
  const json = useMemo(() => new JsonText(text, place), [text, place?.from]);
  const [open, setOpen] = useState(() => openUpTo(json, FEW, 4));
  const [active, setActive] = useState("");
  const rows = useMemo(() => rowsOf(json, open), [json, open]);
  const tree = useRef(/** @type {HTMLElement|null} */ (null));
  const isMoved = useRef(false);
  const current = rows.find((row) => row.id === active) ?? rows[0];
  useLayoutEffect(() => {
    if (!isMoved.current) return;
    isMoved.current = false;
    /** @type {HTMLElement|null|undefined} */ (tree.current?.querySelector("[tabindex='0']"))?.focus();
  });
  /** @param {Row} row */
  const toggle = (row) => { setActive(row.id); setOpen(toggled(open, row)); };
  /** @param {KeyboardEvent} e */
  const onKey = (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey) return;
    const next = afterKey(e.key, rows, current);
    if (next === undefined) return;
    e.preventDefault();
    isMoved.current = true;
    if (next === current) toggle(current);
    else setActive(next.id);
  };
  return html`<div class="json">
    ${rows.some((row) => row.level > 1 && row.n > 0 && "object array".includes(row.kind)) ? html`<div class="json-tools">
      <button type="button" class="small" onClick=${() => setOpen(openUpTo(json, MANY, DEPTH_MAX))}>Expand all</button>
      <button type="button" class="small" onClick=${() => setOpen(new Map())}>Collapse all</button>
      ${rows.length > MANY - FEWEST ? html`<span class="hint" role="status">${count(rows.length)} rows are shown. What is still folded opens row by row.</span>` : null}
    </div>` : null}
    <ul class="json-tree" role="tree" aria-label=${name} ref=${tree} onKeyDown=${onKey}>
      ${rows.map((row) => html`<${RowView} key=${row.id} json=${json} row=${row} isActive=${row === current} onToggle=${toggle} onFocus=${setActive} />`)}
    </ul>
    ${root && current && active ? html`<${PathOf} json=${json} rows=${rows} row=${current} root=${root} />` : null}
  </div>`;
}

/** @param {{json: JsonText, row: Row, isActive: boolean, onToggle: (row: Row) => void, onFocus: (id: string) => void}} props */
function RowView({ json, row, isActive, onToggle, onFocus }) {
  const canOpen = row.size > 0;
  return html`<li role="treeitem" class="json-row ${canOpen ? "opens" : ""}" tabindex=${isActive ? 0 : -1}
    aria-level=${row.level} aria-setsize=${row.siblings} aria-posinset=${row.position}
    aria-expanded=${canOpen && row.kind !== "more" ? String(row.isOpen) : undefined} aria-selected=${isActive ? "true" : "false"}
    style=${{ paddingLeft: `${Math.min(row.level - 1, INDENT_MAX) * 1.1 + 1.1}em` }}
    onFocus=${() => onFocus(row.id)}
    onClick=${() => { if (!canOpen) onFocus(row.id); else if (String(getSelection()) === "") onToggle(row); }}>
    ${row.kind === "more" ? null : html`<span class="json-sign" aria-hidden="true">${canOpen ? (row.isOpen ? "▾" : "▸") : ""}</span>`}
    ${row.level - 1 > INDENT_MAX ? html`<span class="quiet">${row.level - 1}› </span>` : null}
    ${row.key === null ? null : html`<span class="json-key">${visible(row.key)}</span><span class="quiet">: </span>`}
    <${Value} json=${json} row=${row} />
  </li>`;
}

/** @param {{json: JsonText, row: Row}} props */
function Value({ json, row }) {
  if (row.kind === "more") {
    return html`<span class="json-more">show ${count(Math.min(SLICE, row.rest))} more of ${count(row.rest)}</span>`;
  }
  if (row.kind === "object" || row.kind === "array") {
    const [begin, end] = row.kind === "object" ? ["{", "}"] : ["[", "]"];
    if (row.n === 0) return html`<span>${begin}${end}</span>`;
    return html`<span>${begin}<span class="quiet"> ${counted(row.n, row.kind === "object" ? "member" : "item")} </span>${end}</span>
      ${row.isOpen ? null : html` <span class="json-glance" aria-hidden="true">${glance(json, row.place)}</span>`}`;
  }
  const raw = json.text.slice(row.place.from, Math.min(row.place.to, row.place.from + Math.max(row.n, SHORT)));
  const length = row.place.to - row.place.from;
  return html`<span class="json-${row.kind}">${visible(raw)}</span>${raw.length < length ? html`<span class="json-more">
      … ${count(raw.length)} of ${count(length)} characters</span>` : null}${raw === '"REDACTED"' ? html` <${Redacted} />` : null}`;
}

/** The beginning of what is folded. @param {JsonText} json @param {{from: number, to: number}} place */
function glance(json, place) {
  const text = json.text.slice(place.from + 1, Math.min(place.to - 1, place.from + 90)).replace(/\s+/g, " ");
  return visible(place.to - place.from > 90 ? `${text} …` : text);
}

/** Signs that turn the direction of writing or are not seen, as escapes. @param {string} text */
function visible(text) {
  return text.replace(/[\u007f-\u009f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g,
    (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** How a condition of a rule would call the row that has the focus. @param {{json: JsonText, rows: Row[], row: Row, root: string}} props */
function PathOf({ json, rows, row, root }) {
  const parts = [];
  const byId = new Map(rows.map((other) => [other.id, other]));
  for (let at = /** @type {Row|undefined} */ (row); at?.parent; at = byId.get(at.parent)) {
    if (at.kind !== "more") parts.push(at.key === null ? `[${at.position - 1}]` : memberOf(at.key));
  }
  const path = root + parts.reverse().join("");
  return html`<div class="json-path"><code>${visible(path)}</code>
    <${Copy} text=${path} what="the path" label="Copy the path" />
    ${row.kind === "more" ? null : html`<${Copy} text=${() => json.raw(row.place)} what="the value" label="Copy the value" />`}</div>`;
}

/** @param {string} key as written */
function memberOf(key) {
  return /^"[A-Za-z_][A-Za-z0-9_]*"$/.test(key) ? `.${key.slice(1, -1)}` : `[${key}]`;
}

/** @param {JsonText} json @param {Open} open @returns {Row[]} */
function rowsOf(json, open) {
  const rows = /** @type {Row[]} */ ([]);
  /** What is to be drawn next stands last: deep documents must not need a deep stack of calls. */
  const todo = [rowOf(json, open, json.root, { level: 1, position: 1, siblings: 1, parent: null })];
  for (let row = todo.pop(); row; row = todo.pop()) {
    rows.push(row);
    if (!row.isOpen || (row.kind !== "object" && row.kind !== "array")) continue;
    const shown = /** @type {number} */ (open.get(row.at));
    const { id, at, level, n } = row;
    const places = json.children(at, shown);
    if (n > shown) todo.push({ ...row, id: `m${at}`, level: level + 1, key: null, kind: "more", rest: n - shown, isOpen: false, position: shown + 1, siblings: n, parent: id });
    for (let i = places.length - 1; i >= 0; i -= 1) {
      todo.push(rowOf(json, open, places[i], { level: level + 1, position: i + 1, siblings: n, parent: id }));
    }
  }
  return rows;
}

/**
 * @param {JsonText} json @param {Open} open @param {import("./json_text.mjs").Place} place
 * @param {{level: number, position: number, siblings: number, parent: string|null}} where
 * @returns {Row}
 */
function rowOf(json, open, place, where) {
  const at = place.from;
  const kind = json.kind(at);
  const isContainer = kind === "object" || kind === "array";
  const n = isContainer ? json.count(at) : open.get(at) ?? SHORT;
  // `size` above zero: there is something to open.
  const size = isContainer ? n : Math.max(0, place.to - at - SHORT);
  return { ...where, id: `v${at}`, at, kind, place, n, size, rest: 0, isOpen: size > 0 && open.has(at), key: place.key ? json.raw(place.key) : null };
}

/** What is open after the row was pressed. @param {Open} open @param {Row} row @returns {Open} */
function toggled(open, row) {
  const next = new Map(open);
  const shown = open.get(row.at) ?? 0;
  if (row.kind === "more") next.set(row.at, shown + SLICE);
  else if (row.kind === "object" || row.kind === "array") {
    if (row.isOpen) next.delete(row.at);
    else next.set(row.at, SLICE);
  } else if (shown >= row.place.to - row.at) next.delete(row.at);
  else next.set(row.at, shown + LONG);
  return next;
}

/** Opens level by level while there is room. @param {JsonText} json @param {number} rowsMax @param {number} depthMax @returns {Open} */
function openUpTo(json, rowsMax, depthMax) {
  const open = /** @type {Open} */ (new Map());
  let level = [json.root];
  let rows = 1;
  for (let depth = 0; depth < depthMax && level.length > 0; depth += 1) {
    const next = [];
    for (const { from } of level) {
      const kind = json.kind(from);
      if (kind !== "object" && kind !== "array") continue;
      const all = json.count(from);
      const n = Math.min(SLICE, all, rowsMax - rows);
      if (n < Math.min(all, FEWEST)) continue;
      rows += n;
      open.set(from, n === all ? SLICE : n);
      for (const place of json.children(from, n)) next.push(place);
    }
    level = next;
  }
  return open;
}

/**
 * Where a key leads: to another row; to the same (it opens or closes); nowhere (undefined).
 * @param {string} key @param {Row[]} rows @param {Row} row @returns {Row|undefined}
 */
function afterKey(key, rows, row) {
  const at = rows.indexOf(row);
  const isOpenable = row.size > 0;
  switch (key) {
    case "ArrowDown": return rows[at + 1];
    case "ArrowUp": return rows[at - 1];
    case "Home": return at === 0 ? undefined : rows[0];
    case "End": return at === rows.length - 1 ? undefined : rows[rows.length - 1];
    case "Enter": case " ": return isOpenable ? row : undefined;
    case "ArrowRight": return isOpenable && (!row.isOpen || row.kind === "more") ? row : row.isOpen ? rows[at + 1] : undefined;
    case "ArrowLeft": return row.isOpen ? row : rows.find((other) => other.id === row.parent);
    default: return undefined;
  }
}
