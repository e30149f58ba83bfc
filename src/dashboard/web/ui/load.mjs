// What a page has asked for: not there yet, there, or refused.

import { whole } from "../api.mjs";
import { html, useCallback, useEffect, useRef, useState } from "../lib.mjs";
import { connection, stale } from "../live.mjs";
import { count } from "./text.mjs";

/**
 * Loads now, when `deps` change, when `reload` is called, and when what is shown may be stale (sidehook
 * was away). What is there, or was wrong, stays until the new is there; of two answers the later question wins.
 * @template T
 * @param {(signal: AbortSignal) => Promise<T>} load
 * @param {any[]} deps
 * @returns {{data: T|null, problem: any, loading: boolean, reload: () => void, put: (data: T|null) => void}}
 */
export function useLoad(load, deps) {
  const [state, setState] = useState(/** @type {any} */ ({ data: null, problem: null, loading: true }));
  const [n, setN] = useState(0);
  const latest = useRef(load);
  latest.current = load;
  const known = useRef(deps);
  const isOpen = useRef(false);
  useEffect(() => {
    const abort = new AbortController();
    const isOther = deps.some((dep, i) => dep !== known.current[i]);
    known.current = deps;
    isOpen.current = true;
    setState((/** @type {any} */ now) => ({ ...(isOther ? { data: null, problem: null } : now), loading: true }));
    latest.current(abort.signal).then(
      (data) => {
        if (abort.signal.aborted) return;
        isOpen.current = false;
        setState({ data, problem: null, loading: false });
      },
      (problem) => {
        if (abort.signal.aborted) return;
        isOpen.current = false;
        setState((/** @type {any} */ now) => ({ ...now, problem, loading: false }));
      },
    );
    return () => abort.abort();
  }, [...deps, n]);
  const reload = useCallback(() => setN((now) => now + 1), []);
  // Who asks every few seconds, for want of a stream, does not ask in place of a question that is open.
  useEffect(() => stale.watch(() => { if (!isOpen.current || connection.get() !== "asking") reload(); }), []);
  const put = useCallback((/** @type {T|null} */ data) => {
    setState((/** @type {any} */ now) => ({ ...now, data }));
  }, []);
  return { ...state, reload, put };
}

/**
 * Loads again every `every` ms while somebody looks, and when somebody looks again; never in place of a question that is
 * open: where answers take longer than that, none would ever come.
 * @param {{loading: boolean, reload: () => void}} of @param {number} every 0: not at all
 */
export function useAgain(of, every) {
  const latest = useRef(of);
  latest.current = of;
  useEffect(() => {
    if (every === 0) return undefined;
    const ask = () => { if (!document.hidden && !latest.current.loading) latest.current.reload(); };
    const timer = setInterval(ask, every);
    document.addEventListener("visibilitychange", ask);
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", ask);
    };
  }, [every]);
}

/** @typedef {{data: (any[] & {isCut: boolean})|null, problem: any, loading: boolean, reload: () => void, put: (data: any) => void, all: () => void}} Whole */

/** A list, whole or its first many: `all` loads the others, too. @param {string} path @returns {Whole} */
export function useWhole(path) {
  const [most, setMost] = useState(/** @type {number|undefined} */ (undefined));
  const of = useLoad((signal) => whole(path, signal, most), []);
  return { ...of, all: () => { setMost(Infinity); of.reload(); } };
}

/**
 * That a list does not show all there is, and the way to the others.
 * @param {{of: Whole, what: string}} props `what`: "newest webhooks"
 */
export function Cut({ of, what }) {
  if (!of.data?.isCut) return null;
  return html`<p class="notice warn" role="status"><strong>These are not all:</strong> only the ${count(of.data.length)} ${what} are loaded.${" "}
    <button type="button" class="small" disabled=${of.loading} onClick=${of.all}>${of.loading ? "Loading ..." : "Load all of them"}</button></p>`;
}

/** Loads again when what was heard elsewhere of the same thing has changed. @param {() => void} reload @param {any[]} deps */
export function useReloads(reload, deps) {
  const isFirst = useRef(true);
  useEffect(() => {
    if (!isFirst.current) reload();
    isFirst.current = false;
  }, deps);
}

/**
 * `children` once there is something to show; before that, or instead, how it stands.
 * @param {{of: {data: any, problem: any, loading: boolean, reload: () => void}, what: string, children: any}} props
 * `what` names what is loaded: "the event", "webhooks".
 */
export function Loaded({ of, what, children }) {
  if (of.data !== null) return children;
  if (!of.problem) return html`<p class="quiet" role="status">Loading ${what} ...</p>`;
  const isGone = of.problem.status === 404;
  return html`<div class="notice bad" role="alert">
    <p><strong>${isGone ? "Not found" : `Could not load ${what}`}.</strong> ${of.problem.message}</p>
    ${isGone ? null : html`<button type="button" disabled=${of.loading} onClick=${of.reload}>Try again</button>`}
  </div>`;
}
