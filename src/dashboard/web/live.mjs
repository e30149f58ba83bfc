// What changes, live: one connection to `/v1/stream` for all of the page. EventSource cannot send the
// token, so the stream is read from `fetch`. A tab that nobody sees gives its connection back after a
// while, and goes on where it was when it is looked at again.

import { send } from "./api.mjs";
import { cell, useEffect, useRef } from "./lib.mjs";
import { session } from "./session.mjs";
import { inPlace, isShared } from "./stream_place.mjs";

/** Told to watchers at most this often, ms: a page need not be drawn for each of a thousand changes. */
const PACE = 150;
/** A stream that says nothing for so long is dead, ms: sidehook says something every 15 s. */
const SILENCE = 40_000;
/** Until a hidden tab gives its connection back, ms; at once where it may be the last one that another needs. */
const HIDDEN = 60_000;
/** Without a stream, what is shown is asked for anew so often, ms. */
const EVERY = 5_000;
const WAITS = [500, 1_000, 2_000, 4_000, 8_000];

/** @typedef {{event: any[], delivery: any[], webhook: any[]}} Changes */

/**
 * `live`: changes arrive. `asking`: there is no stream to be had, what is shown is asked for every few seconds.
 * `connecting`: not yet, or not now. `away`: sidehook does not answer.
 * @typedef {"connecting"|"live"|"asking"|"away"} Connection
 */
export const connection = cell(/** @type {Connection} */ ("connecting"));

/** Counts how often what is shown may have become stale: after `reset`, or when sidehook came back. */
export const stale = cell(0);

/** @type {Set<(changes: Changes) => void>} */
const watchers = new Set();
/** @type {Changes} */
let waiting = none();
let timer = 0;
let lastId = "";
/** @type {AbortController|null} */
let running = null;
/** There is no stream for this window. */
let isAsking = false;

/** @returns {Changes} */
function none() {
  return { event: [], delivery: [], webhook: [] };
}

/**
 * Calls `watch` with what has changed, as long as the component is there.
 * @param {(changes: Changes) => void} watch
 */
export function useChanges(watch) {
  const latest = useRef(watch);
  latest.current = watch;
  useEffect(() => {
    /** @param {Changes} changes */
    const told = (changes) => latest.current(changes);
    watchers.add(told);
    return () => { watchers.delete(told); };
  }, []);
}

/** Follows as long as somebody is signed in and the tab is seen. Called once. */
export function startFollowing() {
  let hidden = 0;
  const decide = () => {
    clearTimeout(hidden);
    if (session.get().access === null) return stop();
    if (!document.hidden) return start();
    hidden = setTimeout(stop, isShared ? HIDDEN : 0);
  };
  document.addEventListener("visibilitychange", decide);
  session.watch(() => {
    if (session.get().token === null) lastId = "";
    decide();
  });
  decide();
}

function stop() {
  running?.abort();
  running = null;
  isAsking = false;
  connection.set("connecting");
}

async function start() {
  if (running) return;
  const mine = running = new AbortController();
  for (let n = 0; !mine.signal.aborted; n += 1) {
    let hasPlace = true;
    try {
      hasPlace = await inPlace(() => follow(mine.signal, () => { n = -1; }));
    } catch (error) {
      if (mine.signal.aborted) return;
      const { status, code } = error;
      if (code === "too_many_streams") hasPlace = false;
      else connection.set(status === 0 ? "away" : "connecting");
    }
    if (mine.signal.aborted) return;
    isAsking = !hasPlace;
    if (isAsking) askAnew();
    await pause(hasPlace ? WAITS[Math.min(Math.max(n, 0), WAITS.length - 1)] : EVERY, mine.signal);
  }
}

/** In place of a stream. Whether sidehook answers is then for the question for its status to find out. */
function askAnew() {
  if (connection.get() !== "away") connection.set("asking");
  stale.set(stale.get() + 1);
}

/** sidehook has answered: what only the stream could tell otherwise. */
export function answered() {
  if (isAsking && connection.get() === "away") connection.set("asking");
}

/** @param {number} ms @param {AbortSignal} signal */
function pause(ms, signal) {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve(undefined);
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end);
  });
}

/** One connection, until it ends. @param {AbortSignal} signal @param {() => void} connected */
async function follow(signal, connected) {
  const silence = new AbortController();
  let alarm = setTimeout(() => silence.abort(), SILENCE);
  /** @type {Record<string, string>} */
  const headers = lastId ? { "last-event-id": lastId } : {};
  try {
    const response = await send("v1/stream", { headers, signal: AbortSignal.any([signal, silence.signal]) });
    // What was missed while there was no stream is not in it.
    if (connection.get() === "away" || connection.get() === "asking") stale.set(stale.get() + 1);
    connection.set("live");
    connected();
    const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader();
    const text = new TextDecoder();
    let rest = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      clearTimeout(alarm);
      alarm = setTimeout(() => silence.abort(), SILENCE);
      const pieces = (rest + text.decode(value, { stream: true })).split("\n\n");
      rest = /** @type {string} */ (pieces.pop());
      pieces.forEach(take);
    }
  } finally {
    clearTimeout(alarm);
    if (!signal.aborted && connection.get() === "live") connection.set("connecting");
  }
}

/** One message of the stream (WHATWG HTML 9.2, as sidehook writes it). @param {string} message */
function take(message) {
  let name = "";
  let data = "";
  for (const line of message.split("\n")) {
    if (line.startsWith("event: ")) name = line.slice(7);
    else if (line.startsWith("data: ")) data += line.slice(6);
    else if (line.startsWith("id: ")) lastId = line.slice(4);
  }
  if (name === "reset") return stale.set(stale.get() + 1);
  if (name !== "event" && name !== "delivery" && name !== "webhook") return;
  waiting[name].push(JSON.parse(data));
  if (!timer) timer = setTimeout(tell, PACE);
}

function tell() {
  timer = 0;
  const changes = waiting;
  waiting = none();
  for (const watcher of [...watchers]) watcher(changes);
}
