// One event's page: what it shows is what was, to the byte; what its buttons say they do, they do.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import http from "node:http";
import { after, before } from "node:test";

import { AWAY, axe, fitsScreen, suite, until } from "./page.mjs";

const { test: pageTest } = suite({ broken: false, maxBody: "2MiB" });

/** A receiver that keeps bytes as bytes. */
const bytesAt = { port: 0, bodies: [], headers: [] };
const server = http.createServer(async (request, response) => {
  const parts = [];
  for await (const part of request) parts.push(part);
  bytesAt.bodies.push(Buffer.concat(parts));
  bytesAt.headers.push(request.headers);
  response.end("ok");
});
before(() => new Promise((resolve) => server.listen(0, "127.0.0.1", () => {
  bytesAt.port = server.address().port;
  resolve();
})));
after(() => {
  server.closeAllConnections();
  server.close();
});

/** One call that becomes an event; gives the event. */
async function eventOf(harness, body, { path = "/api/v1/echo", method = "POST", type = "application/json", headers = {}, label = "echo.posted" } = {}) {
  const [before] = (await harness.get(`/v1/events?limit=1&label=${label}`)).data;
  await harness.call(method, path, body, { "content-type": type, ...headers });
  return until("the event", async () => {
    const [event] = (await harness.get(`/v1/events?limit=1&label=${label}`)).data;
    return event && event.id !== before?.id ? harness.get(`/v1/events/${event.id}`) : null;
  });
}

/** A webhook of its own, at a path of its own, until the test ends; gives it with its path. */
let n = 0;
const own = new Set();
async function webhookOf(harness, keys = {}) {
  const path = `/own/${n += 1}`;
  const webhook = await harness.made("POST", "/v1/webhooks", { name: `own-${n}`, url: harness.receiver.url(path), events: ["echo.posted"], ...keys });
  own.add(webhook.id);
  return { ...webhook, path };
}

function test(name, ...rest) {
  const body = rest.pop();
  pageTest(name, ...rest, async (given) => {
    try {
      await body(given);
    } finally {
      for (const id of own) await given.harness.api(`/v1/webhooks/${id}`, { method: "DELETE" });
      own.clear();
    }
  });
}

/** Runs a command as one pastes it; gives its exit code. */
function shell(command) {
  const sh = spawn("sh", { stdio: ["pipe", "ignore", "ignore"] });
  sh.stdin.end(command);
  return new Promise((resolve, reject) => sh.once("error", reject).once("exit", resolve));
}

const side = (page, name) => page.getByRole("article", { name, exact: true });
const card = (page, { name }) => page.getByRole("article", { name: `Delivery to ${name}`, exact: true });
const rows = (within) => within.getByRole("treeitem");
const stateOf = (harness, event, webhook) => harness.get(`/v1/events/${event.id}`)
  .then(({ deliveries }) => deliveries.find(({ webhook_id: id }) => id === webhook.id));

test("JSON is shown as it came: long numbers, equal keys, order, escapes", async ({ page, harness, visit, context }) => {
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  const body = '{"id":12345678901234567890,"amount":1.10,"huge":1E400,"a":1,"a":2,"2":"x","1":"y","text":"caf\\u00e9 <b>","deep":{"__proto__":[0.1000]}}';
  const event = await eventOf(harness, body);
  await visit(`#/events/${event.id}`);
  const response = side(page, "Response");
  const shown = (await rows(response).allInnerTexts()).map((text) => text.replace(/^[▾▸]\s*/, "").replace(/\s+/g, " ").trim());
  assert.deepEqual(shown, ["{ 9 members }", '"id": 12345678901234567890', '"amount": 1.10', '"huge": 1E400', '"a": 1', '"a": 2', '"2": "x"', '"1": "y"',
    '"text": "caf\\u00e9 <b>"', '"deep": { 1 member }', '"__proto__": [ 1 item ]', "0.1000"]);
  await response.getByRole("button", { name: "Copy the response's body" }).click();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), body);
  await response.getByRole("button", { name: "Raw" }).click();
  assert.equal(await response.getByRole("region", { name: "Body of the response" }).innerText(), body);
});

test("the tree is walked by keyboard, and says the path of what has the focus", async ({ page, harness, visit }) => {
  const event = await eventOf(harness, { lines: [{ price: 1 }, { price: 2 }], note: "x" });
  await visit(`#/events/${event.id}`);
  const response = side(page, "Response");
  await rows(response).first().focus();
  const focused = () => page.evaluate(() => [document.activeElement.getAttribute("aria-level"), document.activeElement.getAttribute("aria-expanded")]);
  for (const key of ["ArrowDown", "ArrowDown", "ArrowDown"]) await page.keyboard.press(key);
  assert.deepEqual(await focused(), ["4", null]);
  await response.getByText("response.body.lines[0].price").waitFor();
  await page.keyboard.press("ArrowLeft");
  assert.deepEqual(await focused(), ["3", "true"]);
  await page.keyboard.press("ArrowLeft");
  assert.deepEqual(await focused(), ["3", "false"]);
  await page.keyboard.press("Home");
  await page.keyboard.press("Enter");
  assert.deepEqual(await focused(), ["1", "false"]);
  assert.equal(await rows(response).count(), 1);
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("End");
  assert.match(await page.evaluate(() => document.activeElement.textContent), /"note": "x"/);
});

test("what a caller or a receiver sends stays text", async ({ page, harness, visit }) => {
  const evil = '</pre><script>window.pwned=1</script><img src=x onerror="window.pwned=1"><style>*{display:none}</style>';
  const webhook = await webhookOf(harness, { retry: [] });
  harness.receiver.behave(webhook.path, { status: 500, headers: { "content-type": "text/html", "x-evil": evil }, body: evil });
  const event = await eventOf(harness, { [evil]: evil, link: "javascript:alert(1)" }, { path: "/api/v1/echo?q=<script>alert(1)</script>", headers: { "x-note": evil } });
  await until("it to fail", async () => (await stateOf(harness, event, webhook)).status === "failed");
  await visit(`#/events/${event.id}`);
  await side(page, "Request").getByText(evil, { exact: true }).first().waitFor();
  assert.ok((await rows(side(page, "Response")).allInnerTexts()).some((text) => text.includes("<script>window.pwned=1</script>")));
  const receiver = card(page, webhook);
  await receiver.getByRole("region", { name: "Body of the answer to attempt 1" }).getByText("<script>window.pwned=1").waitFor();
  await receiver.getByRole("button", { name: "What the receiver gets" }).click();
  await receiver.getByRole("region", { name: "curl command" }).waitFor();
  assert.equal(await page.evaluate(() => globalThis["pwned"]), undefined);
  assert.equal(await page.locator("main script, main img, main style, main iframe, a[href^='javascript']").count(), 0);
});

test("long and deep JSON is folded, and opens in slices", async ({ page, harness, visit }) => {
  const wide = await eventOf(harness, { rows: Array.from({ length: 4000 }, (_, row) => ({ row, name: `Row number ${row}`, cells: Array(30).fill(true) })) });
  await visit(`#/events/${wide.id}`);
  const response = side(page, "Response");
  await response.getByText("4,000 items").waitFor();
  const drawn = await rows(response).count();
  assert.ok(drawn > 10 && drawn < 100, `${drawn} rows`);
  await rows(response).getByText(/^show 100 more of 3,9/).click();
  await rows(response).getByText(/^show 100 more of 3,8/).waitFor();
  await response.getByRole("button", { name: "Expand all" }).click();
  const expanded = await rows(response).count();
  assert.ok(expanded > 500 && expanded < 1_200, `${expanded} rows`);
  await response.getByRole("button", { name: "Collapse all" }).click();
  assert.equal(await rows(response).count(), 1);

  const depth = 500_000;
  const deep = await eventOf(harness, "[".repeat(depth) + "]".repeat(depth));
  await visit(`#/events/${deep.id}`);
  await response.getByText("JSON, 977 KiB").waitFor();
  await response.getByRole("button", { name: "Expand all" }).click();
  await until("it to be open", async () => await rows(response).count() > 50);
  assert.ok(await rows(response).count() < 100);
  await fitsScreen(page);

  const long = await eventOf(harness, { text: "x".repeat(1_000_000) });
  await visit(`#/events/${long.id}`);
  await response.getByText("300 of 1,000,002 characters").click();
  await response.getByText("20,000 of 1,000,002 characters").waitFor();
});

test("forms, text, bytes and nothing are shown as what they are", async ({ page, harness, visit }) => {
  const response = side(page, "Response");
  const form = await eventOf(harness, "b=2&a=1&b=<3>&10=x&9=y", { type: "application/x-www-form-urlencoded" });
  await visit(`#/events/${form.id}`);
  await response.getByText("Form, ").waitFor();
  assert.deepEqual(await response.locator("tbody tr").allTextContents(), ["b2<3>", "a1", "10x", "9y"]);

  const bytes = Buffer.from([0, 255, 1, 128, 65, 66]);
  const binary = await eventOf(harness, bytes, { type: "application/octet-stream" });
  await visit(`#/events/${binary.id}`);
  await response.getByText("0000 00 ff 01 80 41 42").waitFor();
  const [download] = await Promise.all([page.waitForEvent("download"), response.getByRole("button", { name: "Download the response's body" }).click()]);
  const stream = await download.createReadStream();
  assert.deepEqual(Buffer.concat(await stream.toArray()), bytes);

  const text = await eventOf(harness, "one\n  two <b>\n", { type: "text/plain" });
  await visit(`#/events/${text.id}`);
  assert.equal(await response.getByRole("region", { name: "Body of the response" }).evaluate((pre) => pre.textContent), "one\n  two <b>\n");

  const none = await eventOf(harness, undefined, { method: "DELETE", path: "/api/v1/tasks/7", type: "text/plain", label: "task.deleted" });
  await visit(`#/events/${none.id}`);
  await response.getByText("No body.").waitFor();
});

test("what was cut, left out and redacted is told, with the key that says so", async ({ page, harness, visit }) => {
  const cut = await eventOf(harness, "x".repeat(3 * 1024 * 1024), { type: "text/plain", headers: { authorization: "Bearer secret", "x-api-key": "secret" } });
  await visit(`#/events/${cut.id}`);
  await side(page, "Response").getByText("max_response_body").waitFor();
  await side(page, "Response").getByText("3.0 MiB").waitFor();
  await side(page, "Request").getByText("[capture] redact_fields").waitFor();
  assert.equal(await side(page, "Request").getByText("redacted", { exact: true }).count(), 2, "two headers");
  const masked = await eventOf(harness, { password: "secret", keep: 1 });
  await visit(`#/events/${masked.id}`);
  await rows(side(page, "Request")).getByText("redacted", { exact: true }).waitFor();

  // States that take a minute, or a call that breaks at the right byte: the answer is made to say them.
  const words = { over_budget: "[capture] max_total", client_aborted: "on_disconnect", upstream_aborted: "without taking all of it", streaming: "[capture] max_duration", complete: "eight times", newer: "does not know" };
  for (const [capture, said] of Object.entries(words)) {
    await page.route(`**/v1/events/${masked.id}`, async (route) => {
      const answer = await route.fetch();
      const text = (await answer.text()).replace(/"capture":"complete"/, `"body_truncated":true,"body_size":9,"capture":"${capture}"`);
      await route.fulfill({ response: answer, body: text });
    });
    await visit("#/events");
    await visit(`#/events/${masked.id}`);
    await side(page, "Request").getByText(said).waitFor();
    await page.unroute(`**/v1/events/${masked.id}`);
  }
});

test("retry sends at once, and the page follows without a reload", async ({ page, harness, visit }) => {
  const webhook = await webhookOf(harness, { retry: ["1h"] });
  harness.receiver.behave(webhook.path, "html500");
  const event = await eventOf(harness, { a: 1 });
  await until("the first attempt", async () => (await stateOf(harness, event, webhook)).attempts === 1);
  await visit(`#/events/${event.id}`);
  const receiver = card(page, webhook);
  await receiver.getByText("Attempt 2 in").first().waitFor();
  await receiver.getByText("Internal Server Error").first().waitFor(); // The answer of the failed one is open.
  assert.equal(harness.receiver.seen(webhook.path).length, 1);
  harness.receiver.behave(webhook.path, "ok");
  await receiver.getByRole("button", { name: "Retry now" }).click();
  await page.getByText(`It is sent to ${webhook.name} now.`).waitFor();
  await receiver.getByText("Accepted with 200").waitFor();
  await receiver.getByRole("button", { name: /Attempt #2 200/ }).waitFor();
  const seen = harness.receiver.seen(webhook.path);
  assert.deepEqual([seen.length, seen[1].headers["x-webhook-attempt"]], [2, "2"]);

  // What was accepted is sent again only after a question.
  await receiver.getByRole("button", { name: "Retry now" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Leave it" }).click();
  await receiver.getByRole("button", { name: "Retry now" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Send again" }).click();
  await receiver.getByRole("button", { name: /Attempt #3 200/ }).waitFor();
  assert.equal(harness.receiver.seen(webhook.path).length, 3, "not sent where the answer was to leave it");
});

test("a pending delivery is seen to be delivered", async ({ page, harness, visit }) => {
  const webhook = await webhookOf(harness, { retry: ["3s", "3s", "3s", "3s"], pause_after: 0 });
  harness.receiver.behave(webhook.path, "html500");
  const event = await eventOf(harness, { a: 1 });
  await visit(`#/events/${event.id}`);
  await card(page, webhook).getByText("pending").waitFor();
  harness.receiver.behave(webhook.path, "ok");
  await card(page, webhook).getByText("delivered").waitFor();
});

test("cancel asks, and then it is cancelled", async ({ page, harness, visit }) => {
  const webhook = await webhookOf(harness, { retry: ["1h"] });
  harness.receiver.behave(webhook.path, "close");
  const event = await eventOf(harness, { a: 1 });
  await until("the first attempt", async () => (await stateOf(harness, event, webhook)).attempts === 1);
  await visit(`#/events/${event.id}`);
  const receiver = card(page, webhook);
  await receiver.getByRole("button", { name: "Cancel" }).click();
  await page.getByRole("dialog").waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  assert.equal((await stateOf(harness, event, webhook)).status, "pending");
  await receiver.getByRole("button", { name: "Cancel" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Cancel the delivery" }).click();
  await receiver.getByText("Cancelled by hand.").waitFor();
  assert.equal((await stateOf(harness, event, webhook)).status, "cancelled");
  assert.equal(await receiver.getByRole("button", { name: "Cancel" }).count(), 0);
});

test("replay goes to a webhook that never got the event, and only there", async ({ page, harness, visit }) => {
  const had = await webhookOf(harness);
  const stranger = await webhookOf(harness, { events: ["report.read"] });
  const event = await eventOf(harness, { a: 1 });
  await until("it to be delivered", () => harness.receiver.seen(had.path).length === 1);
  await visit(`#/events/${event.id}`);
  await card(page, had).getByText("delivered").waitFor();
  await page.getByRole("button", { name: "Replay to" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("textbox", { name: "Search" }).fill(stranger.name);
  await dialog.getByLabel(stranger.name).check();
  await dialog.getByRole("button", { name: "Replay to 1 webhook" }).click();
  await page.getByText("1 delivery is due now.").waitFor();
  await card(page, stranger).getByText("Accepted with 200").waitFor();
  assert.equal(harness.receiver.seen(stranger.path).length, 1);
  assert.equal(harness.receiver.seen(had.path).length, 1);
});

test("the curl command, run by a shell, sends the very same body", async ({ page, harness, visit }) => {
  const url = `http://127.0.0.1:${bytesAt.port}/x?a=[1]&b={2}`;
  const plain = await webhookOf(harness, { url, headers: { "X-Quote": "it's \"quoted\" $HOME `id` \\", "X-Token": "hidden-value" } });
  const binary = await webhookOf(harness, { url: `http://127.0.0.1:${bytesAt.port}/binary`, format: "cloudevents-binary" });
  const cases = [
    [plain, '{"text":"it\'s \\"quoted\\" $(id) `id` !! \\\\ %s","list":[1,\n 2]}', "application/json"],
    [plain, `"${"long ' text ".repeat(20_000)}"`, "application/json"],
    [binary, Buffer.from(Array.from({ length: 700 }, (_, i) => (i * 7) % 256)), "application/octet-stream"],
    [binary, "bell \u0007, escape \u001b[201~\r\nand a\ttab", "text/plain"],
  ];
  for (const [webhook, body, type] of cases) {
    bytesAt.bodies.length = bytesAt.headers.length = 0;
    const event = await eventOf(harness, body, { type });
    await until("both to be delivered", () => bytesAt.bodies.length === 2);
    const at = bytesAt.headers.findIndex((headers) => headers["x-webhook-id"] === webhook.id);
    const sent = bytesAt.bodies[at];
    await visit(`#/events/${event.id}`);
    const receiver = card(page, webhook);
    await receiver.getByRole("button", { name: "What the receiver gets" }).click();
    const region = receiver.getByRole("region", { name: "curl command" });
    await region.waitFor();
    for (const more = receiver.getByRole("button", { name: /^Show .* characters$/ }).last(); await more.count() > 0;) await more.click();
    const command = await region.evaluate((pre) => pre.textContent);
    assert.doesNotMatch(command, /[^\n\x20-\x7e]/, "nothing unseen is pasted into a terminal");
    assert.equal(await shell(command), 0);
    assert.equal(bytesAt.bodies.length, 3);
    assert.ok(bytesAt.bodies[2].equals(sent), `${sent.length} bytes: ${sent.subarray(0, 300)}\n${bytesAt.bodies[2].subarray(0, 300)}`);
    for (const name of ["content-type", "webhook-id", "user-agent", "x-quote", "accept"]) assert.equal(bytesAt.headers[2][name], bytesAt.headers[at][name], name);
    assert.ok(!command.includes("hidden-value"));
    assert.equal(bytesAt.headers[2]["webhook-signature"], "***");
  }
});

test("why nothing can be shown of what a receiver gets is told in words", { allow: [/status of 4(09|22)/] }, async ({ page, harness, visit }) => {
  const gone = await webhookOf(harness);
  const broken = await webhookOf(harness, { format: { json: "1 / request.body.zero" }, retry: ["1h"] });
  const event = await eventOf(harness, { zero: "none" });
  await until("both to be tried", async () => (await harness.get(`/v1/events/${event.id}`)).deliveries.filter(({ webhook_id: id }) => [gone.id, broken.id].includes(id)).every(({ attempts }) => attempts > 0));
  await visit(`#/events/${event.id}`);
  await card(page, broken).getByRole("button", { name: "What the receiver gets" }).click();
  await card(page, broken).getByText("Mend the webhook's format").waitFor();
  await harness.made("DELETE", `/v1/webhooks/${gone.id}`);
  await page.reload();
  const deleted = card(page, { name: "a deleted webhook" });
  await deleted.getByRole("button", { name: "What the receiver gets" }).click();
  await deleted.getByText("sends the event to another webhook").waitFor();
  assert.equal(await deleted.getByRole("button", { name: "Retry now" }).count(), 0);
});

test("a delivery's id leads to its event, whose address it becomes", async ({ page, harness, visit }) => {
  const webhook = await webhookOf(harness);
  const event = await eventOf(harness, { a: 1 });
  const { id } = await stateOf(harness, event, webhook);
  await visit(`#/events/del_${id.replaceAll("-", "").toUpperCase()}`);
  await page.waitForURL(`**/#/events/${event.id}?delivery=${id}`);
  await card(page, webhook).getByRole("list", { name: "Attempts" }).waitFor();
  await page.reload();
  await card(page, webhook).getByRole("list", { name: "Attempts" }).waitFor();
});

test("an event that is not there is told", { allow: [/status of 404/] }, async ({ page, visit }) => {
  for (const id of ["evt_00000000000000000000000000000000", "nonsense-7"]) {
    await visit(`#/events/${encodeURIComponent(id)}`);
    await page.getByRole("heading", { name: "No such event" }).waitFor();
    await page.getByText(id, { exact: true }).waitFor();
    await page.getByText("[store] retain").waitFor();
  }
});

test("what happened while sidehook was away is there afterwards", { allow: AWAY }, async ({ page, harness, visit }) => {
  const webhook = await webhookOf(harness, { retry: ["1h"] });
  harness.receiver.behave(webhook.path, "html500");
  const event = await eventOf(harness, { a: 1 });
  await until("the first attempt", async () => (await stateOf(harness, event, webhook)).attempts === 1);
  await visit(`#/events/${event.id}`);
  await card(page, webhook).getByText("pending").waitFor();
  await harness.down();
  await page.getByText("sidehook does not answer").waitFor();
  harness.receiver.behave(webhook.path, "ok");
  await harness.run();
  const { id } = await stateOf(harness, event, webhook);
  await harness.made("POST", `/v1/deliveries/${id}/retry`);
  await card(page, webhook).getByText("Accepted with 200").waitFor();
});

test("a reader has nothing to press that changes anything", { access: "read" }, async ({ page, harness, visit }) => {
  const webhook = await webhookOf(harness, { retry: ["1h"] });
  harness.receiver.behave(webhook.path, "html500");
  const event = await eventOf(harness, { a: 1 });
  await visit(`#/events/${event.id}`, harness.readToken);
  await card(page, webhook).getByRole("button", { name: "What the receiver gets" }).click();
  await card(page, webhook).getByRole("region", { name: "curl command" }).waitFor();
  assert.equal(await page.getByRole("button", { name: /Retry|Cancel|Replay/ }).count(), 0);
});

for (const dark of [false, true]) {
  for (const phone of [false, true]) {
    test(`it is accessible and fits its screen, ${dark ? "dark" : "light"}, ${phone ? "phone" : "desktop"}`, { dark, phone }, async ({ page, harness, visit }) => {
      const webhook = await webhookOf(harness, { retry: ["1h"] });
      harness.receiver.behave(webhook.path, "html500");
      const body = { password: "x", text: "y".repeat(700), list: [1, null, true, { a: { b: { c: 1 } } }] };
      const event = await eventOf(harness, body, { path: `/api/v1/echo?q=${"z".repeat(900)}`, headers: { "x-note": "n".repeat(900), authorization: "Bearer x" } });
      await until("the first attempt", async () => (await stateOf(harness, event, webhook)).attempts === 1);
      await visit(`#/events/${event.id}`);
      const receiver = card(page, webhook);
      await receiver.getByRole("button", { name: "What the receiver gets" }).click();
      await receiver.getByRole("region", { name: "curl command" }).waitFor();
      await receiver.getByText("Internal Server Error").first().waitFor();
      await rows(side(page, "Response")).first().click();
      await axe(page);
      await fitsScreen(page);
      await page.getByRole("button", { name: "Replay to" }).click();
      await page.getByRole("dialog").getByLabel(webhook.name).waitFor();
      await axe(page);
      await fitsScreen(page);
    });
  }
}
