// The API behind sidehook: tasks, invoices, files. It remembers little, answers much, and some of its
// answers are what a page must be able to show: forms, text, binary, compressed, big, broken.
import http from "node:http";
import { gzipSync } from "node:zlib";

const BIG = JSON.stringify({ rows: Array.from({ length: 9000 }, (_, row) => ({ row, name: `Row ${row}`, ok: true })) });

/** Starts it on a free port. `stop` ends it, its connections too. */
export async function startUpstream(port = 0) {
  const state = { task: 1000, invoice: 4200, open: true };
  const server = http.createServer(async (request, response) => {
    try {
      await answer(state, request, response);
    } catch (error) {
      if (!response.headersSent) json(response, 500, { error: String(error) });
      else response.destroy();
    }
  });
  server.keepAliveTimeout = 60_000;
  await new Promise((resolve, reject) => server.listen(port, "127.0.0.1", resolve).once("error", reject));
  return {
    port: server.address().port,
    stop: () => new Promise((resolve) => {
      server.close(resolve);
      server.closeAllConnections();
    }),
  };
}

function json(response, status, value, headers = {}) {
  const body = JSON.stringify(value);
  response.writeHead(status, { "content-type": "application/json", "x-request-id": requestId(), ...headers });
  response.end(body);
}

function requestId() {
  return `req_${Math.random().toString(36).slice(2, 12)}`;
}

async function whole(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return Buffer.concat(parts);
}

function parsed(body) {
  try {
    return JSON.parse(body.toString("utf8"));
  } catch {
    return {};
  }
}

async function answer(state, request, response) {
  const { pathname, searchParams } = new URL(request.url, "http://upstream");
  const body = await whole(request);
  const [, , , kind, id, verb] = pathname.split("/");
  switch (`${request.method} ${kind ?? ""}`) {
    case "POST tasks": {
      const task = { id: ++state.task, status: "open", ...parsed(body), created_at: new Date().toISOString() };
      return json(response, 201, task, { location: `/api/v1/tasks/${task.id}`, etag: `"${task.id}-1"` });
    }
    case "GET tasks":
      return id === "404" ? json(response, 404, { error: "no such task" }) : json(response, 200, { id: Number(id) || null, status: "open" });
    case "PATCH tasks":
      return json(response, 200, { id: Number(id), title: "Call the plumber", status: "open", ...parsed(body) }, { etag: `"${id}-2"` });
    case "DELETE tasks":
      response.writeHead(204);
      return response.end();
    case "POST invoices": {
      if (verb === "pay") {
        return json(response, 200, { number: id, paid: true, method: new URLSearchParams(body.toString()).get("method") });
      }
      const { card, ...invoice } = parsed(body);
      return json(response, 201, { number: `INV-${++state.invoice}`, total: 0, currency: "EUR", ...invoice, paid_by: card ? "card" : "invoice" });
    }
    case "POST notes":
      response.writeHead(201, { "content-type": "text/plain; charset=utf-8" });
      return response.end(`Noted: ${body.toString("utf8").slice(0, 2000)}\n`);
    case "PUT files":
      response.writeHead(201, { "content-type": "application/octet-stream", etag: `"${body.length}"` });
      return response.end(body.subarray(0, 512));
    case "GET reports": {
      const report = gzipSync(JSON.stringify({ report: id, lines: Array.from({ length: 40 }, (_, n) => ({ n, sum: n * 17.5 })) }));
      response.writeHead(200, { "content-type": "application/json", "content-encoding": "gzip", "content-length": report.length });
      return response.end(report);
    }
    case "POST imports":
      response.writeHead(200, { "content-type": "application/json", "content-length": Buffer.byteLength(BIG) });
      return response.end(BIG);
    case "POST echo": {
      const headers = { "content-type": request.headers["content-type"] ?? "application/json" };
      if (request.headers["x-note"]) headers["x-note"] = request.headers["x-note"];
      response.writeHead(Number(searchParams.get("status") ?? 200), headers);
      return response.end(body);
    }
    case "GET broken":
    case "POST broken":
      return json(response, 500, { error: "the database is not there" });
    default:
      return json(response, 404, { error: `nothing at ${pathname}` });
  }
}
