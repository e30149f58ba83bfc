// A request as a `curl` command for a POSIX shell.

/** A shell takes no longer argument (Linux: 128 KiB). */
const ARGUMENT_MAX = 60_000;

/**
 * Characters that must not come into a terminal by pasting: a terminal takes some of them for keys (the end
 * of a "bracketed paste", the tabulator), and none of them is seen. The line feed alone is harmless.
 */
const UNSEEN = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]/;

/** Within single quotes a shell takes everything as it is, but the single quote (POSIX XCU 2.2.2). @param {string} text */
function quoted(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/**
 * The command; headers that are masked (`***`) stay so.
 * @param {{method: string, url: string, headers: Record<string, string>, body: string, body_encoding?: string}} request
 */
export function curlOf({ method, url, headers, body, body_encoding }) {
  const parts = ["curl --include", "--globoff --path-as-is", `--request ${quoted(method)}`];
  for (const [name, value] of Object.entries(headers)) {
    if (name === "content-length" || name === "host") continue; // curl says them itself
    const text = value.replace(/[\u0000-\u001f\u007f]/g, " ");
    parts.push(`--header ${quoted(text === "" ? `${name};` : `${name}: ${text}`)}`);
  }
  // What curl would add of its own.
  for (const name of ["content-type", "accept", "user-agent"]) {
    if (!(name in headers)) parts.push(`--header ${quoted(`${name}:`)}`);
  }
  if (body.length > 100_000) parts.push("--header 'expect:'"); // It would wait to be asked for a long body.
  const isArgument = body_encoding !== "base64" && body.length < ARGUMENT_MAX && !UNSEEN.test(body);
  parts.push(isArgument ? `--data-raw ${quoted(body)}` : "--data-binary @-", quoted(url));
  const command = parts.join(" \\\n  ");
  if (isArgument) return `${command}\n`;
  const base64 = body_encoding === "base64" ? body : toBase64(body);
  return `base64 -d <<'END' | ${command}\n${base64.replace(/.{1,76}/g, "$&\n")}END\n`;
}

/** @param {string} text */
function toBase64(text) {
  const bytes = new TextEncoder().encode(text);
  let letters = "";
  for (let at = 0; at < bytes.length; at += 8192) letters += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return btoa(letters);
}
