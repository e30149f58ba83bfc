// A small line for a cell of a table. It has no axis: its text alternative and the figure beside it say how much.

import { html } from "../lib.mjs";
import { areaPath, linePath } from "./chart_shape.mjs";
import { count } from "./text.mjs";

const WIDTH = 120;
const HEIGHT = 28;

/**
 * `label` names what is shown, of whom and over which time ("attempts of billing, last 15 minutes"); how it stands
 * and how high it went is added. `top`: the value at the upper edge (100 for per cent); the highest one when left out.
 * @param {{values: (number|null)[], label: string, tone?: "accent"|"good"|"wait"|"warn"|"bad"|"quiet", top?: number,
 *   format?: (value: number) => string}} props
 */
export function Spark({ values, label, tone = "accent", top, format = count }) {
  const known = values.filter((value) => value !== null);
  if (known.length === 0) return html`<span class="quiet spark-none" title=${label}>no data yet</span>`;
  const highest = Math.max(...known);
  const full = Math.max(top ?? highest, 1e-9);
  const last = known.at(-1) ?? 0;
  const words = `${label}: ${highest === 0 ? "0 all the time" : `last ${format(last)}, highest ${format(highest)}`}`;
  /** @param {number} i */
  const x = (i) => (values.length < 2 ? WIDTH / 2 : (i / (values.length - 1)) * WIDTH);
  /** @param {number} value */
  const y = (value) => HEIGHT - 2 - (Math.min(value, full) / full) * (HEIGHT - 4);
  return html`<svg class="spark ${highest === 0 ? "quiet" : tone}" viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none"
    role="img" aria-label=${words}><title>${words}</title>
    <path class="area" d=${areaPath(values, x, y, HEIGHT)} /><path class="line" d=${linePath(values, x, y)} />
  </svg>`;
}
