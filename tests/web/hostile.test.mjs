// Whatever a client, an upstream or a receiver sends: on every page it is text, and nothing else.
import assert from "node:assert/strict";

import { PHONE, axe, fitsScreen, loaded, suite, until } from "./page.mjs";

const SCRIPT = "<script>alert('ran')</script>";
const IMAGE = `"><img src=/hostile-probe onerror=alert('ran')>`;
const RIGHT_TO_LEFT = "\u202Egnp.egami\u202C\u2066txt";
const LONG = "x".repeat(100_000);
const DEEP = "[".repeat(5000) + '"bottom"' + "]".repeat(5000);
const WIDE_NAME = "w".repeat(128);

const rule = (label, path, more = "") => `
[[event]]
label = "${label}"
tag = "<img src=/hostile-probe onerror=alert('tag')>"
method = "POST"
url = '^/api/v1/echo/${path}'
${more}
`;
const RULES = [
  rule("hostile.subject", "subject", "subject = 'request.body.subject'"),
  rule("hostile.condition", "condition", `when = 'request.body.name == "<script>alert(1)</script>" or request.body.missing + 1 > 0'`),
  rule(`wide.${"l".repeat(90)}`, "wide"),
].join("");

const { test } = suite({ webhooks: false, broken: false, maxBody: "256KiB", retry: "[]", extra: RULES });

const json = (path, text, headers = {}) => ["POST", `/api/v1/echo/${path}`, text, { "content-type": "application/json", ...headers }];
const CALLS = [
  json(SCRIPT, JSON.stringify({ [SCRIPT]: SCRIPT, [IMAGE]: IMAGE, link: "javascript:alert('ran')" }), { "x-note": SCRIPT, "user-agent": IMAGE }),
  json(`?q=${IMAGE.replaceAll(" ", "%20")}&next=javascript:alert(1)`, "{}"),
  json("%00%E2%80%AEgnp", JSON.stringify({ name: RIGHT_TO_LEFT, zero: "\u0000", half: "\ud800", line: "\u2028" })),
  json("a".repeat(7000), JSON.stringify({ ["k".repeat(3000)]: 1 })),
  json("long", JSON.stringify({ line: LONG })),
  json("deep", DEEP),
  json("proto", '{"__proto__": {"polluted": true}, "constructor": {"prototype": {"polluted": true}}, "hasOwnProperty": 1, "toString": "x", "length": -1}'),
  json("subject", JSON.stringify({ subject: SCRIPT })),
  json("subject", JSON.stringify({ subject: "s".repeat(900) })),
  json("subject", JSON.stringify({ subject: RIGHT_TO_LEFT })),
  json("condition", JSON.stringify({ name: SCRIPT })),
  json("wide", "{}"),
  ["POST", "/api/v1/echo/html", `<html><body onload="alert('ran')">${SCRIPT}</body></html>`, { "content-type": "text/html" }],
  ["POST", "/api/v1/echo/text", LONG, { "content-type": `text/plain; x="${IMAGE}"` }],
  ["POST", "/api/v1/echo/form", `__proto__=1&__proto__[polluted]=true&constructor=2&a=${encodeURIComponent(SCRIPT)}&a=2`, { "content-type": "application/x-www-form-urlencoded" }],
  ["POST", "/api/v1/echo/bytes", Buffer.from(Array.from({ length: 2000 }, (_, n) => n % 256)), { "content-type": "image/svg+xml" }],
];

/** Receivers whose answers are as bad. */
const ANSWERS = {
  "/html": { status: 500, headers: { "content-type": "text/html", "x-note": SCRIPT, link: `<javascript:alert(1)>; rel="${IMAGE}"` }, body: `${SCRIPT}${IMAGE}`.repeat(20) },
  "/line": { status: 400, headers: { "content-type": "application/json" }, body: "y".repeat(100_000) },
  "/bytes": { status: 503, headers: { "content-type": "text/plain" }, body: Buffer.from(Array.from({ length: 4000 }, (_, n) => n % 256)) },
  "/deep": { status: 500, headers: { "content-type": "application/json" }, body: DEEP.slice(0, 4000) },
};

/** Made once, by the first test. */
let made = null;

async function everything(harness) {
  if (made) return made;
  for (const [path, how] of Object.entries(ANSWERS)) harness.receiver.behave(path, how);
  const url = harness.receiver.url;
  const events = ["hostile.*", "wide.*"];
  const webhooks = [
    { name: SCRIPT, url: url("/html"), events: ["*"], headers: { "X-Env": SCRIPT }, format: { template: `${SCRIPT}{{ event.label }}` } },
    { name: "__proto__", url: url("/line"), events: ["__proto__", "constructor", ...events], format: "standard" },
    { name: "<marquee onclick=alert(1)>", url: url(`/bytes?q=${encodeURIComponent(SCRIPT)}`), events },
    { name: WIDE_NAME, url: url(`/deep?${"u".repeat(900)}`), events, basic_auth: { username: IMAGE.replaceAll(":", ""), password: "p" } },
  ];
  const ids = [];
  for (const webhook of webhooks) ids.push((await harness.made("POST", "/v1/webhooks", { pause_after: 0, ...webhook })).id);
  for (const call of CALLS) assert.equal((await harness.call(...call)).status, 200, call[1].slice(0, 60));
  await until("all deliveries to have failed", async () => {
    const { webhooks: queues } = await harness.get("/v1/status");
    return queues.every(({ pending }) => pending === 0);
  });
  const { data } = await harness.get("/v1/events?limit=200");
  made = { webhooks: ids, events: data };
  return made;
}

/** Opens whatever can be opened, and what that shows. */
async function openAll(page) {
  for (let round = 0; round < 4; round++) {
    const opened = await page.evaluate(() => {
      const closed = document.querySelectorAll("main button[aria-expanded=false], main details:not([open]) > summary");
      for (const control of closed) /** @type {HTMLElement} */ (control).click();
      return closed.length;
    });
    if (opened === 0) return;
    await loaded(page);
  }
}

/** Nothing of it has become part of the page. */
async function isInert(page) {
  const found = await page.evaluate(() => ({
    scripts: [...document.scripts].filter((script) => !script.src.startsWith(`${location.origin}/assets/`)).map((script) => script.outerHTML),
    handlers: [...document.querySelectorAll("*")].filter((element) => [...element.attributes].some(({ name }) => name.startsWith("on"))).map((element) => element.outerHTML.slice(0, 200)),
    links: [...document.querySelectorAll("a[href]")].map((link) => link.getAttribute("href")).filter((href) => !href.startsWith("#")),
    foreign: [...document.querySelectorAll("iframe, object, embed, base, meta[http-equiv], style, form[action]")].map((element) => element.outerHTML.slice(0, 200)),
    images: [...document.images].map((image) => image.src).filter((src) => !src.startsWith(`${location.origin}/assets/`)),
    polluted: /** @type {any} */ ({}).polluted ?? null,
    markup: document.querySelectorAll("marquee, main body, main script").length,
  }));
  assert.deepEqual(found, { scripts: [], handlers: [], links: [], foreign: [], images: [], polluted: null, markup: 0 });
  await page.getByRole("heading", { name: "This page failed" }).or(page.getByText("This page failed")).waitFor({ state: "detached" });
}

/** What was asked for at the probe's path: an image that was loaded, or a path of the API that was put together badly. */
function watchProbe(page) {
  const asked = [];
  page.on("request", (request) => {
    if (new URL(request.url()).pathname.includes("/hostile-probe")) asked.push(request.url());
  });
  return asked;
}

for (const phone of [false, true]) {
  const screen = phone ? "on a phone" : "on a desktop";
  test(`hostile calls and answers are text on their pages, ${screen}`, { phone }, async ({ page, harness, visit }) => {
    const { events } = await everything(harness);
    const asked = watchProbe(page);
    await visit("#/events");
    await page.locator("main").getByText(SCRIPT).locator("visible=true").first().waitFor();
    await isInert(page);
    await fitsScreen(page);
    for (const { id, url, label } of events) {
      await visit(`#/events/${id}`);
      await loaded(page);
      await openAll(page);
      await isInert(page);
      await fitsScreen(page).catch((error) => assert.fail(`${label} ${url.slice(0, 80)}: ${error.message}`));
    }
    assert.deepEqual(asked, []);
  });

  test(`hostile names and settings are text on the other pages, ${screen}`, { phone, allow: [/status of 40[04]/] }, async ({ page, harness, visit }) => {
    const { webhooks, events } = await everything(harness);
    const asked = watchProbe(page);
    const pages = ["#/", "#/webhooks", "#/rules", "#/rules/test", "#/configuration", ...webhooks.flatMap((id) => [`#/webhooks/${id}`, `#/webhooks/${id}/edit`])];
    const hash = encodeURIComponent(IMAGE);
    pages.push(`#/events?q=${hash}`, `#/events?label=${hash}&status=${hash}&code=${hash}&since=${hash}`, `#/rules/test?event=${events[0].id}`, `#/webhooks/${hash}`, `#/webhooks/${hash}/edit`, `#/events/${hash}`, `#/${hash}`,
      `#/webhooks/${encodeURIComponent("../hostile-probe")}`, `#/events/${encodeURIComponent("../../hostile-probe")}`);
    for (const where of pages) {
      await visit(where);
      await loaded(page);
      await openAll(page);
      await isInert(page);
      await fitsScreen(page).catch((error) => assert.fail(`${where}: ${error.message}`));
    }
    assert.deepEqual(asked, []);
  });
}

test("a page full of hostile content is still accessible", async ({ page, harness, visit }) => {
  const { events, webhooks } = await everything(harness);
  await page.setViewportSize(PHONE);
  const first = events.find(({ url }) => url.includes("script"));
  for (const where of [`#/events/${first.id}`, `#/webhooks/${webhooks[0]}`, "#/webhooks", "#/rules"]) {
    await visit(where);
    await loaded(page);
    await axe(page);
  }
});

test("a test of a webhook shows a hostile answer as text", async ({ page, harness, visit }) => {
  const { webhooks } = await everything(harness);
  for (const id of webhooks) {
    await visit(`#/webhooks/${id}`);
    await loaded(page);
    await page.getByRole("button", { name: /test/i }).first().click();
    await page.getByRole("dialog").or(page.getByText(/answered|failed/i)).first().waitFor();
    await isInert(page);
  }
});
