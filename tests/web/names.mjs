// Targets with names as companies have them, for pictures and for people who work on the pages: an egress proxy that
// leads every name to the harness's receiver, with TLS where the target asks for it.
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import net from "node:net";
import path from "node:path";

const HOSTS = {
  "/billing": "https://billing.example.com/hooks/sidehook",
  "/search/tasks": "http://search.internal:9200/hooks/tasks",
  "/warehouse/hook": "https://warehouse.example.net/api/webhooks",
  "/audit": "https://audit.example.com/v1/records",
  "/chat/incoming": "https://chat.example.com/hooks/T024BE7LH",
  "/archive": "https://archive.example.org/ingest",
  "/crm": "http://crm.internal/callback",
};

/** Starts it: `proxy` is the egress proxy's address, `ca` the file with the certificate to trust, `url(path)` the target's name. */
export async function startNames(folder, receiver) {
  const { key, cert, ca } = certificates(folder);
  const sockets = new Set();
  const onward = (request, response) => {
    const further = http.request(receiver.url(byName(request)), { method: request.method, headers: request.headers }, (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
    further.on("error", () => response.destroy());
    request.pipe(further);
  };
  const secure = https.createServer({ key, cert }, onward);
  const plain = http.createServer(onward);
  const tunnel = http.createServer((request, response) => response.writeHead(405).end());
  tunnel.on("connect", (request, client, head) => {
    const server = request.url.endsWith(":443") ? secure : plain;
    const further = net.connect(server.address().port, "127.0.0.1", () => {
      client.write("HTTP/1.1 200 Connected\r\n\r\n");
      further.write(head);
      client.pipe(further).pipe(client);
    });
    for (const socket of [client, further]) {
      sockets.add(socket);
      socket.on("error", () => socket.destroy()).on("close", () => {
        sockets.delete(socket);
        client.destroy();
        further.destroy();
      });
    }
  });
  for (const server of [secure, plain, tunnel]) await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    proxy: `http://127.0.0.1:${tunnel.address().port}`,
    ca,
    url: (at) => HOSTS[at] ?? `https://hooks.example.com${at}`,
    stop: async () => {
      for (const socket of sockets) socket.destroy();
      for (const server of [secure, plain, tunnel]) {
        server.close();
        server.closeAllConnections();
      }
    },
  };
}

/** The receiver's path of the name that was called. */
function byName(request) {
  const called = `//${request.headers.host}${request.url}`;
  return Object.entries(HOSTS).find(([, url]) => url.endsWith(called))?.[0] ?? request.url;
}

function certificates(folder) {
  const at = (name) => path.join(folder, name);
  const openssl = (...args) => execFileSync("openssl", args, { stdio: "pipe" });
  const names = new Set(Object.values(HOSTS).map((url) => `DNS:${new URL(url).hostname}`));
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  openssl("req", "-x509", ...curve, "-keyout", at("ca.key"), "-out", at("ca.pem"), "-days", "30", "-subj", "/CN=Pictures");
  openssl("req", ...curve, "-keyout", at("leaf.key"), "-out", at("leaf.csr"), "-subj", "/CN=Receivers");
  writeFileSync(at("leaf.ext"), `subjectAltName=${[...names, "DNS:hooks.example.com"].join(",")}\nbasicConstraints=CA:FALSE\n`);
  openssl("x509", "-req", "-in", at("leaf.csr"), "-CA", at("ca.pem"), "-CAkey", at("ca.key"), "-CAcreateserial", "-out", at("leaf.pem"), "-days", "30", "-extfile", at("leaf.ext"));
  return { key: readFileSync(at("leaf.key")), cert: readFileSync(at("leaf.pem")), ca: at("ca.pem") };
}
