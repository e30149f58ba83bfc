// JSON as it was written. `JSON.parse` rounds long numbers, keeps one of two equal keys and reorders
// keys that look like numbers; what is shown to people must not. So values stay places in the text, and
// are read where they are looked at. The text must be valid JSON: the API's, or `isJson`.

/** Containers that are shorter are not remembered, only skipped over when they are met. */
const SHORT = 256;
const QUOTE = 34, COMMA = 44, OPEN_ARRAY = 91, BACKSLASH = 92, CLOSE_ARRAY = 93, OPEN_OBJECT = 123, CLOSE_OBJECT = 125;

/**
 * A value's place: from `from` up to, not including, `to`. `key`: where its member's name stands, quotes included.
 * @typedef {{from: number, to: number, key?: {from: number, to: number}}} Place
 */

/** @param {string} text */
export function isJson(text) {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Where white space ends. @param {string} text @param {number} at */
function afterSpace(text, at) {
  for (; at < text.length; at += 1) {
    const c = text.charCodeAt(at);
    if (c !== 32 && c !== 10 && c !== 13 && c !== 9) break;
  }
  return at;
}

/** Behind the string that begins at `at`. @param {string} text @param {number} at */
function afterString(text, at) {
  for (at += 1; at < text.length; at += 1) {
    const c = text.charCodeAt(at);
    if (c === BACKSLASH) at += 1;
    else if (c === QUOTE) return at + 1;
  }
  return at;
}

/** Behind the number or word that begins at `at`. @param {string} text @param {number} at */
function afterWord(text, at) {
  for (; at < text.length; at += 1) {
    const c = text.charCodeAt(at);
    if (c <= 32 || c === COMMA || c === CLOSE_ARRAY || c === CLOSE_OBJECT) break;
  }
  return at;
}

/** One value in a text, and the long containers in it. */
export class JsonText {
  /** @param {string} text @param {Place} [place] where the value stands; default: all of it */
  constructor(text, place = { from: 0, to: text.length }) {
    this.text = text;
    const from = afterSpace(text, place.from);
    /** Of each long container, in the order of their beginnings: begin, end, number of values in it. */
    this.known = new Int32Array(3 * 64);
    this.n = 0;
    /** @type {Place} */
    this.root = { from, to: this.#index(from) };
  }

  /** Reads the value at `at` once; gives its end. @param {number} at */
  #index(at) {
    const { text } = this;
    const stack = /** @type {number[]} */ ([]); // Places in `known` of the containers that are open.
    for (;;) {
      at = afterSpace(text, at);
      const c = text.charCodeAt(at);
      if (c === OPEN_ARRAY || c === OPEN_OBJECT) {
        stack.push(this.#remember(at));
        at = afterSpace(text, at + 1);
        const next = text.charCodeAt(at);
        if (next !== CLOSE_ARRAY && next !== CLOSE_OBJECT) {
          this.known[stack[stack.length - 1] + 2] = 1;
          if (c === OPEN_OBJECT) at = afterSpace(text, afterString(text, at)) + 1;
          continue;
        }
      } else {
        at = c === QUOTE ? afterString(text, at) : afterWord(text, at);
      }
      at = this.#close(stack, at);
      if (stack.length === 0 || at >= text.length) return at;
    }
  }

  /** After a value: closes what ends here; gives where the next value begins. @param {number[]} stack @param {number} at */
  #close(stack, at) {
    const { text, known } = this;
    while (stack.length > 0 && at < text.length) {
      at = afterSpace(text, at);
      const c = text.charCodeAt(at);
      const top = stack[stack.length - 1];
      at += 1;
      if (c === COMMA) {
        known[top + 2] += 1;
        if (text.charCodeAt(known[top]) === OPEN_OBJECT) at = afterSpace(text, afterString(text, afterSpace(text, at))) + 1;
        return at;
      }
      stack.pop();
      known[top + 1] = at;
      // What is in a short one is shorter still, and forgotten already: it is the last.
      if (at - known[top] < SHORT) this.n = top / 3;
    }
    return at;
  }

  /** @param {number} at */
  #remember(at) {
    const place = this.n * 3;
    if (place === this.known.length) {
      const longer = new Int32Array(place * 2);
      longer.set(this.known);
      this.known = longer;
    }
    this.known[place] = at;
    this.known[place + 2] = 0;
    this.n += 1;
    return place;
  }

  /** The place in `known` of the container that begins at `at`; -1: it is a short one. @param {number} at */
  #find(at) {
    let low = 0;
    let high = this.n - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const begin = this.known[middle * 3];
      if (begin === at) return middle * 3;
      if (begin < at) low = middle + 1;
      else high = middle - 1;
    }
    return -1;
  }

  /** Behind the value at `at`. @param {number} at */
  #after(at) {
    const { text } = this;
    const c = text.charCodeAt(at);
    if (c === QUOTE) return afterString(text, at);
    if (c !== OPEN_ARRAY && c !== OPEN_OBJECT) return afterWord(text, at);
    const known = this.#find(at);
    if (known >= 0) return this.known[known + 1];
    let depth = 0;
    for (;;) {
      const d = text.charCodeAt(at);
      if (d === QUOTE) { at = afterString(text, at); continue; }
      at += 1;
      if (d === OPEN_ARRAY || d === OPEN_OBJECT) depth += 1;
      else if (d === CLOSE_ARRAY || d === CLOSE_OBJECT) { depth -= 1; if (depth === 0) return at; }
      if (at >= text.length) return at;
    }
  }

  /**
   * The first `limit` values in the container at `at`. @param {number} at @param {number} [limit]
   * @returns {Place[]}
   */
  children(at, limit = Infinity) {
    const { text } = this;
    const isObject = text.charCodeAt(at) === OPEN_OBJECT;
    const found = /** @type {Place[]} */ ([]);
    if (!isObject && text.charCodeAt(at) !== OPEN_ARRAY) return found;
    for (at = afterSpace(text, at + 1); found.length < limit && at < text.length;) {
      const c = text.charCodeAt(at);
      if (c === CLOSE_ARRAY || c === CLOSE_OBJECT) break;
      let key;
      if (isObject) {
        key = { from: at, to: afterString(text, at) };
        at = afterSpace(text, afterSpace(text, key.to) + 1);
      }
      const to = this.#after(at);
      found.push({ from: at, to, key });
      at = afterSpace(text, to);
      if (text.charCodeAt(at) === COMMA) at = afterSpace(text, at + 1);
    }
    return found;
  }

  /** How many values the container at `at` has. @param {number} at */
  count(at) {
    const known = this.#find(at);
    return known >= 0 ? this.known[known + 2] : this.children(at).length;
  }

  /** @param {number} at @returns {"object"|"array"|"string"|"number"|"word"} */
  kind(at) {
    const c = this.text.charCodeAt(at);
    if (c === OPEN_OBJECT) return "object";
    if (c === OPEN_ARRAY) return "array";
    if (c === QUOTE) return "string";
    return c === 45 || (c >= 48 && c <= 57) ? "number" : "word";
  }

  /** The text at a place, as it was written. @param {Place} place */
  raw({ from, to }) {
    return this.text.slice(from, to);
  }

  /** The member of an object. @param {Place} of @param {string} name @returns {Place|undefined} */
  member(of, name) {
    return this.members(of).find(([key]) => key === name)?.[1];
  }

  /** The members of an object in their order, with what their names say. @param {Place} of @returns {[string, Place][]} */
  members({ from }) {
    return this.children(from).map((place) => [JSON.parse(this.raw(/** @type {any} */ (place.key))), place]);
  }
}
