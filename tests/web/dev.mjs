// A server for people who work on the pages: it takes them from src/dashboard/web as they are on the disk, and passes
// everything else on to a running sidehook.
//
//   node tests/web/dev.mjs --demo [--port N]                     with a sidehook and steady traffic of its own
//   node tests/web/dev.mjs --admin http://127.0.0.1:8081 [--port N]
import { readFile } from "node:fs/promises";
import http from "node:http";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

/** Where the pages are. */
export const WEB = fileURLToPath(new URL("../../src/dashboard/web/", import.meta.url));
const CSP = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; " +
  "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";
const TYPES = { ".html": "text/html; charset=utf-8", ".mjs": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml", ".png": "image/png", ".json": "application/json" };

/** Starts it in front of the admin address `admin`: `{ url, stop }`. */
export async function startDev(admin, port = 0) {
  const server = http.createServer((request, response) => {
    const { pathname } = new URL(request.url, "http://dev");
    if (pathname === "/") return file(response, "index.html");
    if (pathname.startsWith("/assets/")) return file(response, decodeURIComponent(pathname.slice("/assets/".length)));
    pass(new URL(admin), request, response);
  });
  await new Promise((resolve, reject) => server.listen(port, "127.0.0.1", resolve).once("error", reject));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    stop: () => new Promise((resolve) => {
      server.close(resolve);
      server.closeAllConnections();
    }),
  };
}

async function file(response, name) {
  const whole = path.join(WEB, name);
  try {
    if (!whole.startsWith(WEB)) throw new Error("outside");
    const content = await readFile(whole);
    response.writeHead(200, {
      "content-type": TYPES[path.extname(whole)] ?? "text/plain; charset=utf-8",
      "content-security-policy": CSP,
      "cache-control": "no-store",
      "x-content-type-options": "nosniff",
      "referrer-policy": "no-referrer",
    });
    response.end(content);
  } catch {
    response.writeHead(404, { "content-type": "text/plain" });
    response.end(`src/dashboard/web has no ${name}\n`);
  }
}

/** As the product answers: where sidehook is not there, the connection breaks. */
function pass(admin, request, response) {
  const headers = { ...request.headers, host: admin.host };
  for (const name of Object.keys(headers)) {
    if (name === "origin" || name === "referer" || name.startsWith("sec-fetch-")) delete headers[name];
  }
  const onward = http.request({ host: admin.hostname, port: admin.port, method: request.method, path: request.url, headers, agent: false }, (answer) => {
    response.writeHead(answer.statusCode, answer.headers);
    response.flushHeaders();
    answer.pipe(response);
    answer.on("error", () => response.destroy());
    answer.on("close", () => answer.complete || response.destroy());
  });
  onward.on("error", () => response.destroy());
  response.on("close", () => onward.destroy());
  request.pipe(onward);
}

async function main() {
  const { values } = parseArgs({ options: { demo: { type: "boolean" }, admin: { type: "string" }, port: { type: "string", default: "0" }, rate: { type: "string", default: "5" } } });
  if (!values.demo && !values.admin) {
    console.error("usage: node tests/web/dev.mjs --demo | --admin http://127.0.0.1:8081 [--port N] [--rate CALLS_A_SECOND]");
    process.exit(2);
  }
  let admin = values.admin;
  let fragment = "";
  if (values.demo) {
    const { start } = await import("./harness.mjs");
    const { anyCall, believable, steady } = await import("./demo_traffic.mjs");
    const harness = await start({ names: true, retry: '["5s", "30s", "5m", "1h"]' });
    believable(harness.receiver);
    for (let n = 0; n < 60; n++) await harness.call(...anyCall());
    steady(harness, Number(values.rate));
    admin = harness.admin;
    fragment = `#token=${harness.token}`;
    console.log(`sidehook: proxy ${harness.proxy}, admin ${harness.admin}, token ${harness.token}, read-only token ${harness.readToken}`);
    console.log(`its folder: ${harness.folder} (sidehook.toml, log)`);
  }
  const { url } = await startDev(admin, Number(values.port));
  console.log(`open ${url}/${fragment}`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
