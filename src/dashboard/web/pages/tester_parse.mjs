// A call out of what people have at hand: a `curl` command as they paste it from a terminal or a
// browser, or the text of an HTTP message. On best effort: what was left out is told.

/**
 * @typedef {{method?: string, url?: string, status?: string, requestHeaders?: string, requestBody?: string,
 *   responseHeaders?: string, responseBody?: string, notes: string[]}} Parsed
 */

/** Null: it is neither. @param {string} text @returns {Parsed|null} */
export function parseCall(text) {
  const trimmed = text.trim().replace(/^\$ /, "");
  if (/^curl(\.exe)?\s/.test(trimmed)) return curl(trimmed);
  return message(text.trimStart());
}

/** The text of a request or of a response (RFC 9112). @param {string} text @returns {Parsed|null} */
function message(text) {
  const [head, body] = split(text);
  const [first, ...lines] = head.split(/\r?\n/);
  const headers = lines.join("\n");
  const response = /^HTTP\/[\d.]+ (\d{3})\b/.exec(first);
  if (response) return { status: response[1], responseHeaders: headers, responseBody: body, notes: [] };
  const request = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+) +(\S+)( +HTTP\/[\d.]+)?\s*$/.exec(first);
  if (!request || !/^(\/|https?:\/\/|\*$)/i.test(request[2])) return null;
  return { method: request[1], url: request[2], requestHeaders: headers, requestBody: body, notes: [] };
}

/** Head and body. @param {string} text */
function split(text) {
  const gap = /\r?\n\r?\n/.exec(text);
  return gap ? [text.slice(0, gap.index), text.slice(gap.index + gap[0].length)] : [text.trimEnd(), ""];
}

/** Options of curl that say something of the call: by their letter, or by their name. @type {Record<string, string>} */
const MEANT = {
  X: "method", request: "method", H: "header", header: "header", url: "url", A: "agent", "user-agent": "agent",
  d: "data", data: "data", "data-ascii": "data", "data-binary": "data", "data-raw": "raw", json: "json", "data-urlencode": "encoded",
};
/** Those that take a value and say nothing of it, or nothing that a rule sees. */
const SKIPPED = new Set(["o", "output", "u", "user", "b", "cookie", "c", "cookie-jar", "e", "referer", "m", "max-time", "connect-timeout", "x", "proxy",
  "cacert", "E", "cert", "key", "w", "write-out", "retry", "resolve", "r", "range", "limit-rate", "D", "dump-header", "K", "config", "y", "Y", "z"]);
const NOT_TAKEN = new Set(["F", "form", "T", "upload-file", "form-string"]);

/** @param {string} command @returns {Parsed} */
function curl(command) {
  const found = { method: "", url: "", isGet: false, isHead: false, headers: /** @type {string[]} */ ([]), data: /** @type {string[]} */ ([]), notes: /** @type {string[]} */ ([]) };
  const words = wordsOf(command).slice(1);
  while (words.length > 0) {
    const word = /** @type {string} */ (words.shift());
    if (word.startsWith("--")) {
      const [name, ...given] = word.slice(2).split("=");
      option(found, name, () => (given.length > 0 ? given.join("=") : words.shift() ?? ""));
    } else if (word.startsWith("-") && word.length > 1) {
      letters(found, word.slice(1), words);
    } else if (!found.url) {
      found.url = word;
    }
  }
  const { headers, notes } = found;
  const body = found.data.join("&");
  let url = found.url.split("#")[0];
  if (url && !/^(\/|[a-z]+:\/\/)/i.test(url)) url = `http://${url}`;
  if (found.isGet && body) url += (url.includes("?") ? "&" : "?") + body;
  const hasBody = found.data.length > 0 && !found.isGet;
  if (hasBody && !headers.some((header) => /^content-type\s*:/i.test(header))) headers.push("Content-Type: application/x-www-form-urlencoded");
  const method = found.method || (found.isHead ? "HEAD" : hasBody ? "POST" : "GET");
  return { method, url, requestHeaders: headers.join("\n"), requestBody: hasBody ? body : "", notes };
}

/** Letters that stand together: `-sXPOST`. @param {any} found @param {string} letters @param {string[]} words */
function letters(found, letters, words) {
  for (let i = 0; i < letters.length; i += 1) {
    let isTaken = false;
    option(found, letters[i], () => { isTaken = true; return letters.slice(i + 1) || (words.shift() ?? ""); });
    if (isTaken) return;
  }
}

/** @param {any} found @param {string} name @param {() => string} value */
function option(found, name, value) {
  if (name === "G" || name === "get") found.isGet = true;
  else if (name === "I" || name === "head") found.isHead = true;
  else if (NOT_TAKEN.has(name)) { value(); found.notes.push(`The option ${name} (a form or a file) is not understood: give the body by hand.`); }
  else if (SKIPPED.has(name)) value();
  else if (Object.hasOwn(MEANT, name)) meant(found, MEANT[name], value());
}

/** @param {any} found @param {string} what @param {string} value */
function meant(found, what, value) {
  if (what === "method") found.method = value;
  else if (what === "url") found.url = value;
  else if (what === "agent") found.headers.push(`User-Agent: ${value}`);
  else if (what === "header") found.headers.push(value);
  else if (value.startsWith("@") && what !== "raw") found.notes.push(`The body is in the file ${value.slice(1)}: paste it by hand.`);
  else if (what === "encoded") found.data.push(encoded(value));
  else {
    found.data.push(value);
    if (what === "json") found.headers.push("Content-Type: application/json", "Accept: application/json");
  }
}

/** `name=text`, of which the text is encoded. @param {string} value */
function encoded(value) {
  const at = value.indexOf("=");
  return at < 0 ? encodeURIComponent(value) : value.slice(0, at + (at > 0 ? 1 : 0)) + encodeURIComponent(value.slice(at + 1));
}

const ESCAPES = /** @type {Record<string, string>} */ ({ n: "\n", r: "\r", t: "\t" });

/** The words of a command as a shell splits it (POSIX 2.2), with `$'...'`. @param {string} command */
function wordsOf(command) {
  const words = [];
  const piece = /\\\r?\n|\$'((?:[^'\\]|\\[^])*)'|'([^']*)'|"((?:[^"\\]|\\[^])*)"|\\([^])|(\s+)|([^])/g;
  let word = "";
  let isWord = false;
  for (const [all, dollar, single, double, escaped, space, plain] of command.matchAll(piece)) {
    if (space !== undefined) {
      if (isWord) words.push(word);
      word = "";
      isWord = false;
      continue;
    }
    if (/^\\\r?\n$/.test(all)) continue;
    isWord = true;
    if (dollar !== undefined) word += dollar.replace(/\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|([^]))/g, (_, u, x, c) => (c === undefined ? String.fromCharCode(parseInt(u ?? x, 16)) : ESCAPES[c] ?? c));
    else word += single ?? double?.replace(/\\(["\\$`])/g, "$1").replace(/\\\r?\n/g, "") ?? escaped ?? plain;
  }
  if (isWord) words.push(word);
  return words;
}
