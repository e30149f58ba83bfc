// Making and editing webhooks: by keyboard, with mistakes told at their fields, with secrets shown once, beside others.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";

import { AWAY, axe, fitsScreen, live, suite, until } from "./page.mjs";

const { test } = suite({ webhooks: false, broken: false });

const REFUSED = { allow: [/status of (409|422)/] };
const button = (page, name) => page.getByRole("button", { name, exact: true });
const field = (page, name) => page.locator(`[name="${name}"]`);
const dialog = (page) => page.getByRole("dialog");
const focused = (page) => page.evaluate(() => document.activeElement?.getAttribute("name") ?? document.activeElement?.className ?? "");
/** What is said to be wrong at a field. */
const wrongAt = async (page, name) => {
  await page.locator(`[name="${name}"][aria-invalid=true]`).first().waitFor();
  return field(page, name).first().evaluate((element) => (element.getAttribute("aria-describedby") ?? "").split(" ")
    .map((id) => document.getElementById(id)?.textContent ?? "").join(" "));
};
const made = (harness, name, more = {}) =>
  harness.made("POST", "/v1/webhooks", { name, url: harness.receiver.url(`/${name}`), events: ["echo.posted"], ...more });
const mac = (key, request) => `v1,${createHmac("sha256", Buffer.from(key.slice("whsec_".length), "base64"))
  .update(`${request.headers["webhook-id"]}.${request.headers["webhook-timestamp"]}.${request.body}`).digest("base64")}`;

/** Goes on with Tab until `locator` has the focus. */
async function tabTo(page, locator) {
  for (let n = 0; n < 80; n += 1) {
    if (await locator.evaluate((element) => element === document.activeElement)) return;
    await page.keyboard.press("Tab");
  }
  throw new Error("Tab does not lead there");
}

/** Every body of a PATCH of webhooks that the page sends from now on. */
function patches(page) {
  const sent = [];
  page.on("request", (request) => { if (request.method() === "PATCH") sent.push(request.postDataJSON()); });
  return sent;
}

/** With another configuration file for as long as `body` runs. */
async function configured(harness, change, body) {
  const before = readFileSync(harness.file, "utf8");
  writeFileSync(harness.file, change(before));
  await harness.made("POST", "/v1/reload");
  try {
    await body();
  } finally {
    writeFileSync(harness.file, before);
    await harness.made("POST", "/v1/reload");
  }
}
const withoutWebhooks = (text) => text.replace(/\n\[\[webhook\]\][\s\S]*$/, "\n");

test("where there is no webhook, the page says what one is; the first is made by keyboard alone", REFUSED, async ({ page, harness, visit }) => {
  await configured(harness, withoutWebhooks, async () => {
    await visit("#/webhooks");
    await page.getByText("There is no webhook yet").waitFor();
    await axe(page);
    await tabTo(page, page.getByRole("link", { name: "Make the first one" }));
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "New webhook" }).waitFor();

    await tabTo(page, field(page, "url"));
    await page.keyboard.type("ftp://receiver.example.com/x");
    await tabTo(page, page.getByRole("checkbox", { name: "echo.posted" }));
    await page.keyboard.press("Space");
    await page.keyboard.press("Enter");
    assert.match(await wrongAt(page, "url"), /`ftp:` is not supported/);
    await until("the focus at the mistake", async () => (await focused(page)) === "url");
    assert.equal(await field(page, "url").inputValue(), "ftp://receiver.example.com/x");
    assert.equal(await field(page, "events").inputValue(), "echo.posted");
    await page.keyboard.press("Control+A");
    await page.keyboard.type(harness.receiver.url("/keyboard"));
    await page.keyboard.press("Enter");

    await page.getByRole("heading", { name: "127.0.0.1 is created" }).waitFor();
    const secret = await page.locator(".wh-secret code").textContent();
    assert.match(secret, /^whsec_/);
    await tabTo(page, button(page, "Send the test"));
    await page.keyboard.press("Enter");
    await page.getByText("The receiver took it.").waitFor();
    const [request] = harness.receiver.seen("/keyboard");
    assert.equal(request.headers["webhook-signature"], mac(secret, request), "the secret shown is the key");

    await tabTo(page, page.getByRole("link", { name: "To the webhook", exact: true }));
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Settings" }).waitFor();
    assert.equal((await page.content()).includes(secret.slice(6)), false);
    await page.goBack();
    await page.locator("main h1").waitFor();
    assert.equal((await page.content()).includes(secret.slice(6)), false, "it does not come back");
    await harness.made("DELETE", `/v1/webhooks/${(await harness.webhook("127.0.0.1")).id}`);
  });
});

test("an address that is closed to sidehook is told, with the cure", { allow: [/status of (409|422)/] }, async ({ page, harness, visit }) => {
  const { id } = await made(harness, "inside");
  const closed = (text) => withoutWebhooks(text).replace(/allow_networks = .*/, "allow_networks = []");
  const cure = /add "127\.0\.0\.0\/8" to \[delivery\] allow_networks/;
  await configured(harness, closed, async () => {
    await visit(`#/webhooks/${id}`);
    await page.getByRole("region", { name: "Health" }).getByText(cure).waitFor();
    await button(page, "Test").click();
    await button(page, "Send the test").click();
    await dialog(page).getByText("The test was not sent.").waitFor();
    await dialog(page).getByText(cure).waitFor();
    await visit("#/webhooks/new");
    await field(page, "url").fill(harness.receiver.url("/inside"));
    await page.getByRole("checkbox", { name: "* all" }).check();
    await button(page, "Create the webhook").click();
    assert.match(await wrongAt(page, "url"), cure);
    await page.getByRole("link", { name: "Cancel" }).click();
    await button(page, "Leave without saving").click();
  });
  assert.equal(harness.receiver.seen("/inside").length, 0);
  await page.close();
  await harness.made("DELETE", `/v1/webhooks/${id}`);
});

test("every mistake is told at its field, and nothing typed is lost", { ...REFUSED, path: "#/webhooks/new" }, async ({ page, harness }) => {
  await field(page, "url").fill(harness.receiver.url("/mended"));
  await field(page, "name").fill("mended");
  await field(page, "events").fill("task.* no.such_label");
  await page.getByText("More settings").click();
  await field(page, "format").selectOption("json");
  await field(page, "json").fill("{'text': (");
  await field(page, "signing").selectOption("chosen");
  await page.getByRole("checkbox", { name: "sha256" }).check();
  await field(page, "custom").fill('[{"header": "bad header"}]');
  for (const [name, value] of [["X-Good", "yes"], ["X Bad", "snow"]]) {
    await button(page, "Add a header").click();
    await field(page, "header-name").last().fill(name);
    await field(page, "header-value").last().fill(value);
  }
  await field(page, "username").fill("us:er");
  await field(page, "password").fill("p");
  await field(page, "retry").fill("5s, later");
  await field(page, "timeout").fill("2h");
  await field(page, "concurrency").fill("many");
  await field(page, "rate_limit").fill("10");
  await page.getByText("More settings").click();
  await button(page, "Create the webhook").click();

  assert.match(await wrongAt(page, "json"), /this expression is wrong/);
  assert.match(await wrongAt(page, "custom"), /No\. 1, header: `bad header` is not a header name/);
  assert.match(await wrongAt(page, "username"), /is not a user name/);
  assert.match(await wrongAt(page, "retry"), /later: `later` is not a duration/);
  assert.match(await wrongAt(page, "timeout"), /1ms to 1h/);
  assert.match(await wrongAt(page, "rate_limit"), /is not a rate/);
  await wrongAt(page, "concurrency");
  const header = page.locator('[name="header-value"]');
  assert.deepEqual(await header.evaluateAll((all) => all.map((one) => one.getAttribute("aria-invalid"))), [null, "true"]);
  await until("the focus at the first mistake", async () => (await focused(page)) === "json");
  assert.equal(await field(page, "events").inputValue(), "task.* no.such_label");
  await axe(page);

  await field(page, "json").fill("{'text': event.label}");
  await field(page, "custom").fill("[{");
  await button(page, "Create the webhook").click();
  assert.match(await wrongAt(page, "custom"), /must be a JSON list/);
  await field(page, "custom").fill('[{"header": "X-Own", "algorithm": "sha512"}]');
  await field(page, "header-name").last().fill("X-Bad");
  await field(page, "username").fill("user");
  for (const [name, value] of [["retry", "5s, 1m"], ["timeout", "20s"], ["concurrency", "3"], ["rate_limit", "10/s"]]) await field(page, name).fill(value);
  await button(page, "Create the webhook").click();
  await page.getByText("no event rule has a label like `no.such_label` yet").waitFor();
  const webhook = await harness.webhook("mended");
  assert.deepEqual(webhook.format, { json: "{'text': event.label}" });
  assert.deepEqual(webhook.signatures, ["sha256", { header: "x-own", prefix: "", encoding: "hex", content: "body", algorithm: "sha512" }]);
  assert.deepEqual(webhook.headers, { "x-good": "yes", "x-bad": "snow" });
  assert.deepEqual([webhook.basic_auth, webhook.retry, webhook.timeout, webhook.concurrency, webhook.rate_limit],
    [{ username: "user" }, ["5s", "1m"], "20s", 3, "10/s"]);
  await page.close();
  await harness.made("DELETE", `/v1/webhooks/${webhook.id}`);
});

test("a name that is taken is told at the name", { ...REFUSED, path: "#/webhooks/new" }, async ({ page, harness }) => {
  await field(page, "url").fill(harness.receiver.url("/twice"));
  await field(page, "name").fill("billing");
  await page.getByRole("checkbox", { name: "* all" }).check();
  assert.equal(await page.getByRole("checkbox", { name: "task.created" }).isDisabled(), true, "* has it already");
  await button(page, "Create the webhook").click();
  assert.match(await wrongAt(page, "name"), /billing/);
});

test("an edit sends what was changed, and an emptied field goes back to its default", async ({ page, harness, visit }) => {
  const { id } = await made(harness, "edited", { timeout: "9s", concurrency: 2, headers: { "X-Env": "prod", "X-Old": "1", authorization: "Bearer abc" }, basic_auth: undefined });
  const sent = patches(page);
  await visit(`#/webhooks/${id}/edit`);
  await page.getByText("More settings").click();
  await field(page, "timeout").fill("");
  await field(page, "concurrency").fill("5");
  await page.getByRole("button", { name: "Take away header x-old" }).click();
  await field(page, "header-value").nth(1).fill("test");
  await button(page, "Save").click();
  await page.getByText("Saved: edited").waitFor();
  assert.deepEqual(sent, [{ timeout: null, concurrency: 5, headers: { "x-env": "test", "x-old": null } }]);
  const now = await harness.get(`/v1/webhooks/${id}`);
  assert.deepEqual([now.timeout, now.concurrency, now.headers], ["3s", 5, { authorization: "***", "x-env": "test" }]);
  await harness.call("POST", "/api/v1/echo", {});
  await until("a delivery", () => harness.receiver.seen("/edited").length === 1);
  assert.equal(harness.receiver.seen("/edited")[0].headers.authorization, "Bearer abc", "what is not shown is kept");

  await visit(`#/webhooks/${id}/edit`);
  await field(page, "signing_secret_do").selectOption("own");
  await button(page, "Save").click();
  assert.match(await wrongAt(page, "signing_secret"), /type it/);
  await field(page, "signing_secret").fill("my-own-key");
  await field(page, "events").fill("echo.posted task.done");
  await button(page, "Save").click();
  await until("it was saved", async () => sent.length === 2);
  assert.deepEqual(sent[1], { events: ["echo.posted", "task.done"], signing_secret: "my-own-key" });
  await page.close();
  await harness.made("DELETE", `/v1/webhooks/${id}`);
});

test("leaving with something unsaved asks, by link and by the back button", { path: "#/webhooks" }, async ({ page, visit }) => {
  await visit("#/webhooks/new");
  await page.getByRole("link", { name: "Cancel" }).click();
  await page.getByRole("heading", { name: "Webhooks" }).waitFor();
  await visit("#/webhooks/new");
  await field(page, "name").fill("half");
  await page.getByRole("link", { name: "Events", exact: true }).click();
  await dialog(page).getByRole("heading", { name: "Leave without saving?" }).waitFor();
  await button(page, "Stay").click();
  assert.equal(await field(page, "name").inputValue(), "half");
  await page.goBack();
  await dialog(page).getByRole("heading", { name: "Leave without saving?" }).waitFor();
  await button(page, "Stay").click();
  assert.match(page.url(), /#\/webhooks\/new$/);
  assert.equal(await field(page, "name").inputValue(), "half");
  await page.getByRole("link", { name: "Cancel" }).click();
  await button(page, "Leave without saving").click();
  await page.getByRole("heading", { name: "Webhooks" }).waitFor();
});

test("what somebody else changes meanwhile is taken over, told, and not overwritten", { allow: [/status of 404/] }, async ({ page, harness, visit }) => {
  const { id } = await made(harness, "between", { timeout: "5s" });
  const sent = patches(page);
  await visit(`#/webhooks/${id}/edit`);
  await live(page);
  await page.getByText("More settings").click();
  await field(page, "rate_limit").fill("5/s");
  await field(page, "name").fill("between-mine");
  await harness.made("PATCH", `/v1/webhooks/${id}`, { timeout: "8s", name: "between-theirs" });
  await page.getByText("Somebody else has changed this webhook").waitFor();
  await page.getByText("You both changed name").waitFor();
  assert.deepEqual([await field(page, "timeout").inputValue(), await field(page, "rate_limit").inputValue(), await field(page, "name").inputValue()],
    ["8s", "5/s", "between-mine"]);
  await button(page, "Save").click();
  await page.getByText("Saved: between-mine").waitFor();
  assert.deepEqual(sent, [{ name: "between-mine", rate_limit: "5/s" }]);

  await visit(`#/webhooks/${id}/edit`);
  await field(page, "name").fill("too-late");
  await harness.made("DELETE", `/v1/webhooks/${id}`);
  await page.getByText("This webhook was deleted").waitFor();
  assert.equal(await button(page, "Save").isDisabled(), true);
  assert.equal(await field(page, "name").inputValue(), "too-late");
});

test("nothing typed is lost while sidehook is away, and what was missed then is told", { allow: [...AWAY, /status of 404/] }, async ({ page, harness, visit }) => {
  const { id } = await made(harness, "outage", { timeout: "5s" });
  await visit(`#/webhooks/${id}/edit`);
  await field(page, "name").fill("outage-survived");
  await harness.down();
  await button(page, "Save").click();
  await page.locator(".wh-top-error").getByText("sidehook does not answer").waitFor();
  await until("the focus at it", async () => /wh-top-error/.test(await focused(page)));
  await harness.run();
  await harness.made("PATCH", `/v1/webhooks/${id}`, { timeout: "6s" });
  await live(page);
  await until("the new value", async () => (await field(page, "timeout").inputValue()) === "6s");
  assert.equal(await field(page, "name").inputValue(), "outage-survived");
  await button(page, "Save").click();
  await page.getByText("Saved: outage-survived").waitFor();

  // Deleted while nobody could tell the page so.
  for (const [n, where] of ["", "/edit"].entries()) {
    const other = await made(harness, `outage-${n}`);
    await visit(`#/webhooks/${other.id}${where}`);
    await live(page);
    await page.route("**/v1/**", (route) => route.abort());
    await harness.restart();
    await page.getByText("not connected").waitFor();
    await harness.made("DELETE", `/v1/webhooks/${other.id}`);
    await page.unroute("**/v1/**");
    await page.getByText("This webhook was deleted").waitFor();
  }
});

test("a webhook of the file is not edited here, and the form says where", async ({ page, harness, visit }) => {
  await visit(`#/webhooks/${(await harness.webhook("billing")).id}/edit`);
  await page.getByText("is changed there").waitFor();
  assert.equal(await page.locator("form").count(), 0);
});

for (const dark of [false, true]) {
  for (const phone of [false, true]) {
    test(`the form is accessible${phone ? " and fits a phone" : ""}, ${dark ? "dark" : "light"}`, { dark, phone, path: "#/webhooks/new" }, async ({ page }) => {
      await page.getByRole("checkbox", { name: "task.*" }).check();
      await page.getByText("More settings").click();
      await field(page, "format").selectOption("template");
      await field(page, "signing").selectOption("chosen");
      await button(page, "Add a header").click();
      await axe(page);
      await fitsScreen(page);
    });
  }
}
