// As much of TOML as it takes to colour it: what sidehook printed is known to be right.

/** @typedef {["head"|"key"|"text"|"value"|"masked"|"comment"|"", string]} Token a kind, and its text */

const STRING = /"""[\s\S]*?"""|'''[\s\S]*?'''|"(?:\\.|[^"\\\n])*"|'[^'\n]*'/;
const TOKEN = new RegExp([
  `(?<string>${STRING.source})`,
  "(?<comment>#[^\\n]*)",
  "(?<head>^[ \\t]*\\[[^=\\n]*\\][ \\t]*$)",
  "(?<bare>[A-Za-z0-9_+.:-]+)",
].join("|"), "gm");

/** @param {string} text @returns {Token[]} */
function tokensOf(text) {
  /** @type {Token[]} */
  const tokens = [];
  let end = 0;
  for (const found of text.matchAll(TOKEN)) {
    if (found.index > end) tokens.push(["", text.slice(end, found.index)]);
    end = found.index + found[0].length;
    tokens.push([kindOf(found, text.slice(end, end + 3)), found[0]]);
  }
  if (end < text.length) tokens.push(["", text.slice(end)]);
  return tokens;
}

/** @param {RegExpMatchArray} found @param {string} next @returns {Token[0]} */
function kindOf({ 0: part, groups = {} }, next) {
  if (groups.comment !== undefined) return "comment";
  if (groups.head !== undefined) return "head";
  if (/^[ \t]*=/.test(next)) return "key";
  if (groups.bare !== undefined) return "value";
  return part === '"***"' ? "masked" : "text";
}

/**
 * The text in its sections. `name` is unique: `[proxy]`, `[[event]] task.created`; `title` is how a list shows it.
 * @param {string} text
 * @returns {{name: string, title: string, tokens: Token[]}[]}
 */
export function sectionsOf(text) {
  /** @type {{name: string, title: string, tokens: Token[]}[]} */
  const sections = [];
  for (const token of tokensOf(text)) {
    if (token[0] === "head" || sections.length === 0) sections.push({ name: token[1].trim(), title: "", tokens: [] });
    /** @type {any} */ (sections.at(-1)).tokens.push(token);
  }
  const names = new Map();
  for (const section of sections) {
    const own = ownName(section.tokens);
    let name = own ? `${section.name} ${own}` : section.name;
    section.title = own ? `${section.name.replace(/[[\]]/g, "")} · ${own}` : section.name.replace(/[[\]]/g, "");
    const n = (names.get(name) ?? 0) + 1;
    names.set(name, n);
    if (n > 1) name += ` (${n})`;
    section.name = name;
    trim(section.tokens);
  }
  return sections;
}

/** What an entry of a table is called: its label or name. @param {Token[]} tokens */
function ownName(tokens) {
  const at = tokens.findIndex(([kind, part]) => kind === "key" && (part === "label" || part === "name"));
  if (at < 0 || !tokens[0][1].startsWith("[[")) return null;
  const value = tokens.slice(at + 1).find(([kind]) => kind !== "");
  return value ? value[1].replace(/^["']|["']$/g, "") : null;
}

/** Without the empty lines at its end: the page keeps the distance. @param {Token[]} tokens */
function trim(tokens) {
  const last = tokens.at(-1);
  if (last?.[0] === "") last[1] = last[1].trimEnd();
}
