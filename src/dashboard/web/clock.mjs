// The time as sidehook has it, whose times are shown: a browser's clock may be minutes off, and "in 5 m" would stand
// where something has happened just now.

/** By so much sidehook's clock is ahead of the browser's, ms. */
let ahead = 0;
/** So far off it is not worth a word, ms: an answer's date has no parts of a second. */
const SLACK = 1_500;

/** The time now, ms, by sidehook's clock. */
export const serverNow = () => Date.now() + ahead;

/**
 * Takes the time from an answer's `date` (RFC 9110 6.6.1).
 * @param {string|null} date @param {number} asked when the request was made, by the browser's clock: the answer is no older
 */
export function hearTime(date, asked) {
  const told = Date.parse(date ?? "");
  if (Number.isNaN(told)) return;
  const got = Date.now();
  const fits = (/** @type {number} */ by) => told + SLACK >= asked + by && told <= got + by + SLACK;
  // The clocks agree as far as can be told, or still differ as they did.
  if (fits(0)) ahead = 0;
  else if (!fits(ahead)) ahead = told + 500 - (asked + got) / 2;
}
