// What the pages use of preact, for `tsc`; not served.
export function h(type: any, props: object | null, ...children: any[]): any;
export function render(what: any, into: Element): void;
export const Fragment: any;
export class Component<Props = {}, State = {}> {
  props: Props;
  state: State;
  constructor(props?: Props);
  setState(change: Partial<State> | ((state: State) => Partial<State>)): void;
  forceUpdate(): void;
  render(props: Props, state: State): any;
}
