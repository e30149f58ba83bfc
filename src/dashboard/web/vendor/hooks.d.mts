// What the pages use of preact/hooks, for `tsc`; not served.
export type Ref<T> = { current: T };
export function useState<T>(first: T | (() => T)): [T, (next: T | ((now: T) => T)) => void];
export function useEffect(effect: () => void | (() => void), deps?: readonly any[]): void;
export function useLayoutEffect(effect: () => void | (() => void), deps?: readonly any[]): void;
export function useRef<T>(first: T): Ref<T>;
export function useMemo<T>(make: () => T, deps: readonly any[]): T;
export function useCallback<F extends (...args: any[]) => any>(callback: F, deps: readonly any[]): F;
export function useId(): string;
export function useErrorBoundary(told?: (error: any) => void): [any, () => void];
