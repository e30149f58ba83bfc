// Pages in a real Chromium before a real sidehook, and what every test of one holds them to: no error on the console,
// nothing against the content security policy, nothing asked of another origin, no dialog of the browser.
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { after, before, test as nodeTest } from "node:test";
import { chromium } from "playwright-core";

import { WEB, startDev } from "./dev.mjs";
import { ROOT, start, until } from "./harness.mjs";

export { until };

/** Longer than anything takes on a slow machine; reached only where something is broken, ms. */
const PATIENCE = 40_000;

const DESKTOP = { width: 1280, height: 800 };
export const PHONE = { width: 390, height: 844 };

const CHROMIUM = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const SWITCHES = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
  "--disable-dev-shm-usage"];

/** Chromium of the distribution, or of SIDEHOOK_CHROMIUM. */
export async function launch() {
  const executablePath = process.env.SIDEHOOK_CHROMIUM ?? CHROMIUM.find((name) => existsSync(name));
  if (!executablePath) throw new Error("there is no Chromium: install the package `chromium`, or name one in SIDEHOOK_CHROMIUM");
  // Root has no user namespace to build the sandbox in.
  const asRoot = process.getuid?.() === 0 ? ["--no-sandbox"] : [];
  return chromium.launch({ executablePath, headless: true, args: [...SWITCHES, ...asRoot] });
}

/**
 * The address of the dashboard before `harness`: its own, where the binary holds the very pages that are on the disk;
 * otherwise those of the disk, so that nobody tests what he did not write. With SIDEHOOK_WEB=embedded a binary of other
 * pages is an error.
 */
export async function dashboardOf(harness) {
  const other = await firstOther(harness);
  if (other === null) return { url: harness.admin, stop: async () => {} };
  if (process.env.SIDEHOOK_WEB === "embedded") throw new Error(`the binary has another ${other} than src/dashboard/web: build it`);
  return startDev(harness.admin);
}

/** The first file that is not embedded as it is on the disk. */
async function firstOther(harness) {
  const files = readdirSync(WEB, { recursive: true }).map(String).filter((name) => /\.(html|css|mjs|svg)$/.test(name));
  for (const name of files) {
    const { status, body } = await harness.raw("GET", name === "index.html" ? "/" : `/assets/${name}`);
    if (status !== 200 || !isTold(body, readFileSync(path.join(WEB, name), "utf8"))) return name;
  }
  return null;
}

/** Line for line the file: what is served has empty lines for remarks, and no types (src/admin/remarks.rs). */
function isTold(served, file) {
  const [told, written] = [served, file].map((text) => text.replaceAll(/\/\*\* @((?!\*\/).)*\*\/ ?/g, "").split("\n"));
  return told.length === written.length && told.every((line, i) => line === written[i] || line === "");
}

/**
 * A file of tests: one sidehook and one browser for all of them, started before the first and ended after the last.
 * Gives `test(name, options, async ({ page, harness, site, visit, allow, context, problems }) => ...)`; each has a browser
 * context of its own. Options, all of which may be left out:
 * - `path`: where the page begins ("#/events"); `signedIn: false`: at the sign-in form; `access: "read"`;
 * - `phone`, `dark`; `allow: [/status of 422/]`: messages on the console that the test provokes.
 * @param {Parameters<typeof start>[0]} [options] of the harness
 */
export function suite(options) {
  const shared = {};
  before(async () => {
    shared.harness = await start(options);
    shared.site = await dashboardOf(shared.harness);
    shared.browser = await launch();
  });
  after(async () => {
    await shared.browser?.close();
    await shared.site?.stop();
    await shared.harness?.stop();
  });
  const test = (name, ...rest) => {
    const body = rest.pop();
    nodeTest(name, { timeout: 300_000 }, () => inPage(shared, name, rest[0] ?? {}, body));
  };
  return { test };
}

async function inPage({ browser, harness, site }, name, options, body) {
  // The test before may have left it down.
  if (!harness.isRunning) await harness.run();
  const { context, page, problems, allow } = await open(browser, site.url, options);
  const visit = (where, token) => visitPage(page, site.url, where, token);
  try {
    if (options.signedIn === false) await page.goto(`${site.url}/${options.path ?? ""}`);
    else await visit(options.path ?? "#/", options.access === "read" ? harness.readToken : harness.token);
    await body({ page, context, harness, site, visit, allow, problems });
    assert.deepEqual(problems(), [], "the page did what no page may");
  } catch (error) {
    const picture = await keepPicture(page, name);
    error.message += `\n(${page.url()}; picture: ${picture}; on the console: ${JSON.stringify(problems())})`;
    throw error;
  } finally {
    await context.close();
  }
}

/** A new context with one page; others that it opens are held to the same. `problems()`: what it did that no page may, beside what `allow` was told of. */
export async function open(browser, url, { phone = false, dark = false, allow: allowed = [], reducedMotion = "reduce", scale = 1 } = {}) {
  const context = await browser.newContext({
    viewport: phone ? PHONE : DESKTOP,
    deviceScaleFactor: scale,
    colorScheme: dark ? "dark" : "light",
    locale: "en-GB",
    timezoneId: "Europe/Berlin",
    reducedMotion,
    isMobile: phone,
    hasTouch: phone,
  });
  context.setDefaultTimeout(PATIENCE);
  const found = [];
  const allowances = [...allowed];
  context.on("page", (page) => watch(page, new URL(url).origin, found));
  await context.exposeFunction("sidehookTestViolation", (text) => void found.push(`content security policy: ${text}`));
  await context.addInitScript(() => {
    addEventListener("securitypolicyviolation", (e) => globalThis["sidehookTestViolation"](`${e.violatedDirective} ${e.blockedURI} ${e.sourceFile}:${e.lineNumber}`));
  });
  const page = await context.newPage();
  const problems = () => found.filter((text) => !allowances.some((pattern) => pattern.test(text)));
  return { context, page, problems, allow: (...patterns) => void allowances.push(...patterns) };
}

function watch(page, origin, found) {
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") found.push(`${message.type()}: ${message.text()} ${message.location().url ?? ""}`);
  });
  page.on("pageerror", (error) => found.push(`error: ${error.stack ?? error}`));
  page.on("dialog", (dialog) => {
    found.push(`dialog: ${dialog.message()}`);
    dialog.dismiss().catch(() => {});
  });
  page.on("popup", (popup) => found.push(`window: ${popup.url()}`));
  page.on("request", (request) => {
    const asked = new URL(request.url());
    if (asked.origin !== origin && asked.protocol !== "data:" && asked.protocol !== "blob:") found.push(`asked of another origin: ${request.url()}`);
  });
}

/** What Chromium writes to the console where sidehook is not there. */
export const AWAY = [/net::ERR_/, /Failed to fetch/];

/** Goes to `where` ("#/events") as whoever has `token`. */
export async function visitPage(page, url, where, token) {
  if (token) {
    await page.goto(`${url}/#token=${encodeURIComponent(token)}`);
    await page.locator("nav").waitFor();
  }
  // The address only changes behind its `#`: no new document.
  await page.evaluate((hash) => void (location.hash = hash), where);
  await page.locator("main h1, main [role=alert]").first().waitFor();
}

/** Waits until nothing of the page is being loaded. @param {import("playwright-core").Page} page */
export const loaded = (page) => until("the page to be loaded", () => page.evaluate(() => !/Loading /.test(document.querySelector("main")?.textContent ?? "Loading ")));

/** Waits until changes arrive live. @param {import("playwright-core").Page} page */
export const live = (page) => page.locator("header.top").getByRole("status").filter({ hasText: "live" }).waitFor();

async function keepPicture(page, name) {
  const folder = path.join(ROOT, "target/web-failures");
  mkdirSync(folder, { recursive: true });
  const file = path.join(folder, `${name.replace(/[^a-z0-9]+/gi, "-").slice(0, 80)}.png`);
  await page.screenshot({ path: file, timeout: 5000 }).catch(() => {});
  return path.relative(ROOT, file);
}

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/**
 * Holds what is shown against the rules of axe-core (WCAG 2.2 A and AA, and its best practices); fails at an impact of
 * serious or critical. Gives how many rules held, and what is less than serious.
 * @param {import("playwright-core").Page} page
 */
export async function axe(page) {
  // By the debugger, to which the page's content security policy does not apply.
  const session = await page.context().newCDPSession(page);
  await session.send("Runtime.evaluate", { expression: AXE });
  await session.detach();
  const { violations, passes } = await page.evaluate(() => globalThis["axe"].run(document, { resultTypes: ["violations"] }));
  const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
  const shown = serious.map(({ id, impact, help, nodes }) =>
    `${impact} ${id}: ${help}\n${nodes.slice(0, 6).map(({ html, failureSummary }) => `    ${html.slice(0, 200)}\n      ${failureSummary.replaceAll("\n", "\n      ")}`).join("\n")}`);
  assert.equal(shown.length, 0, `axe found:\n  ${shown.join("\n  ")}`);
  return { held: passes.length, minor: violations.map(({ id }) => id) };
}

/** That nothing is wider than the screen: no sideways scrolling of the whole page. @param {import("playwright-core").Page} page */
export async function fitsScreen(page) {
  const wide = await page.evaluate(() => {
    const room = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= room) return null;
    const over = [...document.querySelectorAll("body *")].filter((element) => element.getBoundingClientRect().right > room + 1);
    return `${document.documentElement.scrollWidth} px in ${room} px: ${over.slice(0, 5).map((element) => element.outerHTML.slice(0, 160)).join(" | ")}`;
  });
  assert.equal(wide, null, `the page is wider than the screen`);
}

