// A table of thousands of rows of which only those that are seen stand in the document. It scrolls with
// the page, so that it feels the same under a wheel, a thumb and a keyboard. What is being read stays
// where it is, whatever comes in above it.

import { html, useEffect, useLayoutEffect, useRef, useState } from "../lib.mjs";
import { counted } from "./text.mjs";

/** Rows beyond the edges of what is seen. */
const N_BEYOND = 8;
/** The end is near: so many rows before it. */
const N_NEAR_END = 60;

/**
 * @template T
 * @typedef {{key: string, title: string, cell: (row: T) => any, isLink?: boolean}} Column
 * One column is the link (`isLink`): it carries the keyboard's focus and opens the row.
 */

/**
 * @template T
 * @typedef {{
 *   rows: T[], keyOf: (row: T) => string, hrefOf: (row: T) => string, nameOf: (row: T) => string,
 *   columns: Column<T>[], rowHeight: number, label: string, kind?: string, classOf?: (row: T) => string,
 *   isComplete: boolean, onEndNear?: () => void, onSeen?: (seen: Seen) => void,
 *   nNew?: number, onNew?: () => void,
 *   focused?: string|null, onFocused?: (key: string|null) => void,
 * }} ListProps
 * `rows` is another array whenever rows come or go; a row that changes in itself may stay the same object.
 * `hrefOf`: made by `link`. `nameOf`: what a screen reader says of the row, beginning with what its link shows.
 * `kind` is the class that lays the columns out (`grid-template-columns` of `.list-row`). `isComplete`: there are no
 * further rows; otherwise `onEndNear` is called (again and again) when the end is near. `nNew` rows wait to be
 * let in: they are offered by a button, which calls `onNew`.
 */

/** @typedef {{first: number, last: number, isReading: boolean}} Seen the rows on the screen; `isReading`: do not move them */

/** @param {ListProps<any>} props */
export function List(props) {
  const { rows, keyOf, rowHeight, label, columns, kind = "", isComplete, nNew = 0 } = props;
  const [seen, setSeen] = useState(/** @type {Seen} */ ({ first: 0, last: 20, isReading: false }));
  const [focused, setFocused] = useState(props.focused ?? null);
  const head = useRef(/** @type {HTMLElement|null} */ (null));
  const body = useRef(/** @type {HTMLElement|null} */ (null));
  const wantsFocus = useRef(false);
  const latest = useRef({ props, seen, focused });
  latest.current = { props, seen, focused };
  const cover = useCover();
  const at = useRef(/** @type {{key: string, index: number, offset: number}|null} */ (null));
  const measure = useMeasure(latest, head, body, at, setSeen);
  useAnchor(rows, keyOf, rowHeight, { head, body, at }, measure);

  const hadFocus = body.current?.contains(document.activeElement) ?? false;
  const pinned = rowIndex(rows, keyOf, focused, seen.first);
  useLayoutEffect(() => {
    // A row that was moved in the document loses its focus: it gets it back.
    const isLost = hadFocus && !body.current?.contains(document.activeElement);
    if (!wantsFocus.current && !isLost) return;
    wantsFocus.current = false;
    /** @type {HTMLElement|null|undefined} */ (body.current?.querySelector("a[tabindex='0']"))?.focus({ preventScroll: true });
  });

  /** @param {string|null} key */
  const remember = (key) => { setFocused(key); props.onFocused?.(key); };
  /** @param {KeyboardEvent} e */
  const onKeyDown = (e) => {
    const to = e.altKey || e.ctrlKey || e.metaKey ? null : step(e.key, pinned < 0 ? seen.first : pinned, seen, rows.length);
    if (to === null || rows.length === 0) return;
    e.preventDefault();
    wantsFocus.current = true;
    remember(keyOf(rows[to]));
    reveal(to, rowHeight, /** @type {HTMLElement} */ (body.current), /** @type {HTMLElement} */ (head.current));
    measure();
  };
  return html`<div class="list ${kind}">
    <div class="list-new" style=${{ top: `${cover}px` }}>
      ${nNew > 0 ? html`<button type="button" class="primary" onClick=${props.onNew}>↑ ${counted(nNew, "new event")}</button>` : null}
      <span class="unseen" role="status">${nNew > 0 ? "There are new events above." : ""}</span>
    </div>
    <div role="table" aria-label=${label} aria-rowcount=${isComplete ? rows.length + 1 : -1} onKeyDown=${onKeyDown}>
      <div role="rowgroup" class="list-head" ref=${head} style=${{ top: `${cover}px` }}>
        <div role="row" class="list-row" aria-rowindex="1">
          ${columns.map(({ key, title }) => html`<span role="columnheader" class=${`of-${key}`}>${title}</span>`)}
        </div>
      </div>
      <div role="rowgroup" class="list-body" ref=${body} style=${{ height: `${rows.length * rowHeight}px` }}>
        ${drawn(seen, rows.length, pinned).map((i) => html`<${Row} key=${keyOf(rows[i])} of=${props} row=${rows[i]} index=${i}
          isStop=${i === (pinned < 0 ? seen.first : pinned)} onFocused=${remember} />`)}
      </div>
    </div>
  </div>`;
}

/** @param {{of: ListProps<any>, row: any, index: number, isStop: boolean, onFocused: (key: string) => void}} props */
function Row({ of, row, index, isStop, onFocused }) {
  const href = of.hrefOf(row);
  /** @param {MouseEvent} e */
  const open = (e) => {
    // The link does it by itself; and who marks a text does not mean to go.
    if (/** @type {Element} */ (e.target).closest("a, button") || getSelection()?.toString()) return;
    if (e.ctrlKey || e.metaKey) window.open(href, "_blank", "noopener");
    else location.hash = href;
  };
  return html`<div role="row" class="list-row ${of.classOf?.(row) ?? ""}" aria-rowindex=${index + 2} onClick=${open}
    style=${{ height: `${of.rowHeight}px`, transform: `translateY(${index * of.rowHeight}px)` }}>
    ${of.columns.map(({ key, cell, isLink }) => html`<span role="cell" class=${`of-${key}`}>
      ${isLink ? html`<a href=${href} tabindex=${isStop ? 0 : -1} aria-label=${of.nameOf(row)}
        onFocus=${() => onFocused(of.keyOf(row))}>${cell(row)}</a>` : cell(row)}
    </span>`)}
  </div>`;
}

const narrow = matchMedia("(max-width: 860px)");

/** Whether the screen is so narrow that a row takes several lines. */
export function useNarrow() {
  const [isNarrow, setNarrow] = useState(narrow.matches);
  useEffect(() => {
    const tell = () => setNarrow(narrow.matches);
    tell();
    narrow.addEventListener("change", tell);
    return () => narrow.removeEventListener("change", tell);
  }, []);
  return isNarrow;
}

/** Up to where the page's own head covers the list, px. */
function useCover() {
  const [cover, setCover] = useState(0);
  useLayoutEffect(() => {
    const top = document.querySelector("header.top");
    if (!top) return undefined;
    const observer = new ResizeObserver(() => setCover(Math.floor(top.getBoundingClientRect().height)));
    observer.observe(top);
    return () => observer.disconnect();
  }, []);
  return cover;
}

/**
 * Finds out what is seen: now, and whenever the page is scrolled or another size.
 * @param {any} latest @param {any} head @param {any} body @param {any} at @param {(seen: Seen) => void} setSeen
 */
function useMeasure(latest, head, body, at, setSeen) {
  const measure = useRef((/** @type {Event|undefined} */ e = undefined) => {
    // Also while it is taken away: the focus leaves it then.
    if (!body.current?.isConnected || !head.current?.isConnected) return;
    const { props, seen } = latest.current;
    const { rows, rowHeight } = props;
    const top = body.current.getBoundingClientRect().top;
    const covered = head.current.getBoundingClientRect().bottom - top;
    const first = within(Math.floor(covered / rowHeight), rows.length);
    const last = within(Math.ceil((innerHeight - top) / rowHeight), rows.length);
    // Scrolled down, or at a row by the keyboard.
    const stop = body.current.querySelector(":focus-visible") ? rowIndex(rows, props.keyOf, latest.current.focused, first) : 0;
    const isScrolled = covered > rowHeight / 2;
    const isReading = isScrolled || stop > 0;
    // What was read stays the same while the window becomes another size.
    if (e?.type !== "resize") at.current = isScrolled && rows[first] ? { key: props.keyOf(rows[first]), index: first, offset: first * rowHeight - covered } : null;
    if (!props.isComplete && last > rows.length - N_NEAR_END) props.onEndNear?.();
    if (first === seen.first && last === seen.last && isReading === seen.isReading) return;
    const now = { first, last, isReading };
    latest.current.seen = now;
    setSeen(now);
    props.onSeen?.(now);
  });
  useEffect(() => {
    const tell = measure.current;
    addEventListener("scroll", tell, { passive: true });
    addEventListener("resize", tell);
    body.current?.addEventListener("focusout", tell);
    tell();
    return () => { removeEventListener("scroll", tell); removeEventListener("resize", tell); };
  }, []);
  return measure.current;
}

/**
 * Keeps what is read where it is when rows come or go above it, or become higher.
 * @param {any[]} rows @param {(row: any) => string} keyOf @param {number} rowHeight @param {{head: any, body: any, at: any}} refs
 * @param {(e?: any) => void} measure
 */
function useAnchor(rows, keyOf, rowHeight, { head, body, at }, measure) {
  const before = useRef({ rows, rowHeight });
  useLayoutEffect(() => {
    const old = before.current;
    before.current = { rows, rowHeight };
    if (old.rows === rows && old.rowHeight === rowHeight) return;
    const covered = head.current.getBoundingClientRect().bottom - body.current.getBoundingClientRect().top;
    // Rows that are higher now have moved it all: what was read before is what counts.
    const first = Math.floor(covered / rowHeight);
    const now = covered > rowHeight / 2 && old.rows[first] ? { key: keyOf(old.rows[first]), index: first, offset: first * rowHeight - covered } : null;
    const anchor = old.rowHeight === rowHeight ? now : at.current;
    const index = anchor ? rowIndex(rows, keyOf, anchor.key, anchor.index) : -1;
    const by = index < 0 ? 0 : index * rowHeight - covered - anchor.offset;
    if (Math.abs(by) >= 1) scrollBy({ top: by, behavior: "instant" });
    measure();
  }, [rows, rowHeight]);
}

/**
 * Which rows are drawn: those that are seen, some beyond, and the one with the focus, wherever it is.
 * @param {Seen} seen @param {number} n @param {number} pinned
 */
function drawn({ first, last }, n, pinned) {
  const from = Math.max(0, Math.min(first, n) - N_BEYOND);
  const to = Math.min(n, last + N_BEYOND);
  const indexes = Array.from({ length: Math.max(0, to - from) }, (_, i) => from + i);
  if (pinned >= 0 && pinned < from) indexes.unshift(pinned);
  if (pinned >= to) indexes.push(pinned);
  return indexes;
}

/**
 * Where a row is, looked for from where it probably is; -1: nowhere.
 * @param {any[]} rows @param {(row: any) => string} keyOf @param {string|null} key @param {number} near
 */
function rowIndex(rows, keyOf, key, near) {
  if (key === null) return -1;
  for (let i = Math.min(near, rows.length - 1), j = i + 1; i >= 0 || j < rows.length; i -= 1, j += 1) {
    if (i >= 0 && keyOf(rows[i]) === key) return i;
    if (j < rows.length && keyOf(rows[j]) === key) return j;
  }
  return -1;
}

/** @param {string} pressed @param {number} at @param {Seen} seen @param {number} n */
function step(pressed, at, seen, n) {
  const page = Math.max(1, seen.last - seen.first - 2);
  /** @type {Record<string, number>} */
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, PageDown: at + page, PageUp: at - page, Home: 0, End: n - 1 };
  return pressed in to ? within(to[pressed], n - 1) : null;
}

/** @param {number} index @param {number} rowHeight @param {HTMLElement} body @param {HTMLElement} head */
function reveal(index, rowHeight, body, head) {
  const top = body.getBoundingClientRect().top + index * rowHeight;
  const over = top - Math.max(head.getBoundingClientRect().bottom, 0);
  const under = top + rowHeight - innerHeight;
  if (over < 0) scrollBy({ top: over, behavior: "instant" });
  else if (under > 0) scrollBy({ top: under, behavior: "instant" });
}

/** @param {number} value @param {number} max */
const within = (value, max) => Math.max(0, Math.min(value, max));
