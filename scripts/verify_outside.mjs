// Verifies recorded webhooks with the libraries of npm: verify_outside.mjs RECORDED NODE_FOLDER.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import assert from "node:assert/strict";
import path from "node:path";
import { pathToFileURL } from "node:url";

const [, , file, folder] = process.argv;
const require = createRequire(path.join(folder, "package.json"));
const { Webhook } = require("standardwebhooks");
const { Webhook: SvixWebhook } = require("svix");
const { HTTP } = require("cloudevents");
const Stripe = require("stripe");
const octokit = path.join(folder, "node_modules/@octokit/webhooks-methods/dist-node/index.js");
const { verify: githubVerify } = await import(pathToFileURL(octokit));

const recorded = JSON.parse(readFileSync(file));
const { secret, plain, answer } = recorded.keys;
const stripe = new (Stripe.default ?? Stripe)("sk_none");
const text = (encoded) => Buffer.from(encoded, "base64").toString("utf8");

// Library, webhook, what throws where the signature does not hold.
const checks = [
  ["standardwebhooks", "standard", (h, body) => new Webhook(secret).verify(body, h)],
  ["standardwebhooks", "both", (h, body) => new Webhook(secret).verify(body, h)],
  ["svix", "standard", (h, body) => new SvixWebhook(secret).verify(body, h)],
  ["svix", "both", (h, body) => new SvixWebhook(secret).verify(body, h)],
  ["stripe", "stripe", (h, body) => stripe.webhooks.constructEvent(body, h["stripe-signature"], plain)],
  ["@octokit/webhooks-methods", "github", async (h, body) => {
    if (!(await githubVerify(plain, body, h["x-hub-signature-256"]))) throw new Error("refused");
  }],
];
for (const [library, name, verify] of checks) {
  for (const { headers, body, flipped } of recorded[name]) {
    await verify(headers, text(body));
    await assert.rejects(async () => verify(headers, text(flipped)), `${library} took a changed payload`);
  }
  console.log(`outside: ${recorded[name].length} of \`${name}\` verified by ${library} (npm), flipped ones refused`);
}
for (const mode of ["structured", "binary"]) {
  for (const { headers, body } of recorded[mode]) {
    const event = HTTP.toEvent({ headers, body: text(body) });
    assert(event.validate());
    assert.equal(event.type, "thing.created");
    assert(event.id.startsWith("evt_"));
    assert.deepEqual(mode === "binary" ? event.data : event.data.response.body, answer);
  }
  console.log(`outside: ${recorded[mode].length} ${mode} events read by cloudevents (npm)`);
}
