// A whole sidehook to try things on: the real process with a configuration file, an API behind it, a receiver
// whose behaviour can be switched, in a temporary folder and on free ports. Everything ends with `stop`, and at the
// latest with this process.
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync, closeSync } from "node:fs";
import http from "node:http";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { DEFAULTS, READ_TOKEN, TOKEN, apiWebhooks, configuration } from "./configuration.mjs";
import { startNames } from "./names.mjs";
import { startReceiver } from "./receiver.mjs";
import { startUpstream } from "./upstream.mjs";

export const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** The binary under test: `SIDEHOOK_BIN`, or the debug build. */
export function binary() {
  const given = process.env.SIDEHOOK_BIN;
  const found = given ? path.resolve(given) : path.join(ROOT, "target/debug/sidehook");
  if (!existsSync(found)) throw new Error(`no sidehook at ${found}: run \`cargo build\`, or name one in SIDEHOOK_BIN`);
  return found;
}

/** Waits until `ask` gives something true, and gives it. The only way of waiting in these tests. */
export async function until(what, ask, limit = 40_000) {
  const end = Date.now() + limit;
  let last;
  for (;;) {
    try {
      const found = await ask();
      if (found) return found;
    } catch (error) {
      last = error;
    }
    if (Date.now() > end) throw new Error(`waited ${limit} ms in vain for ${what}${last ? `: ${last}` : ""}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

// What must not outlive this process.
const children = new Set();
const folders = new Set();
process.on("exit", () => {
  for (const child of children) child.kill("SIGKILL");
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => process.exit(1));

async function freePorts(count) {
  const servers = await Promise.all(Array.from({ length: count }, () => new Promise((resolve, reject) => {
    const server = net.createServer();
    server.listen(0, "127.0.0.1", () => resolve(server)).once("error", reject);
  })));
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/**
 * Starts everything.
 * - `webhooks: false`: without those that are made on the API.
 * - `broken: false`: every receiver is well; otherwise "warehouse" fails (and is paused in time), "slow-archive"
 *   is slow and "legacy-crm" answers 410 (and is disabled in time).
 * - `names: true`: the targets have names as companies have them (names.mjs).
 * - the keys of `DEFAULTS` in configuration.mjs.
 * @param {Partial<typeof DEFAULTS> & {webhooks?: boolean, broken?: boolean, names?: boolean}} given
 */
export async function start(given = {}) {
  const options = { webhooks: true, broken: true, names: false, ...DEFAULTS, ...given };
  const folder = mkdtempSync(path.join(os.tmpdir(), "sidehook-web-"));
  folders.add(folder);
  const upstream = await startUpstream();
  const receiver = await startReceiver();
  const [proxy, admin] = await freePorts(2);
  const names = options.names ? await startNames(folder, receiver) : null;
  const target = names?.url ?? receiver.url;
  const at = { proxy, admin, upstream: upstream.port, receiver: target, egress: names?.proxy ?? null };
  const file = path.join(folder, "sidehook.toml");
  writeFileSync(file, configuration(at, options));
  if (options.broken) {
    receiver.behave("/warehouse/hook", "html500");
    receiver.behave("/archive", "slow");
    receiver.behave("/crm", "gone");
  }
  const harness = new Harness({ folder, file, at, upstream, receiver, names });
  try {
    await harness.run();
    if (options.webhooks) {
      for (const webhook of apiWebhooks(target)) await harness.made("POST", "/v1/webhooks", webhook);
    }
  } catch (error) {
    await harness.stop();
    throw error;
  }
  return harness;
}

class Harness {
  token = TOKEN;
  readToken = READ_TOKEN;
  #child = null;
  #agent = new http.Agent({ keepAlive: true, maxSockets: 64 });

  constructor({ folder, file, at, upstream, receiver, names }) {
    Object.assign(this, { folder, file, upstream, receiver, names });
    this.proxy = `http://127.0.0.1:${at.proxy}`;
    this.admin = `http://127.0.0.1:${at.admin}`;
  }

  get isRunning() {
    return this.#child !== null;
  }

  /** Starts the process and waits until it is ready. */
  async run() {
    const log = openSync(path.join(this.folder, "log"), "a");
    const command = [binary(), "run", "--config", this.file];
    // Dies with us even where we are killed.
    if (existsSync("/usr/bin/setpriv")) command.unshift("/usr/bin/setpriv", "--pdeathsig", "KILL");
    const env = this.names ? { ...process.env, SSL_CERT_FILE: this.names.ca } : process.env;
    const child = spawn(command[0], command.slice(1), { cwd: this.folder, env, stdio: ["ignore", log, log] });
    closeSync(log);
    children.add(child);
    this.#child = child;
    child.once("exit", () => {
      children.delete(child);
      if (this.#child === child) this.#child = null;
    });
    await until("sidehook to be ready", async () => {
      if (this.#child !== child) throw new Error(`sidehook ended:\n${this.log()}`);
      return (await this.raw("GET", "/readyz")).status === 200;
    }).catch((error) => {
      throw new Error(`${error.message}\n${this.log()}`);
    });
  }

  /** What it has written to its log. */
  log() {
    return readFileSync(path.join(this.folder, "log"), "utf8").slice(-8000);
  }

  async #end(signal) {
    const child = this.#child;
    if (!child) return;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill(signal);
    const force = setTimeout(() => child.kill("SIGKILL"), 8000);
    await ended;
    clearTimeout(force);
  }

  /** Stops sidehook in an orderly way; `run` starts it again on the same ports and folder. */
  async down() {
    await this.#end("SIGTERM");
  }

  /** kill -9. */
  async kill() {
    await this.#end("SIGKILL");
  }

  /** Down and up again, on the same ports and folder. */
  async restart() {
    await this.down();
    await this.run();
  }

  /** Ends everything and takes the folder away. */
  async stop() {
    await this.#end("SIGKILL");
    this.#agent.destroy();
    await Promise.all([this.upstream.stop(), this.receiver.stop(), this.names?.stop()]);
    rmSync(this.folder, { recursive: true, force: true });
    folders.delete(this.folder);
  }

  /** One call through the proxy: `{ status, headers, body }`. A body that is no text or Buffer is sent as JSON. */
  call(method, path, body, headers = {}) {
    const plain = typeof body === "string" || Buffer.isBuffer(body) || body === undefined;
    const type = body !== undefined && !plain ? { "content-type": "application/json" } : {};
    return send(this.proxy + path, method, plain ? body : JSON.stringify(body), { ...type, ...headers }, this.#agent);
  }

  /** Many calls as fast as they go, over many connections: `n` tasks, or what `make(number)` says as `[method, path, body, headers]`. */
  async traffic(n, make = (number) => ["POST", "/api/v1/tasks", { title: `Task ${number}` }]) {
    let next = 0;
    const one = async () => {
      while (next < n) {
        const { status } = await this.call(...make(next++));
        if (status >= 500) throw new Error(`a call was answered ${status}`);
      }
    };
    await Promise.all(Array.from({ length: Math.min(n, 48) }, one));
  }

  /** A question to the admin API without a token. */
  raw(method, path, body, headers = {}) {
    return send(this.admin + path, method, body, headers);
  }

  /** A question to the admin API: `{ status, headers, body }`, the body parsed. */
  async api(path, { method = "GET", body, token = this.token, headers = {} } = {}) {
    const type = body === undefined ? {} : { "content-type": "application/json" };
    const text = body === undefined ? undefined : JSON.stringify(body);
    const answer = await this.raw(method, path, text, { authorization: `Bearer ${token}`, ...type, ...headers });
    const isJson = /json/.test(answer.headers["content-type"] ?? "");
    return { ...answer, body: isJson ? JSON.parse(answer.body) : answer.body };
  }

  /** The same, where anything but a success is an error: gives the body. */
  async made(method, path, body) {
    const answer = await this.api(path, { method, body });
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body;
  }

  /** The body of `GET path`. */
  get(path) {
    return this.made("GET", path);
  }

  /** The webhook of this name. */
  async webhook(name) {
    const { data } = await this.get("/v1/webhooks?limit=200");
    const found = data.find((webhook) => webhook.name === name);
    if (!found) throw new Error(`no webhook ${name}`);
    return found;
  }
}

function send(url, method, body, headers, agent = false) {
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { "content-length": Buffer.byteLength(body) };
    const request = http.request(url, { method, agent, headers: { ...length, ...headers } }, (response) => {
      const parts = [];
      response.on("data", (part) => parts.push(part));
      response.on("end", () => resolve({ status: response.statusCode, headers: response.headers, body: Buffer.concat(parts).toString("utf8") }));
      response.on("error", reject);
    });
    request.on("error", reject);
    request.end(body);
  });
}
