// The geometry that charts and sparks share: paths that break where nobody measured, and round ticks.

/** @typedef {(number|null)[]} Values */

/**
 * A line through the values; null breaks it, and a value alone between two gaps is a dot.
 * @param {Values} values @param {(i: number) => number} x @param {(value: number) => number} y
 */
export function linePath(values, x, y) {
  return runs(values).map(([from, to]) => {
    const points = span(from, to).map((i) => `${round(x(i))} ${round(y(/** @type {number} */ (values[i])))}`);
    // A stroke of no length with round ends is a dot.
    return points.length === 1 ? `M${points[0]}h.01` : `M${points.join("L")}`;
  }).join("");
}

/**
 * The same, filled down to `ground`.
 * @param {Values} values @param {(i: number) => number} x @param {(value: number) => number} y @param {number} ground
 */
export function areaPath(values, x, y, ground) {
  return runs(values).map(([from, to]) => {
    const points = span(from, to).map((i) => `L${round(x(i))} ${round(y(/** @type {number} */ (values[i])))}`).join("");
    return `M${round(x(from))} ${round(ground)}${points}L${round(x(to))} ${round(ground)}Z`;
  }).join("");
}

/**
 * A bar per value, from what stands below it (`base`) upward; nothing for 0 and null.
 * @param {Values} values @param {Values} base @param {(i: number) => number} x @param {(value: number) => number} y
 * @param {number} width of a bar
 */
export function barsPath(values, base, x, y, width) {
  let path = "";
  values.forEach((value, i) => {
    if (!value) return;
    const low = y(base[i] ?? 0);
    // What is there is seen, however small it is.
    const high = Math.min(y((base[i] ?? 0) + value), low - 2);
    path += `M${round(x(i) - width / 2)} ${round(low)}V${round(high)}h${round(width)}V${round(low)}Z`;
  });
  return path;
}

/**
 * Round marks from 0 to at least `max`, about `wanted` of them, no closer than `least`.
 * @param {number} max @param {number} wanted @param {number} least
 */
export function ticks(max, wanted, least) {
  const rough = Math.max(max / wanted, least);
  const power = 10 ** Math.floor(Math.log10(rough) + 1e-9);
  const step = power * /** @type {number} */ ([1, 2, 5, 10].find((n) => n * power >= rough * 0.9));
  const n = Math.max(1, Math.ceil(max / step - 1e-9));
  return span(0, n).map((i) => Number((i * step).toPrecision(6)));
}

/** First and last index of each stretch without a gap. @param {Values} values @returns {[number, number][]} */
function runs(values) {
  /** @type {[number, number][]} */
  const found = [];
  values.forEach((value, i) => {
    if (value === null) return;
    if (i > 0 && values[i - 1] !== null) /** @type {[number, number]} */ (found.at(-1))[1] = i;
    else found.push([i, i]);
  });
  return found;
}

/** @param {number} from @param {number} to both included */
const span = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

/** @param {number} n */
const round = (n) => Math.round(n * 10) / 10;
