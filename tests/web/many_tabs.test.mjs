// Many windows of one browser: it has six connections to a host (HTTP/1.1), and a stream takes one for as long as it lives.
import assert from "node:assert/strict";

import { live, suite, visitPage } from "./page.mjs";

const { test } = suite({ webhooks: false, broken: false });

/** More than there are connections. */
const WINDOWS = 8;

test("eight windows that are all seen work, and all hear what is new", { path: "#/events" }, async ({ page, context, harness, site }) => {
  const pages = [page];
  while (pages.length < WINDOWS) {
    const other = await context.newPage();
    await visitPage(other, site.url, "#/events", harness.token);
    pages.push(other);
  }
  assert.deepEqual(await Promise.all(pages.map((one) => one.evaluate(() => document.hidden))), pages.map(() => false), "all of them are seen");
  await harness.call("POST", "/api/v1/tasks", { title: "for all windows" });
  for (const one of pages) await one.locator(".list-body").getByText("task.created").waitFor();
  // One that goes makes room, and the others go on.
  await Promise.all(pages.splice(0, 4).map((one) => one.close()));
  await harness.call("POST", "/api/v1/notes", "for those that are left");
  for (const one of pages) await one.locator(".list-body").getByText("note.added").waitFor();
});

test("without locks (plain HTTP to another machine) a tab that is left makes room at once", { signedIn: false }, async ({ context, harness, site }) => {
  await context.addInitScript(() => Object.defineProperty(Navigator.prototype, "locks", { value: undefined }));
  for (let n = 0; n < WINDOWS; n += 1) {
    const page = await context.newPage();
    await visitPage(page, site.url, "#/events", harness.token);
    await live(page);
    await page.evaluate(() => {
      Object.defineProperty(document, "hidden", { value: true });
      document.dispatchEvent(new Event("visibilitychange"));
    });
  }
});

/** Three other windows have the streams: this one asks. */
async function withoutStream(page) {
  await page.clock.install();
  await page.addInitScript(() => {
    LockManager.prototype.request = async (/** @type {any[]} */ ...given) => given.at(-1)(null);
  });
}

test("a window that asks waits for an answer that takes longer than the time between two questions", { signedIn: false }, async ({ page, harness, visit }) => {
  await withoutStream(page);
  await page.reload();
  await visit("#/", harness.token);
  await page.locator("header.top").getByText("every 5 s").waitFor();
  const first = new Promise((resolve) => void page.route("**/v1/config", resolve));
  await page.getByRole("link", { name: "Configuration" }).click();
  const route = /** @type {import("playwright-core").Route} */ (await first);
  for (let n = 0; n < 3; n += 1) await page.clock.runFor(5_000);
  await route.continue();
  await page.getByText(/^Generation 1 is in force/).waitFor();
});

test("a window that asks for hours leaves nothing behind", { signedIn: false }, async ({ page, harness, visit }) => {
  await withoutStream(page);
  await page.addInitScript(() => {
    const listening = globalThis["listening"] = { n: 0 };
    const { addEventListener: add, removeEventListener: remove } = AbortSignal.prototype;
    AbortSignal.prototype.addEventListener = function (...given) { listening.n += 1; return Reflect.apply(add, this, given); };
    AbortSignal.prototype.removeEventListener = function (...given) { listening.n -= 1; return Reflect.apply(remove, this, given); };
  });
  await page.reload();
  await visit("#/rules", harness.token);
  await page.locator("header.top").getByText("every 5 s").waitFor();
  const asked = [];
  page.on("request", (request) => void asked.push(request.url()));
  for (let n = 0; n < 12; n += 1) await page.clock.runFor(5_000);
  assert.ok(asked.filter((url) => url.includes("/v1/status")).length > 5, `${asked.length} questions`);
  assert.ok(await page.evaluate(() => globalThis["listening"].n) <= 1, "listeners of questions that are long over");
});
