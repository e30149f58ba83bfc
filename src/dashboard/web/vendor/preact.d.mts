// What the pages use of preact, for `tsc`; not served.
export function h(type: any, props: object | null, ...children: any[]): any;
export function render(what: any, into: Element): void;
