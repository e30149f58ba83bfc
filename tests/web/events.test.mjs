import assert from "node:assert/strict";

import { axe, fitsScreen, suite, until } from "./page.mjs";

const { test } = suite({ webhooks: false, broken: false, retry: '["1h"]' });

const rows = (page) => page.locator(".list-body [role=row]");
const row = (page, text) => rows(page).filter({ hasText: text });
const cut = (page) => rows(page).evaluateAll((all) => all.map((element) => [Number(element.getAttribute("aria-rowindex")), element.textContent]).sort(([a], [b]) => a - b));
const shown = async (page) => (await cut(page)).map(([, text]) => text);
const live = (page) => page.locator("header").getByText(/live$/).waitFor();
const echo = (harness, tail, headers) => harness.call("POST", `/api/v1/echo${tail}`, { n: 1 }, headers);
const some = (harness, n = 700) => harness.traffic(n, (i) => ["POST", `/api/v1/echo/some/${i}`, { i }]);
const task = (harness, body = {}) => harness.call("POST", "/api/v1/tasks", { title: "one", ...body });
/** The row that stands first below the list's head, and where, px. */
const reading = (page) => page.evaluate(() => {
  const edge = document.querySelector(".list-head").getBoundingClientRect().bottom;
  const first = [...document.querySelectorAll(".list-body [role=row]")].map((element) => [element, element.getBoundingClientRect().top]).filter(([, top]) => top >= edge).sort(([, a], [, b]) => a - b)[0];
  return { text: first[0].querySelector("a").getAttribute("aria-label"), top: Math.round(first[1]) };
});

test("without events the page says what would make one, and shows the first by itself", { path: "#/events" }, async ({ page, harness }) => {
  await page.getByRole("heading", { name: "No events yet" }).waitFor();
  await page.getByText("^/api/v1/tasks$").waitFor();
  await axe(page);
  await live(page);
  await task(harness, { id: "the-very-first" });
  await row(page, "the-very-first").waitFor();
  assert.equal(await page.getByText("No events yet").count(), 0);
});

test("a new event slides in at the top and its deliveries change in place", { path: "#/events" }, async ({ page, harness }) => {
  harness.receiver.behave("/billing", "html500");
  await task(harness);
  await rows(page).first().waitFor();
  await live(page);
  await harness.call("POST", "/api/v1/invoices", { number: "INV-live", total: 5 });
  const mine = row(page, "INV-live");
  await mine.getByText("1 pending").waitFor();
  assert.equal((await cut(page))[0][1], await mine.textContent(), "it is the first");
  const { data } = await harness.get("/v1/events?q=INV-live");
  const { deliveries } = await harness.get(`/v1/events/${data[0].id}`);
  await until("the attempt", async () => (await harness.get(`/v1/deliveries/${deliveries[0].id}`)).attempts.length > 0);
  await harness.made("POST", `/v1/deliveries/${deliveries[0].id}/cancel`);
  await mine.getByText("1 cancelled").waitFor();
  harness.receiver.behave("/billing", "ok");
  await harness.made("POST", `/v1/deliveries/${deliveries[0].id}/retry`);
  await mine.getByText("1 delivered").waitFor();
  // The same of a row that was there when the page was loaded.
  await page.reload();
  await mine.getByText("1 delivered").waitFor();
  await live(page);
  harness.receiver.behave("/billing", "html500");
  await harness.made("POST", `/v1/deliveries/${deliveries[0].id}/retry`);
  await mine.getByText("1 delivered").waitFor({ state: "detached" });
  harness.receiver.behave("/billing", "ok");
});

test("while it is paused nothing moves, and it says how many are new", { path: "#/events" }, async ({ page, harness }) => {
  await task(harness, { id: "before-the-pause" });
  await row(page, "before-the-pause").waitFor();
  await live(page);
  await page.getByRole("button", { name: "Pause" }).click();
  const before = await shown(page);
  for (let n = 0; n < 3; n++) await task(harness, { id: `paused-${n}` });
  await page.getByText("Paused, 3 new").waitFor();
  assert.deepEqual(await shown(page), before);
  await page.getByRole("button", { name: "Resume" }).click();
  await row(page, "paused-2").waitFor();
  await page.getByRole("button", { name: "Pause" }).waitFor();
  assert.match((await shown(page))[0], /paused-2/);
  assert.match((await shown(page))[2], /paused-0/);
  assert.equal(await page.getByText("Paused,").count(), 0);
});

test("filters stand in the address, and another tab with it shows the same", { path: "#/events", allow: [/status of 400/] }, async ({ page, harness, context, site }) => {
  await echo(harness, "/teapot?status=203");
  await echo(harness, "/cup?status=200");
  await task(harness, { id: "not-asked-for" });
  await row(page, "not-asked-for").waitFor();
  await page.getByLabel("Event", { exact: true }).fill("echo.posted");
  await page.getByLabel("Response", { exact: true }).fill("203");
  await page.getByLabel("Time", { exact: true }).selectOption("last hour");
  await page.getByLabel("Search", { exact: true }).fill("TEA");
  await page.waitForURL((url) => url.hash.includes("q=TEA"));
  await until("one row", async () => (await rows(page).count()) === 1 && (await row(page, "/teapot").count()) === 1);
  assert.deepEqual(Object.fromEntries(new URLSearchParams(new URL(page.url()).hash.split("?")[1])), { q: "TEA", label: "echo.posted", code: "203", since: "1h" });

  const other = await context.newPage();
  await other.goto(`${site.url}/#token=${harness.token}`);
  await other.locator("nav").waitFor();
  await other.goto(page.url());
  await row(other, "/teapot").waitFor();
  assert.deepEqual(await shown(other), await shown(page));
  assert.equal(await other.getByLabel("Search", { exact: true }).inputValue(), "TEA");
  assert.equal(await other.getByLabel("Time", { exact: true }).inputValue(), "1h");
  // What the page cannot judge is asked for: it comes by itself, too.
  await live(other);
  await echo(harness, "/steam?status=203");
  await row(other, "/steam").waitFor();
  await other.close();

  await page.getByLabel("Response", { exact: true }).fill("999");
  await page.getByLabel("Response", { exact: true }).blur();
  await page.getByText("A code is 100 to 599").waitFor();
  await page.getByLabel("Event", { exact: true }).fill("no spaces");
  await page.getByText("A label has letters").waitFor();
  await page.getByRole("button", { name: "Clear filters" }).click();
  await row(page, "not-asked-for").waitFor();
  assert.ok(page.url().endsWith("#/events"), page.url());
  assert.equal(await page.getByLabel("Event", { exact: true }).inputValue(), "");
});

test("nothing fits: it says so and leads back", { path: "#/events?label=customer.removed" }, async ({ page, harness }) => {
  await page.getByRole("heading", { name: "No event fits these filters" }).waitFor();
  await axe(page);
  await live(page);
  await task(harness, { id: "does-not-fit" });
  await harness.call("DELETE", "/api/v1/customers/77?confirm=yes");
  // The harness's upstream knows no customers: the rule is never hit, so nothing may come.
  await page.getByRole("button", { name: "Clear filters" }).last().click();
  await row(page, "does-not-fit").waitFor();
});

test("filters by state and webhook follow what becomes of deliveries", { path: "#/events" }, async ({ page, harness, visit }) => {
  harness.receiver.behave("/billing", "html500");
  await harness.call("POST", "/api/v1/invoices", { number: "INV-cancelled", total: 5 });
  const billing = await harness.webhook("billing");
  const { data: [event] } = await harness.get("/v1/events?q=INV-cancelled");
  await visit(`#/events?status=cancelled&webhook=${billing.id}`);
  await page.getByText("No event fits").waitFor();
  await live(page);
  const { deliveries } = await harness.get(`/v1/events/${event.id}`);
  await harness.made("POST", `/v1/deliveries/${deliveries[0].id}/cancel`);
  await row(page, "INV-cancelled").waitFor();
  assert.equal(await page.getByLabel("For webhook").locator("option:checked").textContent(), "billing");
  harness.receiver.behave("/billing", "ok");
});

test("a whole id leads to its event, in any spelling; an unknown one is told", { path: "#/events", allow: [/status of 404/] }, async ({ page, harness, visit }) => {
  await harness.call("POST", "/api/v1/invoices", { number: "INV-byid", total: 5 });
  const { data: [event] } = await harness.get("/v1/events?q=INV-byid");
  const { deliveries: [delivery] } = await harness.get(`/v1/events/${event.id}`);
  for (const id of [event.id, event.id.slice(4).toUpperCase(), delivery.id, `del_${delivery.id.replaceAll("-", "")}`]) {
    await visit("#/events");
    await page.getByLabel("Search", { exact: true }).fill(` ${id} `);
    await page.waitForURL((url) => url.hash.startsWith(`#/events/${event.id}`));
  }
  await visit("#/events");
  await page.getByLabel("Search", { exact: true }).fill("evt_00000000000000000000000000000000");
  await page.getByText("There is no event and no delivery with this id").waitFor();
  assert.equal(await page.getByLabel("Search", { exact: true }).getAttribute("aria-invalid"), "true");
});

test("who types on while an id is looked for stays where he is", { path: "#/events" }, async ({ page, harness }) => {
  await task(harness, { id: "typed-on" });
  const { data: [event] } = await harness.get("/v1/events?q=typed-on");
  const asked = new Promise((resolve) => void page.route("**/v1/history/*", resolve, { times: 1 }));
  await page.getByLabel("Search", { exact: true }).fill(event.id);
  const route = /** @type {import("playwright-core").Route} */ (await asked);
  await page.getByLabel("Search", { exact: true }).fill("typed-on");
  await page.waitForURL((url) => url.hash.includes("q=typed-on"));
  await route.continue().catch(() => {}); // It may have been given up.
  await row(page, "typed-on").waitFor();
  assert.ok(page.url().endsWith("#/events?q=typed-on"), page.url());
});

test("exact times include their beginning and leave out their end", { path: "#/events" }, async ({ page, harness, visit }) => {
  await task(harness, { id: "in-time" });
  const { data: [event] } = await harness.get("/v1/events?q=in-time");
  const until = new Date(Date.parse(event.created_at) + 1).toISOString();
  await visit(`#/events?since=${event.created_at}&until=${until}`);
  await row(page, "in-time").waitFor();
  assert.equal(await rows(page).count(), 1);
  await page.getByText("The time chosen is over").waitFor();
  await visit(`#/events?until=${event.created_at}`);
  await rows(page).first().waitFor();
  assert.equal(await row(page, "in-time").count(), 0);
  // Local time: the context is in Berlin.
  const local = await page.getByLabel("Until (local time)").inputValue();
  assert.equal(new Date(`${local}Z`).getTime() - Math.floor(Date.parse(event.created_at) / 1000) * 1000, 3_600_000);
});

test("a search that finds nothing stops, says how far it has looked, and goes on when told to", { path: "#/events" }, async ({ page, harness, visit }) => {
  await task(harness, { id: "found-at-last" });
  let isLong = true;
  await page.route(/\/v1\/events\?.*q=found-at-last/, async (route) => {
    // As sidehook answers in a store of millions: nothing yet, and where to go on.
    if (isLong) await route.fulfill({ json: { data: [], next: "ffffffff-0" } });
    else await route.continue();
  });
  await visit("#/events?q=found-at-last");
  await page.getByText("Nothing found so far").waitFor();
  assert.equal(await page.locator(".empty time").count(), 1);
  isLong = false;
  await page.getByRole("button", { name: "Look further back" }).click();
  await row(page, "found-at-last").waitFor();
});

test("what a caller sends is text, whatever it is", { path: "#/events" }, async ({ page, harness }) => {
  const hostile = ["<img src=x onerror=alert(1)>", "\"><script>alert(2)</script>", "javascript:alert(3)", "a\u202Eexe.txt\n\u0000", `long-${"x".repeat(3000)}`];
  for (const [n, id] of hostile.entries()) await harness.call("POST", "/api/v1/invoices", { number: `hostile-${n} ${id}`, total: 1 });
  await echo(harness, "/%3Cscript%3Ealert(4)%3C/script%3E\"'{{7*7}}${7*7}?q=%22onload=alert(5)");
  await row(page, "onload=").waitFor();
  for (const [n, id] of hostile.entries()) {
    const text = await row(page, `hostile-${n}`).textContent();
    assert.ok(text.includes(id.slice(0, 9)), `${id} in ${text}`);
  }
  assert.equal(await page.locator("main img, main script, main iframe, main a[href^=javascript]").count(), 0);
  await fitsScreen(page);
  await page.setViewportSize({ width: 390, height: 844 });
  await fitsScreen(page);
});

test("ten thousand events: to the end by wheel and by keyboard, few rows in the document, nothing jumps", async ({ page, harness, visit }) => {
  await harness.traffic(10_000, (n) => ["POST", `/api/v1/echo/many/${n}`, { n }]);
  await visit("#/events?label=echo.posted");
  await until("a row", async () => (await rows(page).count()) > 0);
  const most = { n: 0 };
  const look = async () => { most.n = Math.max(most.n, await rows(page).count()); };
  await page.mouse.move(640, 500);
  await until("the end of the list", async () => {
    await page.mouse.wheel(0, 40_000);
    await look();
    return (await page.getByText("that is all").count()) > 0;
  }, 60_000);
  await page.mouse.wheel(0, 1_000_000);
  const all = Number((await page.getByText("that is all").textContent()).match(/^[\d,]+/)[0].replace(",", ""));
  assert.ok(all >= 10_000, `${all} events`);
  await until("the last row", async () => (await cut(page)).at(-1)[0] === all + 1);
  assert.equal(await page.getByRole("table").getAttribute("aria-rowcount"), String(all + 1));
  await look();
  assert.ok(most.n > 5 && most.n < 100, `${most.n} rows at most`);

  // Reading stays undisturbed while more comes in; the button lets it in.
  const place = await reading(page);
  await live(page);
  for (let n = 0; n < 5; n++) await echo(harness, `/late/${n}`);
  await page.getByRole("button", { name: "5 new events" }).waitFor();
  assert.deepEqual(await reading(page), place);
  await page.getByRole("button", { name: "5 new events" }).click();
  await row(page, "/late/4").waitFor();
  assert.equal(await page.evaluate(() => scrollY), 0);

  await rows(page).first().getByRole("link").focus();
  const at = () => page.evaluate(() => Number(document.activeElement.closest("[role=row]").getAttribute("aria-rowindex")) - 2);
  const inSight = () => page.evaluate(() => {
    const { top, bottom } = document.activeElement.closest("[role=row]").getBoundingClientRect();
    return top >= document.querySelector(".list-head").getBoundingClientRect().bottom - 1 && bottom <= innerHeight + 1;
  });
  for (const [key, expected] of [["ArrowDown", 1], ["ArrowDown", 2], ["ArrowUp", 1]]) {
    await page.keyboard.press(key);
    await until(`row ${expected} after ${key}`, async () => (await at()) === expected);
  }
  await page.keyboard.press("PageDown");
  await until("a page further", async () => (await at()) > 5);
  await page.keyboard.press("End");
  await until("the last row by the keyboard", async () => (await at()) === all + 4 && await inSight());
  await look();
  await page.keyboard.press("PageUp");
  await until("a page back", async () => (await at()) < all && await inSight());
  await page.keyboard.press("Home");
  await until("the first row", async () => (await at()) === 0 && await inSight());
  assert.ok(most.n < 100, `${most.n} rows at most`);
});

test("a phone that is turned shows the same row", async ({ page, harness, visit }) => {
  await some(harness);
  await visit("#/events?label=echo.posted");
  await until("some way down", () => page.evaluate(() => { scrollTo(0, 20_000); return scrollY === 20_000; }));
  await until("the rows there", async () => (await reading(page)).top < 300);
  const before = await reading(page);
  // Something comes to stand above the list, as the banner does.
  await page.evaluate(() => {
    const above = document.createElement("div");
    above.style.height = "150px";
    document.querySelector("main").prepend(above);
  });
  await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
  assert.deepEqual(await reading(page), before);
  await page.setViewportSize({ width: 390, height: 844 });
  await until("higher rows", () => rows(page).first().evaluate((element) => element.getBoundingClientRect().height > 80));
  const index = (text) => page.getByRole("link", { name: text, exact: true }).evaluate((link) => link.getBoundingClientRect().top);
  await until("the same row at the top", async () => (await index(before.text)) < 300);
});

test("who comes back from an event finds the list as it was left", async ({ page, harness, visit }) => {
  await some(harness);
  await visit("#/events?label=echo.posted");
  await rows(page).first().waitFor();
  await until("some way down", () => page.evaluate(() => { scrollTo(0, 25_000); return scrollY === 25_000; }));
  await until("a row with the focus", () => page.evaluate(() => {
    const isSeen = (link) => link.getBoundingClientRect().top > 200 && link.getBoundingClientRect().top < 600;
    const link = [...document.querySelectorAll(".list-body a")].find(isSeen);
    link?.focus({ preventScroll: true });
    return link !== undefined && document.activeElement === link;
  }));
  const before = await page.evaluate(() => document.activeElement.getAttribute("href"));
  await page.keyboard.press("ArrowDown");
  await page.waitForFunction((href) => (document.activeElement?.getAttribute("href") ?? href) !== href, before);
  const open = await page.evaluate(() => document.activeElement.getAttribute("href"));
  const place = await reading(page);
  await page.keyboard.press("Enter");
  await page.waitForURL((url) => url.hash.startsWith(open));
  await echo(harness, "/meanwhile");
  await page.goBack();
  await until("the same place", async () => (await rows(page).count()) > 0 && JSON.stringify(await reading(page)) === JSON.stringify(place));
  await until("the focus", () => page.evaluate((href) => document.activeElement.getAttribute("href") === href, open));
  await page.getByRole("button", { name: "1 new event" }).waitFor();
});

test("rows that come and go above what is read do not move it", { path: "#/events" }, async ({ page }) => {
  await page.evaluate(async () => {
    const { html, render } = await import(new URL("assets/lib.mjs", document.baseURI).href);
    const { List } = await import(new URL("assets/ui/list.mjs", document.baseURI).href);
    document.getElementById("app").hidden = true;
    const box = document.body.appendChild(document.createElement("div"));
    globalThis["draw"] = (from, to) => {
      const all = Array.from({ length: to - from }, (_, i) => from + i);
      render(html`<${List} rows=${all} keyOf=${String} hrefOf=${() => "#/"} nameOf=${String} rowHeight=${40} label="Numbers" isComplete
        columns=${[{ key: "n", title: "Number", cell: String, isLink: true }]} />`, box);
    };
    globalThis["draw"](1000, 2000);
  });
  const read = () => page.evaluate(() => {
    const edge = [...document.querySelectorAll(".list-head")].at(-1).getBoundingClientRect().bottom;
    const [top, text] = [...document.querySelectorAll("body > div:last-child .list-body [role=row]")].map((row) => [row.getBoundingClientRect().top, row.textContent.trim()]).filter(([top]) => top >= edge).sort(([a], [b]) => a - b)[0];
    return [Math.round(top - edge), text];
  });
  await until("row 1300", async () => { await page.evaluate(() => scrollTo(0, 12_010)); return Number((await read())[1]) > 1295; });
  const before = await read();
  for (const [from, to] of [[900, 2000], [0, 2000], [0, 5000], [500, 5000]]) {
    await page.evaluate(([from, to]) => globalThis["draw"](from, to), [from, to]);
    await until(`the same row of ${from} to ${to}`, async () => JSON.stringify(await read()) === JSON.stringify(before));
  }
  // At the top they slide in.
  await page.evaluate(() => scrollTo(0, 0));
  await until("the top", async () => (await read())[1] === "500");
  await page.evaluate(() => globalThis["draw"](400, 5000));
  await until("the new ones", async () => (await read())[1] === "400");
});

test("a list that is open for weeks keeps a bounded number of events", { path: "#/events" }, async ({ page }) => {
  const kept = await page.evaluate(async () => {
    const { Feed, N_MAX } = await import(new URL("assets/pages/events_feed.mjs", document.baseURI).href);
    const feed = new Feed({ q: "", label: "", status: "", code: "", webhook: "", since: "", until: "" });
    const event = (n) => ({ id: `evt_${n}`, label: "a", tag: null, subject: null, method: "POST", url: "/", status: 200,
      created_at: new Date(1_800_000_000_000 + n).toISOString(), deliveries: { pending: 1, held: 0, delivered: 0, failed: 0, cancelled: 0 } });
    for (let n = 0; n < N_MAX + 5_000; n += 100) feed.take({ event: Array.from({ length: 100 }, (_, i) => event(n + i)), delivery: [], webhook: [] });
    const grown = { n: feed.rows.length, newest: feed.rows[0].id, letGo: feed.nLetGo };
    feed.pause(true);
    for (let n = 0; n < 9_000; n += 100) feed.take({ event: Array.from({ length: 100 }, (_, i) => event(50_000 + n + i)), delivery: [], webhook: [] });
    return { ...grown, max: N_MAX, nNew: feed.nNew, still: feed.rows[0].id };
  });
  assert.deepEqual(kept, { n: 20_000, max: 20_000, newest: "evt_24999", letGo: 5_000, nNew: 9_000, still: "evt_24999" });
});

test("a restart under the list: what came meanwhile is there", { path: "#/events", allow: [/net::ERR_/, /Failed to fetch/] }, async ({ page, harness }) => {
  await task(harness);
  await rows(page).first().waitFor();
  await live(page);
  await harness.kill();
  await page.getByText("sidehook does not answer").waitFor();
  await harness.run();
  await task(harness, { id: "after-the-restart" });
  await row(page, "after-the-restart").waitFor();
});

for (const [name, options] of Object.entries({
  "desktop, light": {}, "desktop, dark": { dark: true }, "phone, light": { phone: true }, "phone, dark": { phone: true, dark: true },
})) {
  test(`accessible and no wider than the screen: ${name}`, { path: "#/events", access: "read", ...options }, async ({ page, harness }) => {
    await task(harness);
    await rows(page).first().waitFor();
    await axe(page);
    await fitsScreen(page);
    if (options.phone) await page.getByText("Filters: none").click();
    await page.getByLabel("Time", { exact: true }).selectOption("exact times ...");
    await page.getByLabel("From (local time)").waitFor();
    await axe(page);
    await fitsScreen(page);
  });
}
