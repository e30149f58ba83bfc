// Figures, times and sentences as people read them.

import { serverNow } from "../clock.mjs";
import { cell, html, useCell } from "../lib.mjs";

const number = new Intl.NumberFormat("en");
const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const dayOfYear = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", hour: "numeric", minute: "2-digit", second: "2-digit" });
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });

/** The time in ms by sidehook's clock, told anew every second while somebody looks. */
export const now = cell(serverNow());
setInterval(() => { if (!document.hidden) now.set(serverNow()); }, 1000);

/** 1,234,567. @param {number|null|undefined} n */
export const count = (n) => (n === null || n === undefined ? "–" : number.format(n));

/** "1 event", "2 events". @param {number} n @param {string} one @param {string} [many] */
export const counted = (n, one, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`;

/** 12.3 KiB. @param {number|null|undefined} n */
export function bytes(n) {
  if (n === null || n === undefined) return "–";
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let i = 0;
  let size = n;
  while (size >= 1024 && i < units.length - 1) { size /= 1024; i += 1; }
  return `${i === 0 || size >= 100 ? Math.round(size) : size.toFixed(1)} ${units[i]}`;
}

/** 12 ms, 1.2 s. @param {number|null|undefined} ms */
export function millis(ms) {
  if (ms === null || ms === undefined) return "–";
  if (ms < 10) return `${ms.toFixed(ms % 1 ? 1 : 0)} ms`;
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

/** 42 s, 5 m, 3 h 20 m, 2 d 4 h. @param {number|null|undefined} seconds */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  const s = Math.round(seconds);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} m ${s % 60} s`.replace(" 0 s", "");
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} m`.replace(" 0 m", "");
  return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`.replace(" 0 h", "");
}

/** A sentence of the server, in which `commands` stand between backquotes. @param {{text: string}} props */
export function Prose({ text }) {
  const parts = text.split("`");
  // An odd one out is no quotation: a name may hold anything.
  if (parts.length % 2 === 0) return text;
  return parts.map((part, i) => (i % 2 === 1 ? html`<code>${part}</code>` : part));
}

/**
 * A time: local, with UTC on hover; with `ago`, as distance from now.
 * @param {{at: string|number|null|undefined, ago?: boolean}} props
 */
export function Time({ at, ago = false }) {
  const instant = at === null || at === undefined ? null : new Date(at);
  if (!instant || Number.isNaN(instant.getTime())) return html`<span class="quiet">–</span>`;
  const utc = `${instant.toISOString().replace("T", " ").replace("Z", "")} UTC`;
  const shown = ago ? html`<${Distance} at=${instant.getTime()} />` : local(instant);
  return html`<time datetime=${instant.toISOString()} title=${ago ? `${local(instant)} · ${utc}` : utc}>${shown}</time>`;
}

/** @param {{at: number}} props */
function Distance({ at }) {
  const s = (useCell(now) - at) / 1000;
  if (Math.abs(s) < 2) return html`now`;
  return s > 0 ? html`${duration(s)} ago` : html`in ${duration(-s)}`;
}

/** A time as `<input type="datetime-local">` has it, to the second where that is none of a whole minute; "" for none. @param {string|number} at */
export function localInput(at) {
  const instant = new Date(at);
  if (Number.isNaN(instant.getTime())) return "";
  return new Date(instant.getTime() - instant.getTimezoneOffset() * 60_000).toISOString().slice(0, 19).replace(/:00$/, "");
}

/** The same back; "" for none. @param {string} text */
export function fromLocalInput(text) {
  const at = new Date(text);
  return Number.isNaN(at.getTime()) ? "" : at.toISOString();
}

/** @param {Date} at */
function local(at) {
  const now = new Date();
  if (at.toDateString() === now.toDateString()) return clock.format(at);
  return (at.getFullYear() === now.getFullYear() ? dayOfYear : day).format(at);
}
