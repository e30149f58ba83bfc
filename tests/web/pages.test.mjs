// What holds for all pages together: one gets everywhere by keyboard, and none of them minds that sidehook goes and comes.
import assert from "node:assert/strict";

import { AWAY, live, loaded, open, suite, until, visitPage } from "./page.mjs";

const { test } = suite({ broken: false });

const pagesOf = (webhook, event) => ["#/", "#/events", `#/events/${event}`, "#/webhooks", `#/webhooks/${webhook}`, `#/webhooks/${webhook}/edit`,
  "#/webhooks/new", "#/rules", "#/rules/test", "#/configuration"];

const isAway = (page) => page.locator(".banner").getByText("sidehook does not answer", { exact: true });

async function anEvent(harness) {
  await harness.call("POST", "/api/v1/tasks", { title: "Call the plumber" });
  const { data } = await harness.get("/v1/events?label=task.created&limit=1");
  return data[0].id;
}

test("a killed server is told on every page, and every page goes on when it is back", { allow: AWAY }, async ({ context, harness, site }) => {
  const tabs = [];
  for (const where of pagesOf((await harness.webhook("audit-log")).id, await anEvent(harness))) {
    // A browser has six connections to a server, and each page that is seen keeps one: so each has a browser of its own.
    const { page: tab, ...own } = await open(context.browser(), site.url, { allow: AWAY });
    await visitPage(tab, site.url, where, harness.token);
    await live(tab);
    await loaded(tab);
    const heading = tab.getByRole("heading", { level: 1 });
    tabs.push({ ...own, tab, where, heading, title: await heading.innerText() });
  }
  assert.equal(new Set(tabs.map(({ title }) => title)).size, tabs.length, "each page is another");
  await harness.kill();
  for (const { tab } of tabs) await isAway(tab).waitFor();
  for (const { heading, title } of tabs) assert.equal(await heading.innerText(), title, "what was shown stays");
  await harness.run();
  for (const { tab, where, heading, title, problems, context: own } of tabs) {
    await isAway(tab).waitFor({ state: "detached" });
    await live(tab);
    assert.equal(await heading.innerText(), title);
    for (const failure of ["This page failed", "Could not load"]) assert.equal(await tab.getByText(failure).count(), 0, where);
    assert.deepEqual(problems(), [], where);
    await own.close();
  }
});

test("a status that does not come is told in the words of who refuses it", { allow: [/status of 502/] }, async ({ page }) => {
  await live(page);
  await page.route("**/v1/status", (route) => route.fulfill({ status: 502, contentType: "text/html", body: "<h1>Bad Gateway</h1>" }));
  await page.locator(".banner").getByText("the server answered 502").waitFor();
  assert.equal(await page.getByText("does not answer").count(), 0);
  await page.unroute("**/v1/status");
  await page.locator(".banner").waitFor({ state: "detached" });
});

test("who waits at a server that is gone can sign out, and signs in again when it is back", { allow: AWAY }, async ({ page, harness }) => {
  await live(page);
  await harness.down();
  await isAway(page).waitFor();
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByLabel("Admin token").fill(harness.token);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByText("Is it running").waitFor();
  await harness.run();
  await page.getByRole("button", { name: "Sign in" }).click();
  await live(page);
});

/** Presses Tab until what has the focus is called `name`; every stop on the way must be seen. */
async function tabTo(page, name) {
  const passed = [];
  for (let n = 0; n < 150; n++) {
    await page.keyboard.press("Tab");
    const at = await page.evaluate(() => {
      const element = /** @type {HTMLElement} */ (document.activeElement);
      // The page itself has it after a change of pages, without a mark: it is no stop of the keyboard's.
      if (!element || element === document.body || element.id === "main") return null;
      const { top, bottom, left, right, width } = element.getBoundingClientRect();
      // The element itself shows it, or the row that it opens.
      const around = [element, element.closest("[role=row]")].filter((shown) => shown !== null).map((shown) => getComputedStyle(shown));
      return {
        name: (element.getAttribute("aria-label") ?? element.closest("label")?.textContent ?? element.textContent ?? "").trim().slice(0, 80),
        isOnScreen: bottom > 0 && top < innerHeight && right > 0 && left < innerWidth && width > 0,
        isMarked: around.some((style) => style.outlineStyle !== "none" || style.boxShadow !== "none"),
      };
    });
    if (!at) continue;
    passed.push(at.name);
    assert.ok(at.isOnScreen, `the focus is off the screen at "${at.name}"`);
    assert.ok(at.isMarked, `nothing shows the focus at "${at.name}"`);
    if (typeof name === "string" ? at.name === name : name.test(at.name)) return;
  }
  assert.fail(`Tab does not come to ${name}; it came by ${JSON.stringify([...new Set(passed)])}`);
}

const title = (page, name) => page.getByRole("heading", { level: 1 }).filter({ hasText: name }).waitFor();

test("every page is reached and used by keyboard alone", { signedIn: false, reducedMotion: "reduce" }, async ({ page, harness }) => {
  const { keyboard } = page;
  const press = async (name, key = "Enter") => {
    await tabTo(page, name);
    await keyboard.press(key);
  };
  await anEvent(harness);
  await until("the field to have the focus", () => page.evaluate(() => document.activeElement?.tagName === "INPUT"));
  await keyboard.type(harness.token);
  await keyboard.press("Enter");
  await title(page, "Overview");

  await press("Skip to the page");
  await until("the focus in the page", () => page.evaluate(() => document.activeElement?.id === "main"));
  await press("Events");
  await title(page, "Events");
  await press(/^POST \/api\/v1\/tasks/);
  await title(page, "task.created");
  await press(/What the receiver gets/, "Space");
  await page.getByText("curl").first().waitFor();
  await press(/^Replay to/);
  await page.getByRole("dialog").waitFor();
  await keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  await until("the focus to be back where it was", () => page.evaluate(() => /^Replay to/.test(document.activeElement?.textContent?.trim() ?? "")));

  await press("Webhooks");
  await title(page, "Webhooks");
  await press("audit-log");
  await title(page, "audit-log");
  await press("Webhooks");
  await title(page, "Webhooks");
  await press("New webhook");
  await title(page, "New webhook");

  await press("Rules");
  await title(page, "Rules");
  await press(/test/i);
  await page.waitForURL(/#\/rules\/test/);
  await press("Configuration");
  await title(page, "Configuration");
  await press("Sign out");
  await page.getByLabel("Admin token").waitFor();
});

test("where one is and what is chosen can be seen in the system's colours", { path: "#/" }, async ({ page }) => {
  await page.emulateMedia({ forcedColors: "active" });
  await page.getByRole("meter", { name: "Store" }).waitFor();
  const ground = (selector) => page.locator(selector).first().evaluate((element) => getComputedStyle(element).backgroundColor);
  for (const [chosen, other] of [[".top nav a[aria-current]", ".top nav a:not([aria-current])"], [".choice [aria-pressed=true]", ".choice [aria-pressed=false]"], [".meter span", ".meter"]]) {
    assert.notEqual(await ground(chosen), await ground(other), chosen);
  }
});
