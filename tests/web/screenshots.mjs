// Pictures of every page: light and dark, desktop and phone, after some traffic. See scripts/screenshots.
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";

import { anyCall, believable, billing, steady } from "./demo_traffic.mjs";
import { ROOT, start, until } from "./harness.mjs";
import { dashboardOf, launch, live, loaded, open } from "./page.mjs";

const { values } = parseArgs({
  options: {
    traffic: { type: "string", default: "45" },     // seconds of it before the first picture
    only: { type: "string" },                       // pages, comma separated
    full: { type: "boolean", default: false },      // the whole page, not only what the screen shows
    keep: { type: "string", default: "" },          // names that go into docs/screenshots, comma separated
  },
});

/** What the README shows. */
const SHOWN = values.keep.split(",").filter(Boolean);
const made = path.join(ROOT, "target/screenshots");
const shown = path.join(ROOT, "docs/screenshots");

// Chromium asks fontconfig what `system-ui` is; without a desktop that would be the first font of the list.
const fonts = path.join(made, "fonts.conf");
const preferred = (family) => `<match target="pattern"><test name="family" qual="any"><string>${family}</string></test>
<edit name="family" mode="prepend" binding="strong"><string>Inter</string></edit></match>`;
const FONTS = `<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig>
${preferred("system-ui")}${preferred("sans-serif")}
<include>/etc/fonts/fonts.conf</include>
<alias binding="strong"><family>sans-serif</family><prefer><family>Inter</family></prefer></alias>
</fontconfig>`;

rmSync(made, { recursive: true, force: true });
mkdirSync(made, { recursive: true });
writeFileSync(fonts, FONTS);
process.env.FONTCONFIG_FILE = fonts;

const harness = await start({ names: true, retry: '["5s", "20s", "2m", "15m", "1h"]', pauseAfter: 5 });
const site = await dashboardOf(harness);
const browser = await launch();
let quiet = () => {};
try {
  const { event, stop } = await prepare();
  quiet = stop;
  const pages = await pagesWith(event);
  const wanted = values.only ? values.only.split(",") : Object.keys(pages);
  for (const phone of [false, true]) {
    for (const dark of [false, true]) {
      for (const name of wanted) await picture(name, pages[name], { phone, dark });
    }
  }
  report();
} finally {
  quiet();
  await browser.close();
  await site.stop();
  await harness.stop();
}

/** Lets traffic run, until `stop`; `event` is one whose deliveries tell a story. */
async function prepare() {
  believable(harness.receiver);
  for (let n = 0; n < 40; n++) await harness.call(...anyCall());
  const stop = steady(harness, 6);
  const story = await storyOfRetries();
  const seconds = Number(values.traffic);
  console.error(`traffic for ${seconds} s ...`);
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  return { event: story, stop };
}

/** An invoice that billing refuses twice and then takes. */
async function storyOfRetries() {
  const well = () => ({ status: 200, headers: { "content-type": "application/json" }, body: '{"accepted":true,"ledger":"2026-11"}', delay: 64 });
  const refusals = [
    { status: 502, headers: { "content-type": "text/html", server: "nginx" }, body: "<html><head><title>502 Bad Gateway</title></head><body>\n<h1>Bad Gateway</h1>\n</body></html>\n", delay: 31 },
    { status: 503, headers: { "content-type": "text/plain", "retry-after": "10" }, body: "Deploying, please try again.\n", delay: 12 },
  ];
  const tries = new Map();
  harness.receiver.behave("/billing", (request, body) => {
    if (!body.includes("Hotel Seeblick AG")) return billing();
    const n = tries.get(request.headers["webhook-id"]) ?? 0;
    tries.set(request.headers["webhook-id"], n + 1);
    return refusals[n] ?? well();
  });
  const lines = [{ text: "Workshop", price: 950, quantity: 1 }, { text: "Hosting, one month", price: 39.9, quantity: 3 }];
  await harness.call("POST", "/api/v1/invoices", {
    customer: { id: 137, name: "Hotel Seeblick AG", country: "CH", vat_id: "CHE-116.281.277" }, lines, total: 1069.7, currency: "EUR",
    card: { holder: "R. Amsler", number: "4242424242424242" }, note: null, paid: false,
  }, { "user-agent": "shop-frontend/4.12", "idempotency-key": "order-77120", authorization: "Bearer customer-session" });
  const found = await until("the story's event", async () => (await harness.get("/v1/events?label=invoice.created&limit=5")).data[0]);
  return found.id;
}

async function pagesWith(event) {
  const billing = await harness.webhook("billing");
  const chat = await harness.webhook("team-chat");
  return {
    "sign-in": null,
    overview: "#/",
    events: "#/events",
    event: `#/events/${event}`,
    webhooks: "#/webhooks",
    webhook: `#/webhooks/${billing.id}`,
    "webhook-new": "#/webhooks/new",
    "webhook-edit": `#/webhooks/${chat.id}/edit`,
    rules: "#/rules",
    tester: `#/rules/test?event=${event}`,
    configuration: "#/configuration",
  };
}

async function picture(name, where, { phone, dark }) {
  const { context, page } = await open(browser, site.url, { phone, dark, scale: 2 });
  try {
    await page.goto(`${site.url}/${where === null ? "" : `#token=${harness.token}`}`);
    if (where !== null) {
      await page.locator("header nav").waitFor();
      await page.evaluate((hash) => void (location.hash = hash), where);
      await page.locator("main h1").first().waitFor();
      await live(page);
      await loaded(page);
      // An event's story is in its attempts.
      for (const closed of await page.getByRole("button", { name: /3 attempts/, expanded: false }).all()) await closed.click();
      await loaded(page);
    } else {
      await page.getByLabel("Admin token").waitFor();
    }
    const file = path.join(made, `${name}${phone ? "-phone" : ""}-${dark ? "dark" : "light"}.png`);
    await page.screenshot({ path: file, fullPage: values.full, animations: "disabled" });
    reduce(file);
  } finally {
    await context.close();
  }
}

/** To a palette, where the distribution's tool for that is there. */
function reduce(file) {
  try {
    execFileSync("pngquant", ["--force", "--ext", ".png", "--quality", "70-95", "--speed", "1", "--strip", file], { stdio: "pipe" });
  } catch (error) {
    if (error.code !== "ENOENT" && error.status !== 99) throw error;
  }
}

function report() {
  const pictures = readdirSync(made).filter((name) => name.endsWith(".png"));
  const size = (folder, names) => names.reduce((sum, name) => sum + statSync(path.join(folder, name)).size, 0);
  console.log(`${pictures.length} pictures in target/screenshots, ${Math.round(size(made, pictures) / 1000)} kB`);
  if (SHOWN.length === 0) return;
  mkdirSync(shown, { recursive: true });
  for (const name of SHOWN) copyFileSync(path.join(made, `${name}.png`), path.join(shown, `${name}.png`));
  const kept = readdirSync(shown);
  console.log(`${kept.length} of them in docs/screenshots, ${Math.round(size(shown, kept) / 1000)} kB`);
}
