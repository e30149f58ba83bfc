// A chart over time, in SVG: lines, areas and stacked bars. Whoever does not see it has a summary in words, the
// values of each step by the arrow keys, and all of them as a table. Pointing at a moment in one chart points at
// it in all of them.

import { cell, html, useCell, useEffect, useLayoutEffect, useMemo, useRef, useState } from "../lib.mjs";
import { areaPath, barsPath, linePath, ticks } from "./chart_shape.mjs";
import { clockOf, timeMarks } from "./chart_time.mjs";
import { duration } from "./text.mjs";

const HEIGHT = 132;
const TOP = 8;
const BOTTOM = 20;
const RIGHT = 8;

/**
 * `values`: one per step, oldest first; null where nobody measured. `kind`: bars of a chart are stacked, the first
 * one at the bottom. `dash`: as SVG's stroke-dasharray, so that a line is known by more than its colour.
 * @typedef {{name: string, values: (number|null)[], tone: "accent"|"good"|"wait"|"warn"|"bad"|"quiet",
 *   kind: "line"|"area"|"bar", dash?: string}} Line
 * `lines` null: not loaded yet. `until`: the end of the last step, ms. `step`: seconds. `since`: when measuring began,
 * ms. `least`: the finest step of the y axis. `none`: what to say when all is zero.
 * @typedef {{title: string, unit?: string, lines: Line[]|null, until: number, step: number, since: number,
 *   format: (value: number) => string, least: number, none: string}} ChartProps
 */

/** The moment that is pointed at, ms. @type {ReturnType<typeof cell<number|null>>} */
const pointed = cell(/** @type {number|null} */ (null));

/** @param {ChartProps} props */
export function Chart(props) {
  const { title, unit, lines, until, since, step, format } = props;
  const at = useCell(pointed);
  const [isTable, setTable] = useState(false);
  const n = lines?.[0]?.values.length ?? 0;
  const start = until - n * step * 1000;
  // Where nothing is known although a whole step is over, nothing has happened that could be measured.
  const hasData = lines && (since < until - step * 1000 || lines.some(({ values }) => values.some((value) => value !== null)));
  const i = at === null || at < start || at >= until ? null : Math.floor((at - start) / (step * 1000));
  const words = (/** @type {number|null|undefined} */ value) => (value === null || value === undefined ? "–" : format(value));
  return html`<figure class="card chart">
    <figcaption><h3>${title} ${unit ? html`<span class="quiet">${unit}</span>` : null}</h3>
      <span class="chart-at">${hasData ? (i === null ? "latest" : clockOf(start + i * step * 1000, step)) : ""}</span>
      ${hasData ? html`<button type="button" class="bare small" aria-expanded=${isTable} aria-label=${`${isTable ? "Hide table" : "As table"}: ${title}`}
        onClick=${() => setTable(!isTable)}>${isTable ? "Hide table" : "As table"}</button>` : null}
    </figcaption>
    ${hasData ? html`<${Plot} ...${props} lines=${lines} i=${i} words=${words} start=${start} />`
      : html`<p class="chart-empty quiet">${lines ? `No data yet: the first step of ${duration(step)} is not over.` : "Loading ..."}</p>`}
    <ul class="legend">${lines?.map((line) => html`<li key=${line.name} class=${line.tone}><${Swatch} of=${line} />
        ${line.name} <b>${words(i === null ? latest(line.values) : line.values[i])}</b></li>`)}</ul>
    ${isTable && hasData ? html`<${Rows} title=${title} lines=${lines} start=${start} step=${step} words=${words} />` : null}
  </figure>`;
}

/** @param {(number|null)[]} values */
const latest = (values) => values.findLast((value) => value !== null);

/** How a line looks, for the legend. @param {{of: Line}} props */
function Swatch({ of }) {
  return html`<svg class="swatch" width="18" height="10" aria-hidden="true">${of.kind === "line"
    ? html`<path class="line" d="M1 5H17" stroke-dasharray=${of.dash} />`
    : html`<rect class=${of.kind} x="1" y="1" width="16" height="8" /><path class=${of.kind === "area" ? "line" : ""} d="M1 1H17" />`}</svg>`;
}

/**
 * The drawing, and upon it what takes the pointer and the keys.
 * @param {ChartProps & {lines: Line[], i: number|null, start: number, words: (value: number|null|undefined) => string}} props
 */
function Plot({ title, unit, lines, until, step, since, format, least, none, i, start, words }) {
  const box = useRef(/** @type {HTMLElement|null} */ (null));
  const width = useWidth(box);
  const shape = useMemo(() => shapeOf({ lines, width, start, until, since, format, least }),
    [lines, width, start, until]);
  const n = lines[0].values.length;
  const isCalm = shape.highest === 0;
  const known = Math.max(...lines.map(({ values }) => values.findLastIndex((value) => value !== null)));
  const last = known < 0 ? n - 1 : known;
  const summary = `${title}${unit ? ` ${unit}` : ""}, ${clockOf(start, step)} to ${clockOf(until, step)}. ` + (isCalm ? `${none}.`
    : lines.map(({ name, values }) => `${name}: latest ${words(latest(values))}, highest ${words(Math.max(...values.map((v) => v ?? 0)))}`).join("; "));
  const reading = i === null ? "no step chosen; use the arrow keys"
    : `${clockOf(start + i * step * 1000, step)}: ${lines.map(({ name, values }) => `${name} ${words(values[i])}`).join(", ")}`;
  /** @param {number} index */
  const point = (index) => pointed.set(start + (Math.min(Math.max(index, 0), n - 1) + 0.5) * step * 1000);
  /** @param {PointerEvent & {currentTarget: HTMLElement}} e */
  const follow = (e) => {
    const place = e.clientX - e.currentTarget.getBoundingClientRect().left;
    point(Math.floor(((place - shape.left) / (width - shape.left - RIGHT)) * n));
  };
  /** @param {KeyboardEvent} e */
  const key = (e) => {
    const by = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10 }[e.key];
    if (by !== undefined) point(i === null ? last : i + by);
    else if (e.key === "Home") point(0);
    else if (e.key === "End") point(last);
    else if (e.key === "Escape") return pointed.set(null);
    else return;
    e.preventDefault();
  };
  const leave = () => pointed.set(null);
  return html`<div class="plot" ref=${box}>
    <svg width=${width} height=${HEIGHT} role="img" aria-label=${summary}>
      ${shape.marks}
      ${isCalm ? html`<text class="calm" x=${(shape.left + width) / 2} y=${HEIGHT / 2} text-anchor="middle">${none}</text>` : null}
      ${i === null ? null : html`<path class="pointer" d=${`M${shape.x(i)} ${TOP}V${HEIGHT - BOTTOM}`} />${shape.dots(i)}`}
    </svg>
    <div class="reader" tabindex="0" role="slider" aria-label=${`Step of the chart ${title}`} aria-valuemin="0" aria-valuemax=${n - 1}
      aria-valuenow=${i ?? last} aria-valuetext=${reading} onKeyDown=${key} onBlur=${leave}
      onPointerMove=${follow} onPointerDown=${follow}
      onPointerLeave=${(/** @type {PointerEvent} */ e) => { if (e.pointerType !== "touch") leave(); }}></div>
  </div>`;
}

/** The width that an element has on the page, px. @param {{current: HTMLElement|null}} of */
function useWidth(of) {
  const [width, setWidth] = useState(360);
  useLayoutEffect(() => {
    if (of.current) setWidth(Math.max(of.current.clientWidth, 120));
  }, []);
  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => setWidth(Math.max(Math.floor(entry.contentRect.width), 120)));
    if (of.current) observer.observe(of.current);
    return () => observer.disconnect();
  }, []);
  return width;
}

/**
 * Where everything stands. `marks` is drawn anew only when the data or the width change, not when one points.
 * @param {{lines: Line[], width: number, start: number, until: number, since: number,
 *   format: (value: number) => string, least: number}} of
 */
function shapeOf({ lines, width, start, until, since, format, least }) {
  const n = lines[0].values.length;
  const stacked = stackOf(lines);
  const highest = Math.max(0, ...stacked.map(({ tops }) => Math.max(...tops.map((top) => top ?? 0))));
  const scale = ticks(highest, 4, least);
  const full = /** @type {number} */ (scale.at(-1));
  const left = 12 + 6.6 * Math.max(...scale.map((mark) => format(mark).length));
  const inner = width - left - RIGHT;
  const ground = HEIGHT - BOTTOM;
  const x = (/** @type {number} */ i) => left + ((i + 0.5) / n) * inner;
  const y = (/** @type {number} */ value) => ground - (value / full) * (ground - TOP);
  const timeX = (/** @type {number} */ at) => left + ((at - start) / (until - start)) * inner;
  const marks = html`
    ${scale.map((mark) => html`<path class=${mark === 0 ? "axis" : "rule"} d=${`M${left} ${y(mark)}H${width - RIGHT}`} />
      <text x=${left - 6} y=${y(mark) + 4} text-anchor="end">${format(mark)}</text>`)}
    ${timeMarks(start, until, inner).map(({ at, text }) => html`<path class="axis" d=${`M${timeX(at)} ${ground}v4`} />
      <text x=${timeX(at)} y=${HEIGHT - 4} text-anchor="middle">${text}</text>`)}
    ${since > start && since < until ? html`<${Begun} x=${timeX(since)} left=${left} ground=${ground} isNamed=${highest > 0} />` : null}
    ${stacked.map(({ line, base }) => html`<g key=${line.name} class=${line.tone}>
      ${line.kind === "bar" ? html`<path class="bar" d=${barsPath(line.values, base, x, y, Math.max(inner / n - 0.6, 1))} />` : null}
      ${line.kind === "area" ? html`<path class="area" d=${areaPath(line.values, x, y, ground)} />` : null}
      ${line.kind !== "bar" ? html`<path class="line" d=${linePath(line.values, x, y)} stroke-dasharray=${line.dash} />` : null}
    </g>`)}`;
  const dots = (/** @type {number} */ i) => stacked.map(({ line, tops }) => {
    const top = tops[i];
    if (top === null || (line.kind === "bar" && !line.values[i])) return null;
    return html`<circle class=${`dot ${line.tone}`} cx=${x(i)} cy=${y(top)} r="3.5" />`;
  });
  return { marks, dots, x, left, highest };
}

/**
 * When sidehook began to measure; what stands before it was never known.
 * @param {{x: number, left: number, ground: number, isNamed: boolean}} props not `isNamed`: other words stand there
 */
function Begun({ x, left, ground, isNamed }) {
  const isRoomy = isNamed && x - left > 96;
  return html`<rect class="unknown" x=${left} y=${TOP} width=${x - left} height=${ground - TOP} />
    ${isRoomy ? html`<text x=${(x + left) / 2} y=${(ground + TOP) / 2 + 4} text-anchor="middle">before the start</text>` : null}`;
}

/** Each line with what it stands on: bars stand on the bars before them. @param {Line[]} lines */
function stackOf(lines) {
  let below = /** @type {(number|null)[]} */ (lines[0].values.map(() => 0));
  return lines.map((line) => {
    if (line.kind !== "bar") return { line, base: [], tops: line.values };
    const base = below;
    const tops = line.values.map((value, i) => (value === null ? null : value + (base[i] ?? 0)));
    below = tops;
    return { line, base, tops };
  });
}

/**
 * Everything as a table, newest first.
 * @param {{title: string, lines: Line[], start: number, step: number, words: (value: number|null|undefined) => string}} props
 */
function Rows({ title, lines, start, step, words }) {
  const steps = lines[0].values.map((_, i) => i).reverse();
  return html`<div class="table chart-rows" tabindex="0" role="region" aria-label=${`Values of ${title}`}><table>
    <thead><tr><th scope="col">From</th>${lines.map(({ name }) => html`<th scope="col" class="n">${name}</th>`)}</tr></thead>
    <tbody>${steps.map((i) => html`<tr key=${start + i * step * 1000}><td>${clockOf(start + i * step * 1000, step)}</td>
      ${lines.map(({ values }) => html`<td class="n">${words(values[i])}</td>`)}</tr>`)}</tbody>
  </table></div>`;
}
