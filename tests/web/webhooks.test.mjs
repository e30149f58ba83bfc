// The list of webhooks and the page of one: health, test, hold and release, recovery, rotation, deletion.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";

import { axe, fitsScreen, live, suite, until } from "./page.mjs";

const { test } = suite();

const rows = (page) => page.locator(".wh-table tbody tr");
const names = (page) => rows(page).locator(".wh-name a").allTextContents();
const button = (page, name) => page.getByRole("button", { name, exact: true });
const dialog = (page) => page.getByRole("dialog");
const health = (page) => page.getByRole("region", { name: "Health" });
const paid = (harness, n) => harness.call("POST", `/api/v1/invoices/INV-${4200 + n}/pay`, "method=sepa", { "content-type": "application/x-www-form-urlencoded" });
/** A webhook of its own for a test, at a path of the receiver. */
const made = (harness, name, more = {}) =>
  harness.made("POST", "/v1/webhooks", { name, url: harness.receiver.url(`/${name}`), events: ["echo.posted"], ...more });
const echo = (harness) => harness.call("POST", "/api/v1/echo", { hello: 1 });
const hmac = (secret, request) => `v1,${createHmac("sha256", Buffer.from(secret.slice("whsec_".length), "base64"))
  .update(`${request.headers["webhook-id"]}.${request.headers["webhook-timestamp"]}.${request.body}`).digest("base64")}`;

/** What is broken from the start has been found out: warehouse is paused, legacy-crm is disabled. */
async function troubled(harness) {
  await harness.receiver.behave("/warehouse/hook", "html500");
  for (let n = 0; n < 4; n++) await paid(harness, n);
  await harness.call("POST", "/api/v1/notes", "a note", { "content-type": "text/plain" });
  await until("warehouse to be paused", async () => (await harness.webhook("warehouse")).status === "paused");
  await until("legacy-crm to be disabled", async () => (await harness.webhook("legacy-crm")).status === "disabled");
}

test("the list shows the worst first, and lives", { path: "#/webhooks" }, async ({ page, harness }) => {
  await live(page);
  await troubled(harness);
  await until("the worst first", async () => (await names(page))[0] === "warehouse");
  const first = rows(page).first();
  await first.locator(".badge").filter({ hasText: "paused" }).waitFor();
  await first.getByText("the receiver answered 500").waitFor();
  await first.getByText("held, oldest").waitFor();
  await first.getByText(/since .+, next try: /).waitFor();
  await rows(page).filter({ hasText: "legacy-crm" }).getByText("the receiver answered 410 Gone").waitFor();

  await button(page, "By name").click();
  await until("the order of names", async () => (await names(page))[0] === "audit-log");
  assert.match(page.url(), /sort=name/);

  // Made and deleted elsewhere.
  assert.equal(await page.getByLabel("Filter").count(), 0, "few need no filter");
  for (const name of ["another", "further"]) await made(harness, name);
  await rows(page).filter({ hasText: "further" }).waitFor();
  await page.getByLabel("Filter").fill("furth");
  await until("one row", async () => (await rows(page).count()) === 1);
  assert.match(page.url(), /q=furth/);
  for (const name of ["another", "further"]) await harness.made("DELETE", `/v1/webhooks/${(await harness.webhook(name)).id}`);
  await page.getByText("No webhook has “furth”").waitFor();
});

test("a webhook whose receiver asked for rest is active, and says until when", { path: "#/webhooks" }, async ({ page, harness, visit }) => {
  await live(page);
  await made(harness, "resting");
  harness.receiver.behave("/resting", { status: 429, headers: { "retry-after": "3600" } });
  await echo(harness);
  const said = rows(page).filter({ hasText: "resting" }).getByText("Its receiver asked for rest until");
  await said.waitFor();
  const { id, status, rests_until: end } = await harness.webhook("resting");
  assert.equal(status, "active");
  assert.equal(await said.locator("time").getAttribute("datetime"), end);
  await visit(`#/webhooks/${id}`);
  await health(page).getByText("Its receiver asked for rest until").waitFor();
  await page.close();
  await harness.made("DELETE", `/v1/webhooks/${id}`);
});

test("a paused webhook says why and what to do; an accepted test ends the pause", async ({ page, harness, visit }) => {
  await troubled(harness);
  const { id } = await harness.webhook("warehouse");
  await visit(`#/webhooks/${id}`);
  await live(page);
  await health(page).getByText("3 failed attempts in a row; the last: the receiver answered 500").waitFor();
  await health(page).getByText("mend the receiver, then send a test").waitFor();
  // As the API says it: the times stand in the page as they came.
  const since = health(page).getByText(/^Paused since/).locator("time").first();
  assert.equal(await since.getAttribute("datetime"), (await harness.webhook("warehouse")).paused_at);
  const next = health(page).locator("p").filter({ hasText: /^Next try:/ }).locator("time");
  await until("the next try", async () => {
    const shown = await next.getAttribute("datetime", { timeout: 1_000 }).catch(() => null);
    const { next_probe_at: at } = await harness.webhook("warehouse");
    return at !== null && Math.abs(Date.parse(at) - Date.parse(shown ?? "")) < 1_000;
  });
  await health(page).getByText("So does “End the pause”, also while the store is full").waitFor();
  assert.match(await health(page).getByRole("link", { name: "See what was sent" }).getAttribute("href"), /^#\/events\/evt_/);

  await button(page, "Test").click();
  await button(page, "Send the test").click();
  await dialog(page).getByText("The test failed.").waitFor();
  const said = dialog(page).locator("pre");
  assert.match(await said.textContent(), /<h1>Internal Server Error<\/h1>/);
  assert.equal(await said.locator("*").count(), 0, "a page of the receiver is text");
  await axe(page);

  harness.receiver.behave("/warehouse/hook", "ok");
  await dialog(page).getByLabel("Event label").fill("task.created");
  await button(page, "Send the test").click();
  await dialog(page).getByText("The receiver took it.").waitFor();
  await dialog(page).getByText('{"received":true}').waitFor();
  const [seen] = harness.receiver.seen("/warehouse/hook").slice(-1);
  assert.ok(seen.body.length > 0);
  await until("the label that was asked for", () => harness.receiver.seen("/warehouse/hook").some(({ headers }) => headers["x-webhook-event"] === "task.created"));
  await page.keyboard.press("Escape");
  await page.locator(".wh-heading").getByText("active").waitFor();
  await until("what was held to be delivered", () => harness.receiver.seen("/warehouse/hook").filter(({ headers }) => headers["x-webhook-event"] === "invoice.paid").length >= 4);
  await page.locator(".wh-deliveries").getByText("delivered").first().waitFor();
});

test("a webhook of the file can be disabled and enabled, and holds its deliveries meanwhile", async ({ page, harness, visit }) => {
  const { id } = await harness.webhook("billing");
  await visit(`#/webhooks/${id}?status=held`);
  await live(page);
  await page.getByText("written in the configuration file, in the").waitFor();
  for (const name of ["Rotate secret", "Delete", "Edit"]) assert.equal(await page.getByText(name, { exact: true }).count(), 0, name);
  await page.getByText("No delivery is like this.").waitFor();

  await button(page, "Disable").click();
  await dialog(page).getByText("Its events are kept").waitFor();
  await dialog(page).getByRole("button", { name: "Disable" }).click();
  await health(page).getByText("Disabled by an operator").waitFor();
  const before = harness.receiver.seen("/billing").length;
  await paid(harness, 50);
  const held = page.locator(".wh-deliveries tbody tr").filter({ hasText: "held" });
  await held.first().waitFor();
  assert.match(await held.first().getByRole("link").getAttribute("href"), /^#\/events\/evt_/);
  await paid(harness, 51);
  await until("the next one too", async () => (await held.count()) === 2);
  assert.equal(harness.receiver.seen("/billing").length, before);

  await button(page, "Enable").click();
  await until("the delivery", () => harness.receiver.seen("/billing").length === before + 2);
  await page.getByText("No delivery is like this.").waitFor();
  assert.equal((await harness.get(`/v1/webhooks/${id}`)).status, "active");
});

test("a recovery counts first, then queues again, and its progress is shown", async ({ page, harness, visit }) => {
  const { id } = await made(harness, "lossy", { retry: [], pause_after: 0 });
  harness.receiver.behave("/lossy", { status: 503, body: "not now" });
  for (let n = 0; n < 3; n++) await echo(harness);
  await until("three failures", async () => (await harness.get(`/v1/webhooks/${id}/deliveries?status=failed`)).data.length === 3);
  harness.receiver.behave("/lossy", "ok");
  await visit(`#/webhooks/${id}`);
  await page.getByText("the receiver answered 503").first().waitFor();
  await button(page, "Recover").click();
  await button(page, "Count them first").click();
  await dialog(page).getByText("3 deliveries would be queued again").waitFor();
  assert.equal((await harness.get(`/v1/webhooks/${id}/deliveries?status=failed`)).data.length, 3, "a dry run changes nothing");
  // Another question needs another count.
  await dialog(page).getByLabel("Which deliveries").selectOption("cancelled");
  await button(page, "Count them first").click();
  await dialog(page).getByText("Nothing to recover").waitFor();
  // Counting again is counting, too.
  const again = page.waitForRequest("**/recover");
  await button(page, "Count them first").click();
  assert.equal((await again).postDataJSON().dry_run, true);
  await dialog(page).getByLabel("Which deliveries").selectOption("failed");
  await button(page, "Count them first").click();
  await axe(page);
  await button(page, "Queue 3 again").click();
  await page.getByRole("region", { name: "Recoveries" }).getByText("3 of 3 queued").waitFor();
  await until("all to be delivered", () => harness.receiver.seen("/lossy").length === 6);
  await page.close();
  await harness.made("DELETE", `/v1/webhooks/${id}`);
});

test("a rotated secret is shown once; both keys sign for the overlap", { allow: [/status of 422/] }, async ({ page, harness, visit }) => {
  const { id, signing_secret: old } = await made(harness, "rotated");
  await visit(`#/webhooks/${id}`);
  await button(page, "Rotate secret").click();
  await dialog(page).getByLabel("Overlap").fill("soon");
  await button(page, "Rotate").click();
  await dialog(page).getByText("must be a duration").waitFor();
  await dialog(page).getByLabel("Overlap").fill("1h");
  await button(page, "Rotate").click();
  const fresh = await dialog(page).locator(".wh-secret code").textContent();
  assert.match(fresh, /^whsec_/);
  assert.notEqual(fresh, old);
  await dialog(page).getByText("It is shown this once").waitFor();
  await axe(page);
  await button(page, "I have stored it").click();
  await page.getByText("the key before signs too until").waitFor();
  assert.equal((await page.content()).includes(fresh.slice(8)), false, "it is not kept");

  await echo(harness);
  await until("its delivery", () => harness.receiver.seen("/rotated").length === 1);
  const [request] = harness.receiver.seen("/rotated");
  const signatures = request.headers["webhook-signature"].split(" ");
  assert.deepEqual(signatures.sort(), [hmac(fresh, request), hmac(old, request)].sort());
  await page.close();
  await harness.made("DELETE", `/v1/webhooks/${id}`);
});

test("a webhook is deleted after a question that says what it costs", async ({ page, harness, visit }) => {
  const { id } = await made(harness, "obsolete", { active: false });
  await echo(harness);
  await until("a held delivery", async () => (await harness.get(`/v1/webhooks/${id}/deliveries`)).data.length === 1);
  await visit(`#/webhooks/${id}`);
  await health(page).getByText("1 delivery waits").waitFor();
  await button(page, "Delete").click();
  await dialog(page).getByText("1 delivery that waits for it will be cancelled").waitFor();
  await button(page, "Leave it").click();
  assert.equal((await harness.api(`/v1/webhooks/${id}`)).status, 200);
  await button(page, "Delete").click();
  await button(page, "Delete obsolete").click();
  await page.getByText("obsolete is deleted").waitFor();
  await page.getByRole("heading", { name: "Webhooks" }).waitFor();
  assert.equal((await harness.api(`/v1/webhooks/${id}`)).status, 404);
});

test("who has it open is told that somebody else changed or deleted it", async ({ page, harness, visit, allow }) => {
  // What was asked for when it went.
  allow(/404 \(Not Found\)/);
  const { id } = await made(harness, "shared");
  await visit(`#/webhooks/${id}`);
  await live(page);
  await harness.made("PATCH", `/v1/webhooks/${id}`, { timeout: "7s" });
  await page.getByText("timeout 7s").waitFor();
  await harness.made("DELETE", `/v1/webhooks/${id}`);
  await page.getByText("This webhook was deleted by somebody else").waitFor();
  assert.equal(await button(page, "Test").count(), 0);
});

test("deliveries are filtered by the address, and older ones follow", async ({ page, harness, visit }) => {
  const { id } = await made(harness, "busy", { events: ["echo.posted", "task.created"] });
  await harness.traffic(60, () => ["POST", "/api/v1/echo", {}]);
  await harness.traffic(2);
  const rowsOf = page.locator(".wh-deliveries tbody tr");
  await until("62 deliveries", async () => (await harness.get(`/v1/webhooks/${id}/deliveries?status=delivered&limit=200`)).data.length === 62);
  await visit(`#/webhooks/${id}`);
  await until("a page of them", async () => (await rowsOf.count()) === 50);
  await button(page, "Show older ones").click();
  await until("all of them", async () => (await rowsOf.count()) === 62);
  await page.getByLabel("Event label").fill("task.created");
  await page.getByLabel("Event label").press("Enter");
  await until("two", async () => (await rowsOf.count()) === 2);
  assert.match(page.url(), /event=task\.created/);
  await page.getByLabel("State").selectOption("failed");
  await page.getByText("No delivery is like this.").waitFor();
  await page.reload();
  await page.getByText("No delivery is like this.").waitFor();
  await button(page, "Show all").click();
  await until("all again", async () => (await rowsOf.count()) === 50);

  // What one points at stays: newer ones wait.
  await live(page);
  const first = await rowsOf.first().locator("a").getAttribute("href");
  await rowsOf.first().hover();
  await echo(harness);
  await button(page, "Show 1 new delivery").waitFor();
  assert.equal(await rowsOf.first().locator("a").getAttribute("href"), first);
  await button(page, "Show 1 new delivery").click();
  await until("the new one", async () => (await rowsOf.first().locator("a").getAttribute("href")) !== first);
  await page.close();
  await harness.made("DELETE", `/v1/webhooks/${id}`);
});

test("names, headers and answers that look like markup are text", async ({ page, harness, visit }) => {
  const evil = '<img src=x onerror="document.title=1">';
  const { id } = await made(harness, `evil ${evil}`, {
    url: harness.receiver.url("/evil?<script>alert(1)</script>"), headers: { "X-Evil": evil }, format: { template: `${evil} {{ event.label }}` },
  });
  harness.receiver.behave("/evil", { status: 500, headers: { "content-type": "text/html" }, body: `</pre>${evil}<script>document.title=2</script>` });
  await visit("#/webhooks");
  await rows(page).filter({ hasText: "evil <img" }).waitFor();
  await visit(`#/webhooks/${id}`);
  await page.getByRole("heading", { name: `evil ${evil}` }).waitFor();
  await button(page, "Test").click();
  await button(page, "Send the test").click();
  await dialog(page).getByText("</pre><img").waitFor();
  await page.keyboard.press("Escape");
  await visit(`#/webhooks/${id}/edit`);
  await until("the name in its field", async () => (await page.locator('[name="name"]').inputValue()) === `evil ${evil}`);
  assert.equal(await page.locator("main img").count(), 0);
  assert.match(await page.title(), /sidehook/);
  await page.close();
  await harness.made("DELETE", `/v1/webhooks/${id}`);
});

test("a read-only token finds nothing to press", { access: "read", path: "#/webhooks" }, async ({ page, harness, visit }) => {
  await rows(page).first().waitFor();
  assert.equal(await page.getByRole("link", { name: "New webhook" }).count(), 0);
  const { id } = await harness.webhook("audit-log");
  await visit(`#/webhooks/${id}`);
  await page.getByRole("heading", { name: "Settings" }).waitFor();
  for (const name of ["Test", "Disable", "Enable", "Recover", "Rotate secret", "Delete"]) assert.equal(await button(page, name).count(), 0, name);
  assert.equal(await page.getByRole("link", { name: "Edit" }).count(), 0);
  await visit(`#/webhooks/${id}/edit`);
  await page.getByText("This token may only look").waitFor();
});

test("an unknown webhook is told as such", { path: "#/webhooks/wh_00000000000000000000000000000000", allow: [/status of 404/] }, async ({ page }) => {
  await page.getByText("Not found").waitFor();
});

for (const dark of [false, true]) {
  test(`list and page are accessible, ${dark ? "dark" : "light"}`, { dark, path: "#/webhooks" }, async ({ page, harness, visit }) => {
    await troubled(harness);
    await rows(page).first().getByRole("img").first().waitFor();
    await axe(page);
    for (const name of ["warehouse", "legacy-crm", "team-chat"]) {
      await visit(`#/webhooks/${(await harness.webhook(name)).id}`);
      await health(page).waitFor();
      await page.getByRole("heading", { name: "Deliveries", exact: true }).waitFor();
      await axe(page);
    }
  });

  test(`list and page fit a phone, ${dark ? "dark" : "light"}`, { dark, phone: true, path: "#/webhooks" }, async ({ page, harness, visit }) => {
    await paid(harness, 70);
    const long = await made(harness, `${"long-".repeat(24)}name`, { url: harness.receiver.url(`/${"x".repeat(900)}`), headers: { "X-Long": "y".repeat(300) } });
    await rows(page).filter({ hasText: "long-long" }).waitFor();
    await fitsScreen(page);
    await visit(`#/webhooks/${long.id}`);
    await health(page).waitFor();
    await fitsScreen(page);
    await axe(page);
    await harness.made("DELETE", `/v1/webhooks/${long.id}`);
    await visit(`#/webhooks/${(await harness.webhook("warehouse")).id}`);
    await page.locator(".wh-deliveries tbody tr").first().waitFor();
    await fitsScreen(page);
  });
}

test("a question goes with the page that asked it", { path: "#/webhooks" }, async ({ page, harness, visit }) => {
  const { id } = await harness.made("POST", "/v1/webhooks", { name: "asked-about", url: harness.receiver.url("/asked"), events: ["task.*"] });
  await visit(`#/webhooks/${id}`);
  await button(page, "Delete").click();
  await dialog(page).getByText("Delete asked-about?").waitFor();
  await page.goBack();
  await page.getByRole("heading", { name: "Webhooks", exact: true, level: 1 }).waitFor();
  await dialog(page).waitFor({ state: "detached" });
  assert.equal((await harness.webhook("asked-about")).status, "active");
});

test("an address with a time that is none shows the filters that clear it", { allow: [/status of 400/] }, async ({ page, harness, visit }) => {
  const { id } = await harness.webhook("audit-log");
  await visit(`#/webhooks/${id}?since=yesterday`);
  await page.getByText("Could not load the deliveries").waitFor();
  await button(page, "Show all").click();
  await page.getByText("Could not load the deliveries").waitFor({ state: "detached" });
});

test("without figures nothing is called well, and it is told why the charts are empty", { allow: [/status of 503/] }, async ({ page, harness, visit }) => {
  const { id } = await made(harness, "uncounted");
  const refuse = (route) => route.fulfill({ status: 503, json: { status: 503, code: "unavailable", detail: "the store has not answered in time" } });
  await page.route("**/v1/series*", refuse);
  await visit(`#/webhooks/${id}?range=15m`);
  await page.getByText("No new figures for the charts").waitFor();
  assert.equal(await page.getByText("there was no attempt").count(), 0);
  await visit("#/webhooks");
  await page.getByText("No new figures").waitFor();
  await visit(`#/webhooks/${id}?range=15m`);
  await page.unroute("**/v1/series*", refuse);
  await health(page).getByText("there was no attempt in the last 15 minutes").waitFor();
  await page.getByText("No new figures for the charts").waitFor({ state: "detached" });
  await page.close();
  await harness.made("DELETE", `/v1/webhooks/${id}`);
});

test("a count is that of the question it was asked for", async ({ page, harness, visit }) => {
  const { id } = await made(harness, "recount", { retry: [], pause_after: 0 });
  harness.receiver.behave("/recount", { status: 503, body: "not now" });
  await echo(harness);
  await until("the failure", async () => (await harness.get(`/v1/webhooks/${id}/deliveries?status=failed`)).data.length === 1);
  await visit(`#/webhooks/${id}`);
  await button(page, "Recover").click();
  const held = new Promise((resolve) => void page.route("**/recover", resolve, { times: 1 }));
  await button(page, "Count them first").click();
  const route = /** @type {import("playwright-core").Route} */ (await held);
  await dialog(page).getByLabel("Which deliveries").selectOption("delivered");
  await route.continue();
  await button(page, "Count them first").waitFor();
  assert.equal(await dialog(page).getByText("would be queued again").count(), 0);
  await page.close();
  await harness.made("DELETE", `/v1/webhooks/${id}`);
});

test("older deliveries that come late are not those of another filter", async ({ page, harness, visit }) => {
  const { id } = await made(harness, "late");
  await harness.traffic(52, () => ["POST", "/api/v1/echo", {}]);
  await until("52 deliveries", async () => (await harness.get(`/v1/webhooks/${id}/deliveries?status=delivered&limit=200`)).data.length === 52);
  await visit(`#/webhooks/${id}`);
  const held = new Promise((resolve) => void page.route(/deliveries\?.*cursor=/, resolve, { times: 1 }));
  await button(page, "Show older ones").click();
  const route = /** @type {import("playwright-core").Route} */ (await held);
  await page.getByLabel("State").selectOption("failed");
  await page.getByText("No delivery is like this.").waitFor();
  const answered = page.waitForResponse(/deliveries\?.*cursor=/);
  await route.continue();
  await (await answered).finished();
  await page.evaluate(() => new Promise((resolve) => setTimeout(() => requestAnimationFrame(resolve), 0)));
  await page.getByText("No delivery is like this.").waitFor();
  assert.equal(await page.locator(".wh-deliveries tbody tr").count(), 0);
  await page.close();
  await harness.made("DELETE", `/v1/webhooks/${id}`);
});

test("a key that is on its way is not lost with its dialog", async ({ page, harness, visit }) => {
  const { id } = await made(harness, "hasty");
  await visit(`#/webhooks/${id}`);
  await button(page, "Rotate secret").click();
  const held = new Promise((resolve) => void page.route("**/rotate-secret", resolve, { times: 1 }));
  await button(page, "Rotate").click();
  const route = /** @type {import("playwright-core").Route} */ (await held);
  await page.keyboard.press("Escape");
  await route.continue();
  await dialog(page).getByText("It is shown this once").waitFor();
  await page.close();
  await harness.made("DELETE", `/v1/webhooks/${id}`);
});
