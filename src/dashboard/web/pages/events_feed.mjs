// The events of a filter, newest first: page by page as somebody scrolls, live at the top, and their
// deliveries' counts as they change. It never holds more than a bounded number of them.

import { get } from "../api.mjs";
import { serverNow } from "../clock.mjs";
import { cell } from "../lib.mjs";
import { STATES, fits, mustAsk, paramsOf } from "./events_filter.mjs";

/** Events that are kept at most. */
export const N_MAX = 20_000;
/** New ones that wait to be let in; of more only the number is kept. */
const N_WAITING_MAX = 2_000;
const PAGE = 200;
/** A search that finds little goes on by itself for so long, ms, or until it has found a screen full. */
const SEARCH = 5_000;
const N_SCREEN = 50;
/** Between two questions for what has changed, ms. */
const EVERY = 5_000;
/** Soon, but not for each of a burst, ms. */
const SOON = 300;
/** Events that are asked for one by one in a round. */
const N_SINGLE = 10;
/** Pages of new events that are read at most: after something was missed, and every time. */
const N_MISSED_PAGES = 25;
const N_NEW_PAGES = 5;
/** Events may be committed in another order than they ended, within this, ms. */
const SKEW = 5_000;

/** @typedef {{id: string, created_at: string, label: string, tag: string|null, subject: string|null, method: string, url: string,
 *   status: number, deliveries: Record<string, number>, arrived?: number, start?: Record<string, number>}} Row
 * `arrived`: when it came in live, ms; `start`: how its deliveries stood then. */

export class Feed {
  /** @type {Row[]} */
  rows = [];
  /** Where the next page begins; null: there is none. @type {string|null|undefined} */
  next = undefined;
  isLoading = false;
  /** Why the last page did not come. @type {any} */
  problem = null;
  /** So far back the search has come, as events have their time. @type {string|null} */
  lookedBackTo = null;
  /** It has stopped there; it goes on when it is told to. */
  isStuck = false;
  /** Events that were let go because there are too many. */
  nLetGo = 0;
  /** New ones that wait to be let in. */
  nNew = 0;
  isPaused = false;
  /** Nobody sees it now, or not yet at the place where it was left: nothing moves. */
  isAside = false;
  /** Whether the stream tells what is new. */
  isFollowing = false;
  /** Changes whenever there is something else to show. */
  version = cell(0);

  /** @type {Map<string, Row>} */
  #byId = new Map();
  /** Newest first. @type {Row[]} */
  #waiting = [];
  /** More has come than is kept: the list must be read anew. */
  #isGapped = false;
  #isReading = false;
  #isLate = false;
  /** The rows on the screen. */
  #first = 0;
  #last = 30;
  /** How the deliveries of an event stand, as far as they were told. @type {Map<string, Map<string, string>>} */
  #told = new Map();
  /** Events whose counts must be asked for. @type {Set<string>} */
  #dirty = new Set();
  #abort = new AbortController();
  #timers = { ask: 0, settle: 0 };
  #askedAt = 0;
  #settledAt = 0;
  /** The newest event that was seen, ms. */
  #newest = 0;
  /** The same when changes were last known to be complete; null: they are. @type {number|null} */
  #edge = null;

  /** @param {import("./events_filter.mjs").Filter} filter */
  constructor(filter) {
    this.filter = filter;
    this.params = paramsOf(filter, serverNow());
  }

  /** Gives up what is under way. */
  close() {
    this.#abort.abort();
    this.#abort = new AbortController();
    clearTimeout(this.#timers.ask);
    clearTimeout(this.#timers.settle);
    this.#timers = { ask: 0, settle: 0 };
    this.isLoading = false;
  }

  /** Reads the list anew. */
  restart() {
    this.close();
    this.rows = [];
    this.#byId.clear();
    this.#told.clear();
    this.#dirty.clear();
    this.#forgetWaiting();
    Object.assign(this, { next: undefined, problem: null, isStuck: false, lookedBackTo: null, nLetGo: 0 });
    this.params = paramsOf(this.filter, serverNow());
    this.more();
  }

  /** Loads the next page, or several when they hold little. @param {boolean} isWished also where it has stopped */
  async more(isWished = false) {
    const isOver = this.next === null || this.isFull || ((this.isStuck || this.problem) && !isWished);
    if (this.isLoading || isOver) return;
    Object.assign(this, { isLoading: true, problem: null, isStuck: false });
    this.#tell();
    const { signal } = this.#abort;
    try {
      await this.#search(signal);
    } catch (problem) {
      if (!signal.aborted) this.problem = problem;
    }
    if (signal.aborted) return;
    this.isLoading = false;
    this.#tell();
    if (this.#isLate && !this.problem) this.catchUp();
    this.#isLate = false;
  }

  get isFull() {
    return this.rows.length >= N_MAX;
  }

  /** @param {AbortSignal} signal */
  async #search(signal) {
    const began = Date.now();
    const nBefore = this.rows.length;
    for (let n = 1; ; n += 1) {
      const page = await get("v1/events", { ...this.params, limit: PAGE, cursor: this.next }, { signal });
      this.next = page.next;
      this.#append(page.data);
      const nFound = this.rows.length - nBefore;
      if (page.next === null || nFound >= N_SCREEN || this.isFull) return;
      const isOver = Date.now() - began > SEARCH;
      // How far it has come is what stands there when nothing is left out.
      if (isOver || n % 20 === 0) {
        const there = await get("v1/events", { limit: 1, cursor: page.next }, { signal });
        this.lookedBackTo = there.data[0]?.created_at ?? this.lookedBackTo;
        this.isStuck = isOver;
      }
      this.#tell();
      if (isOver) return;
    }
  }

  /** @param {Row[]} found */
  #append(found) {
    const added = found.filter((event) => !this.#byId.has(event.id)).slice(0, N_MAX - this.rows.length);
    for (const row of added) this.#byId.set(row.id, row);
    this.rows = this.rows.concat(added);
    if (added.length > 0) this.#newest = Math.max(this.#newest, Date.parse(added[0].created_at));
    if (!this.isFollowing) this.lose();
  }

  /** What the stream tells. @param {{event: any[], delivery: any[], webhook: any[]}} changes */
  take(changes) {
    if (mustAsk(this.filter)) {
      if (changes.event.length > 0 || (this.filter.status && changes.delivery.length > 0)) this.#askLater();
    } else {
      this.#arrive(changes.event.filter((event) => fits(this.params, event)).reverse());
    }
    for (const delivery of changes.delivery) this.#hear(delivery);
    // A webhook that is paused holds what was pending, without a word for each.
    if (changes.webhook.length > 0) {
      for (const row of this.rows) if (row.deliveries.pending + row.deliveries.held > 0) this.#dirty.add(row.id);
    }
    if (changes.delivery.length + changes.webhook.length > 0) {
      this.#settleLater();
      if (!this.isPaused) this.#tell();
    }
  }

  /** From now on changes may be missed. */
  lose() {
    this.#edge ??= this.#newest;
  }

  /** Changes may have been missed: asks for what is new. */
  async catchUp() {
    this.isFollowing = true;
    if (this.next === undefined) {
      // What came between the first page and the stream is in neither.
      this.#isLate = this.isLoading;
      return this.more(true);
    }
    const edge = this.#edge ?? this.#newest;
    this.#edge = null;
    for (const { id } of this.rows) this.#dirty.add(id);
    await this.#ask(edge, N_MISSED_PAGES);
    this.#settleLater();
  }

  #askLater() {
    if (this.#timers.ask) return;
    const wait = Math.max(SOON, this.#askedAt + EVERY - Date.now());
    this.#timers.ask = setTimeout(() => { this.#timers.ask = 0; this.#ask(this.#newest, N_NEW_PAGES); }, wait);
  }

  /** The newest events again, back to a time. @param {number} edge ms @param {number} nPages at most */
  async #ask(edge, nPages) {
    this.#askedAt = Date.now();
    const { signal } = this.#abort;
    // An event may come to fit by its deliveries long after it was made; by nothing else.
    const isOpen = Boolean(this.filter.status) || edge === 0;
    const since = isOpen || iso(edge - SKEW) < (this.params.since ?? "") ? this.params.since : iso(edge - SKEW);
    let cursor = null;
    try {
      for (let n = 0; n < nPages; n += 1) {
        const page = /** @type {any} */ (await get("v1/events", { ...this.params, since, limit: PAGE, cursor }, { signal }));
        // What is older than the last row is not new: it comes with the next page.
        const oldest = this.next === null ? "" : this.rows.at(-1)?.created_at ?? "";
        this.#arrive(page.data.filter((/** @type {Row} */ event) => event.created_at > oldest));
        if (page.next === null || (isOpen && page.data.length > 0 && page.data.at(-1).created_at < iso(edge - SKEW))) return;
        cursor = page.next;
      }
      this.#isGapped = !isOpen;
      this.#arrive([]);
    } catch {
      // It is asked again when sidehook is back.
      this.#edge ??= edge;
    }
  }

  /** @param {Row[]} events newest first */
  #arrive(events) {
    const known = new Set(this.#waiting.map(({ id }) => id));
    const added = events.filter(({ id }) => !this.#byId.has(id) && !known.has(id));
    if (added.length === 0 && !this.#isGapped) return;
    if (added.length > 0) this.#newest = Math.max(this.#newest, Date.parse(added[0].created_at));
    for (const row of added) row.start = row.deliveries;
    this.nNew += added.length;
    this.#waiting = merged(added, this.#waiting);
    if (this.#waiting.length > N_WAITING_MAX) {
      this.#waiting = [];
      this.#isGapped = true;
    }
    if (this.isPaused || this.isAside || this.#isReading) this.#tell();
    else this.letIn();
  }

  /** Shows what has waited. */
  letIn() {
    if (this.#isGapped) return this.restart();
    const arrived = Date.now();
    for (const row of this.#waiting) this.#byId.set(row.id, Object.assign(row, { arrived }));
    this.rows = this.#waiting.length > 0 ? merged(this.#waiting, this.rows) : this.rows;
    this.#forgetWaiting();
    for (const { id } of this.rows.splice(N_MAX)) {
      this.nLetGo += 1;
      this.#byId.delete(id);
      this.#told.delete(id);
      this.#dirty.delete(id);
    }
    this.#tell();
  }

  #forgetWaiting() {
    this.#waiting = [];
    this.#isGapped = false;
    this.nNew = 0;
  }

  /** @param {boolean} isPaused */
  pause(isPaused) {
    this.isPaused = isPaused;
    if (!isPaused && !this.#isReading) this.letIn();
    if (!isPaused) this.#settleLater();
    this.#tell();
  }

  /** Which rows are on the screen. @param {import("../ui/list.mjs").Seen} seen */
  see({ first, last, isReading }) {
    this.#first = first;
    this.#last = last;
    this.#isReading = isReading;
    if (!isReading && !this.isPaused && !this.isAside && this.nNew > 0) this.letIn();
    this.#settleLater();
  }

  /** How one delivery stands now. @param {any} delivery */
  #hear({ id, event_id, status }) {
    const row = this.#byId.get(event_id) ?? this.#waiting.find((event) => event.id === event_id);
    if (!row) return;
    this.#dirty.add(row.id);
    const told = this.#told.get(row.id) ?? new Map();
    told.set(id, status);
    this.#told.set(row.id, told);
    if (this.isPaused || !row.start) return;
    // Of an event that came just now every change is told. The others are as they were: a good guess until it is asked for.
    const counts = Object.fromEntries(STATES.map((state) => [state, [...told.values()].filter((is) => is === state).length]));
    let nOthers = total(row.start) - told.size;
    for (const state of ["held", "pending", "delivered", "failed", "cancelled"]) {
      const n = Math.max(0, Math.min(nOthers, row.start[state]));
      counts[state] += n;
      nOthers -= n;
    }
    row.deliveries = counts;
  }

  #settleLater() {
    if (this.isPaused || this.#timers.settle || this.#unsettled().length === 0) return;
    const wait = Math.max(SOON, this.#settledAt + EVERY - Date.now());
    this.#timers.settle = setTimeout(() => { this.#timers.settle = 0; this.#settle(); }, wait);
  }

  #unsettled() {
    return this.rows.slice(this.#first, this.#last + 1).filter(({ id }) => this.#dirty.has(id));
  }

  /** Asks how the deliveries of the events on the screen stand, in one question where it can be. */
  async #settle() {
    const rows = this.#unsettled();
    if (rows.length === 0 || this.isPaused) return;
    this.#settledAt = Date.now();
    const { signal } = this.#abort;
    const times = rows.map((row) => Date.parse(row.created_at));
    const span = { since: iso(Math.min(...times)), until: iso(Math.max(...times) + 1) };
    for (const { id } of rows) this.#dirty.delete(id);
    const missing = new Set(rows.map(({ id }) => id));
    /** @param {Record<string, any>} params */
    const put = async (params) => {
      const { data } = await get("v1/events", params, { signal });
      for (const event of data) {
        const row = this.#byId.get(event.id);
        if (this.isPaused || !row) continue;
        row.deliveries = event.deliveries;
        missing.delete(event.id);
      }
    };
    try {
      await put({ ...this.params, ...span, limit: PAGE });
      // Those that do not fit the filter any more, for one.
      const rest = [...missing];
      for (const id of rest.slice(0, N_SINGLE)) await put({ q: id, limit: 1 });
    } catch { /* They stay as they are, and are asked for again. */ }
    if (signal.aborted) return;
    for (const id of missing) this.#dirty.add(id);
    this.#settleLater();
    this.#tell();
  }

  #tell() {
    this.version.set(this.version.get() + 1);
  }
}

/** Two lists that each begin with the newest, as one. @param {Row[]} a @param {Row[]} b */
function merged(a, b) {
  const all = [];
  let i = 0;
  for (const row of b) {
    while (i < a.length && a[i].created_at >= row.created_at) all.push(a[i++]);
    if (i === a.length && all.length === i) return a.concat(b);
    all.push(row);
  }
  return all.concat(a.slice(i));
}

/** @param {Record<string, number>} counts */
const total = (counts) => STATES.reduce((sum, state) => sum + (counts[state] ?? 0), 0);

/** @param {number} at */
const iso = (at) => new Date(at).toISOString();
