// Local times along an axis.

const MINUTE = 60_000;
const STEPS = [1, 2, 3, 5, 10, 15, 30, 60, 120, 180, 240, 360, 720].map((n) => n * MINUTE);
/** Between two marks at least, px. */
const APART = 60;

const short = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const exact = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const withDay = new Intl.DateTimeFormat(undefined, { weekday: "short", hour: "2-digit", minute: "2-digit" });

/** A step's begin, as exact as the step is long. @param {number} at ms @param {number} step seconds */
export const clockOf = (at, step) => (step < 60 ? exact : withDay).format(at);

/**
 * Round local times between two moments, for an axis of `width` px.
 * @param {number} start ms @param {number} until ms @param {number} width
 */
export function timeMarks(start, until, width) {
  const step = STEPS.find((ms) => (width * ms) / (until - start) >= APART) ?? 1440 * MINUTE;
  const offset = new Date(until).getTimezoneOffset() * MINUTE;
  const marks = [];
  // Nothing at the very edges, where the text would be cut.
  const edge = ((until - start) / width) * 18;
  for (let at = Math.ceil((start - offset) / step) * step + offset; at <= until - edge; at += step) {
    if (at >= start + edge / 4) marks.push({ at, text: short.format(at) });
  }
  return marks;
}
