// A receiver of webhooks whose paths can each be told, while it runs, how to behave.
import http from "node:http";

/**
 * Starts it on a free port. `behave(path, how)` with `how` one of
 * "ok", "html500" (500 with a page of HTML), "slow" (answers after 1.5 s), "gone" (410),
 * "close" (hangs up), or `{ status, headers, body, delay }` for anything else, or a
 * function `(request, body) => such an object`. A path that was never told is "ok". `seen(path)`: what came.
 */
export async function startReceiver(port = 0) {
  const behaviours = new Map();
  const log = new Map();
  const server = http.createServer(async (request, response) => {
    const path = request.url.split("?")[0];
    const parts = [];
    try {
      for await (const part of request) parts.push(part);
    } catch {
      return;
    }
    const body = Buffer.concat(parts);
    const seen = log.get(path) ?? [];
    seen.push({ headers: request.headers, method: request.method, body: body.toString("utf8") });
    if (seen.length > 500) seen.shift();
    log.set(path, seen);
    let how = behaviours.get(path) ?? "ok";
    if (typeof how === "function") how = how(request, body);
    reply(response, how);
  });
  server.keepAliveTimeout = 60_000;
  await new Promise((resolve, reject) => server.listen(port, "127.0.0.1", resolve).once("error", reject));
  const base = `http://127.0.0.1:${server.address().port}`;
  return {
    port: server.address().port,
    url: (path) => base + path,
    behave: (path, how) => void behaviours.set(path, how),
    seen: (path) => log.get(path) ?? [],
    stop: () => new Promise((resolve) => {
      server.close(resolve);
      server.closeAllConnections();
    }),
  };
}

const HTML = `<!doctype html>
<html><head><title>500 Internal Server Error</title></head>
<body><h1>Internal Server Error</h1><p>The server encountered an internal error and was unable to complete your request.</p>
<hr><address>nginx/1.24.0</address></body></html>
`;

const KNOWN = {
  ok: { status: 200, headers: { "content-type": "application/json" }, body: '{"received":true}' },
  html500: { status: 500, headers: { "content-type": "text/html; charset=utf-8", server: "nginx/1.24.0" }, body: HTML },
  slow: { status: 200, headers: { "content-type": "text/plain" }, body: "accepted\n", delay: 1500 },
  gone: { status: 410, headers: { "content-type": "text/plain" }, body: "This address is no longer in use.\n" },
};

function reply(response, how) {
  if (how === "close") return response.destroy();
  const { status = 200, headers = {}, body = "", delay = 0 } = typeof how === "string" ? KNOWN[how] ?? { status: 500, body: `no behaviour ${how}` } : how;
  const send = () => {
    response.writeHead(status, headers);
    response.end(body);
  };
  if (delay > 0) setTimeout(send, delay).unref();
  else send();
}
