// The one place that knows the libraries: everything else imports from here.

import { h, render } from "./vendor/preact.mjs";
import htm from "./vendor/htm.mjs";

export { render };
export {
  useCallback, useEffect, useErrorBoundary, useId, useLayoutEffect, useMemo, useRef, useState,
} from "./vendor/hooks.mjs";

import { useEffect, useState } from "./vendor/hooks.mjs";

/** Templates: html`<p class="x">${text}</p>`. Values become text nodes or attributes, never markup. */
export const html = htm.bind(h);

/**
 * A value that components can watch.
 * @template T
 * @param {T} value
 */
export function cell(value) {
  const watchers = new Set();
  return {
    get: () => value,
    /** @param {T} next */
    set(next) {
      if (Object.is(next, value)) return;
      value = next;
      for (const watcher of [...watchers]) watcher(next);
    },
    /**
     * @param {(value: T) => void} watcher
     * @returns {() => void} ends it
     */
    watch(watcher) {
      watchers.add(watcher);
      return () => { watchers.delete(watcher); };
    },
  };
}

/**
 * The value of a cell, here and now, and again when it changes.
 * @template T
 * @param {{get: () => T, watch: (w: (value: T) => void) => () => void}} of
 * @returns {T}
 */
export function useCell(of) {
  const [value, setValue] = useState(of.get());
  useEffect(() => {
    setValue(of.get());
    return of.watch((next) => setValue(next));
  }, [of]);
  return value;
}
