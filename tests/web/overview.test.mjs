// The overview: what it shows is what has happened, and what is wrong stands on top with its cure.
import assert from "node:assert/strict";

import { axe, fitsScreen, live, suite, until } from "./page.mjs";
import { startUpstream } from "./upstream.mjs";

const { test } = suite({ broken: false, pauseAfter: 2, retry: '["200ms"]' });

const banner = (page) => page.getByRole("region", { name: "Problems" });
const tile = (page, name) => page.getByRole("region", { name, exact: true });
const reader = (page, title) => page.getByRole("slider", { name: `Step of the chart ${title}` });
const numberIn = (text) => Number((/[\d,.]+/.exec(text) ?? ["0"])[0].replaceAll(",", ""));

/** The chart's table, opened: one object per step, by the heads of its columns. */
async function rows(page, title) {
  const open = page.getByRole("button", { name: `As table: ${title}` });
  const values = page.getByRole("region", { name: `Values of ${title}` });
  await open.or(values).waitFor();
  if (await open.isVisible()) await open.click();
  return values.evaluate((region) => {
    const heads = [...region.querySelectorAll("th")].map((head) => head.textContent);
    return [...region.querySelectorAll("tbody tr")].map((row) => Object.fromEntries([...row.cells].map((cell, i) => [heads[i], cell.textContent])));
  });
}

/** What a column of rates amounts to over all steps of 5 s. */
const total = (found, name) => found.reduce((sum, row) => sum + (row[name] === "–" ? 0 : 5 * numberIn(row[name])), 0);

/** What is shown of the series, changed by `change` before it reaches the page. */
async function withSeries(page, change) {
  await page.route("**/v1/series*", async (route) => {
    const answer = await route.fetch();
    await route.fulfill({ response: answer, json: change(await answer.json()) });
  });
}

test("a quiet sidehook looks calm, and says so", async ({ page }) => {
  await page.getByText("no calls in the last 15 minutes").waitFor();
  await page.getByText("nothing waited in the last 15 minutes").waitFor();
  assert.equal(await banner(page).count(), 0);
  // Most of a new sidehook's charts is of before its start: no words stand on those of another kind.
  const onEachOther = await page.locator(".plot svg").evaluateAll((charts) => charts.flatMap((chart) => {
    const texts = [...chart.querySelectorAll("text")].map((text) => ({ words: text.textContent, box: text.getBoundingClientRect() }));
    return texts.flatMap((a, i) => texts.slice(i + 1).filter((b) => a.box.left < b.box.right && b.box.left < a.box.right && a.box.top < b.box.bottom - 1 && b.box.top < a.box.bottom - 1)
      .map((b) => `${a.words} / ${b.words}`));
  }));
  assert.deepEqual(onEachOther, []);
  await page.getByText("No delivery has failed").waitFor();
  await tile(page, "Upstream").getByText("well").waitFor();
});

test("whoever signs in by the form sees it at once", { signedIn: false }, async ({ page, harness }) => {
  await page.getByLabel("Admin token").fill(harness.token);
  await page.getByRole("button", { name: "Sign in" }).click();
  await tile(page, "Store").getByText("of 200 MiB used").waitFor();
});

test("before the first sample there are words, and no line", async ({ page }) => {
  // As sidehook answers in its first step.
  const isSeries = (value) => Array.isArray(value) && value.every((one) => one === null || typeof one === "number");
  const nothing = (_, value) => (isSeries(value) ? value.map(() => null) : value);
  await withSeries(page, (series) => ({ ...JSON.parse(JSON.stringify(series), nothing), since: series.until }));
  await page.reload();
  await page.getByText("No data yet: the first step of 5 s is not over.").first().waitFor();
  assert.equal(await page.locator(".plot").count(), 0);
  await tile(page, "Store").getByText("of 200 MiB used").waitFor();
});

test("calls, events and attempts are in the charts and the figures", async ({ page, harness }) => {
  await page.getByText("no calls in the last 15 minutes").waitFor();
  await harness.traffic(30);
  await harness.traffic(10, () => ["GET", "/api/v1/tasks/950"]);
  const { events } = await harness.get("/v1/series");
  assert.equal(events.reduce((sum, n) => sum + (n ?? 0), 0), 30, "what the API counts");
  await tile(page, "Events per second").getByText("30 in the last 15 minutes").waitFor();

  // Rates are rounded for reading: a few of a hundred.
  const near = (found, wanted) => Math.abs(found - wanted) <= 3;
  await until("the calls in the chart", async () => {
    const found = await rows(page, "Calls");
    return near(total(found, "calls"), 40) && near(total(found, "matched"), 30) && total(found, "upstream errors") === 0;
  });
  await until("the events in the chart", async () => near(total(await rows(page, "Events"), "events"), 30));
  // Two webhooks want a task: search-index and audit-log.
  await until("the attempts in the chart", async () => near(total(await rows(page, "Delivery attempts"), "accepted"), 60));
  await until("the latency of commits", async () => (await rows(page, "Commit latency")).some((row) => /ms$/.test(row.p99)));
  assert.equal((await rows(page, "Calls")).length, 180);
  assert.match(await page.getByRole("img", { name: /^Calls per second/ }).getAttribute("aria-label"), /calls: latest .*, highest/);
});

test("a step is read by the keyboard, in all charts at once", async ({ page }) => {
  await reader(page, "Calls").focus();
  await page.keyboard.press("End");
  const last = await reader(page, "Calls").getAttribute("aria-valuetext");
  assert.match(last, /^\d\d:\d\d:\d\d: calls .+, matched .+, upstream errors 0$/);
  await page.keyboard.press("ArrowLeft");
  const text = await reader(page, "Calls").getAttribute("aria-valuetext");
  assert.notEqual(text, last);
  assert.ok((await reader(page, "Events").getAttribute("aria-valuetext")).startsWith(text.slice(0, 8)), "the other charts point there too");
  await page.keyboard.press("Escape");
  assert.match(await reader(page, "Calls").getAttribute("aria-valuetext"), /no step chosen/);
});

test("a step is read by the pointer", async ({ page }) => {
  const chart = page.locator(".chart").filter({ has: page.getByRole("heading", { name: /^Calls/ }) });
  await chart.getByText("latest").waitFor();
  await reader(page, "Calls").hover();
  await chart.getByText(/^\d\d:\d\d:\d\d$/).waitFor();
});

test("the range stands in the address and outlives a reload", async ({ page }) => {
  const asked = page.waitForRequest(/\/v1\/series\?range=24h/);
  await page.getByRole("button", { name: "24 h", exact: true }).click();
  await asked;
  await page.getByRole("heading", { name: "The last 24 hours", exact: true }).waitFor();
  assert.match(page.url(), /#\/\?range=24h$/);
  await page.reload();
  await page.getByRole("button", { name: "24 h", exact: true, pressed: true }).waitFor();
  const day = await rows(page, "Commit latency");
  assert.equal(day.length, 180);
  assert.match(day[0].From, /^[A-Z][a-z]{2}\b.*\d\d:\d\d$/, "a time of a day ago names its day");
});

test("a broken receiver: the pause, its cure, what failed, and the end of it", async ({ page, harness }) => {
  await live(page);
  harness.receiver.behave("/billing", "html500");
  await harness.call("POST", "/api/v1/invoices", { total: 12 });
  const failed = page.getByRole("region", { name: "Latest failed deliveries" });
  await failed.getByText("billing").waitFor();
  await failed.getByText("500").first().waitFor();
  // The next one finds it paused.
  await harness.call("POST", "/api/v1/invoices", { total: 13 });
  const told = banner(page).getByRole("listitem").filter({ hasText: "billing is paused" });
  await told.getByText(/Mend the receiver/).waitFor();
  const { id } = await harness.webhook("billing");
  assert.equal(await told.getByRole("link", { name: "Open the webhook" }).getAttribute("href"), `#/webhooks/${id}`);
  const first = page.getByRole("region", { name: "Webhooks", exact: true }).locator("tbody tr").first();
  await first.getByText("paused").waitFor();
  assert.equal(await first.getByRole("link").getAttribute("href"), `#/webhooks/${id}`);
  await first.getByText("1", { exact: true }).waitFor();
  await until("the failed attempts in the chart", async () => total(await rows(page, "Delivery attempts"), "failed attempts") >= 2);
  await tile(page, "Failed in the last 15 minutes").getByRole("link", { name: "1" }).waitFor();

  const { data: [delivery] } = await harness.get("/v1/deliveries?status=failed");
  assert.equal(await failed.getByRole("link", { name: "invoice.created" }).getAttribute("href"), `#/events/${delivery.event_id}`);
  harness.receiver.behave("/billing", "ok");
  await harness.made("POST", `/v1/deliveries/${delivery.id}/retry`);
  await page.getByText("No delivery has failed").waitFor();
  await harness.made("POST", `/v1/webhooks/${id}/test`);
  await banner(page).waitFor({ state: "detached" });
});

test("worst first is one order, here and on the page of webhooks", async ({ page, harness, visit }) => {
  // Nothing waits for it and it is never paused: only the figures of the last hour tell.
  harness.receiver.behave("/hopeless", "html500");
  const { id } = await harness.made("POST", "/v1/webhooks",
    { name: "zz-hopeless", url: harness.receiver.url("/hopeless"), events: ["note.added"], retry: [], pause_after: 0 });
  for (let n = 0; n < 3; n += 1) await harness.call("POST", "/api/v1/notes", "a note");
  await until("the failures", async () => (await harness.get(`/v1/webhooks/${id}/deliveries?status=failed`)).data.length === 3);
  await visit("#/webhooks");
  await until("the worst first of all", async () => (await page.locator(".wh-table tbody tr").first().innerText()).includes("zz-hopeless"));
  await visit("#/");
  const first = page.getByRole("region", { name: "Webhooks", exact: true }).locator("tbody tr").first();
  await until("the same on the overview", async () => (await first.innerText()).includes("zz-hopeless"));
  await page.close();
  await harness.made("DELETE", `/v1/webhooks/${id}`);
});

test("an upstream that is gone is told with its cure, and that it is back", async ({ page, harness }) => {
  const port = harness.upstream.port;
  await harness.upstream.stop();
  await harness.call("GET", "/api/v1/tasks/950");
  await banner(page).getByText(/The upstream has failed the last call/).waitFor();
  await banner(page).getByText(/See that the API behind sidehook runs/).waitFor();
  await tile(page, "Upstream").getByText("not reached").waitFor();
  const { upstream } = await harness.get("/v1/status");
  await tile(page, "Upstream").getByText(upstream.last_error).waitFor();
  await until("the error in the chart", async () => total(await rows(page, "Calls"), "upstream errors") >= 1);

  harness.upstream = await startUpstream(port);
  await harness.call("GET", "/api/v1/tasks/950");
  await banner(page).waitFor({ state: "detached" });
  await tile(page, "Upstream").getByText("well").waitFor();
});

test("many problems stay small: the worst three, and the others behind a button", { phone: true }, async ({ page, harness, visit }) => {
  const made = [];
  for (let n = 0; n < 20; n += 1) {
    harness.receiver.behave(`/many/${n}`, "html500");
    made.push(await harness.made("POST", "/v1/webhooks", { name: `many-${n}`, url: harness.receiver.url(`/many/${n}`), events: ["note.added"] }));
  }
  await harness.call("POST", "/api/v1/notes", "hello", { "content-type": "text/plain" });
  await page.getByRole("button", { name: "and 17 more" }).click({ timeout: 30_000 });
  assert.equal(await banner(page).getByRole("listitem").count(), 20);
  await fitsScreen(page);
  await page.getByRole("button", { name: "Show the worst 3 only" }).click();
  assert.equal(await banner(page).getByRole("listitem").count(), 3);
  // Where one is at something else, the worst is enough.
  await visit("#/configuration");
  await page.getByRole("button", { name: "and 19 more" }).waitFor();
  await visit("#/");
  const list = page.getByRole("region", { name: "Webhooks", exact: true });
  assert.equal(await list.locator("tbody tr").count(), 7);
  await list.getByRole("button", { name: /Show all/ }).click();
  assert.equal(await list.locator("tbody tr").count(), (await harness.get("/v1/status")).webhooks.length);
  await page.close();
  for (const { id } of made) await harness.made("DELETE", `/v1/webhooks/${id}`);
});

test("the page does not wait for the charts", async ({ page, visit }) => {
  await page.route("**/v1/series*", () => {});
  await page.reload();
  await visit("#/");
  await page.getByRole("link", { name: "search-index" }).waitFor();
  await tile(page, "Store").getByText("of 200 MiB used").waitFor();
  await page.locator(".chart").getByText("Loading ...").first().waitFor();
});

test("charts that cannot be had are told, and come by themselves", { allow: [/status of 503/] }, async ({ page, visit }) => {
  const refuse = (route) => route.fulfill({ status: 503, json: { status: 503, code: "unavailable", detail: "the store has not answered in time" } });
  await page.route("**/v1/series*", refuse);
  await visit("#/?range=1h");
  await page.getByText("the store has not answered in time").waitFor();
  await page.unroute("**/v1/series*", refuse);
  await page.locator(".plot").first().waitFor();
  await page.getByText("the store has not answered in time").waitFor({ state: "detached" });
});

test("a read-only token sees it all", { access: "read" }, async ({ page }) => {
  await page.getByRole("link", { name: "search-index" }).waitFor();
  await until("the chart", async () => (await rows(page, "Calls")).length === 180);
});

for (const dark of [false, true]) {
  test(`axe has nothing serious to say${dark ? ", in the dark" : ""}`, { dark }, async ({ page, harness }) => {
    harness.receiver.behave("/crm", "gone");
    await harness.call("POST", "/api/v1/notes", "hello", { "content-type": "text/plain" });
    await banner(page).getByText("legacy-crm").first().waitFor();
    await page.locator(".plot").first().waitFor();
    await rows(page, "Calls");
    await axe(page);
  });
}

test("it fits a phone", { phone: true }, async ({ page }) => {
  await page.locator(".plot").first().waitFor();
  for (const title of ["Calls", "Commit latency"]) await rows(page, title);
  await fitsScreen(page);
});
