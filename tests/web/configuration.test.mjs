// The configuration: what is in force, why a new one is not, and reading it again.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";

import { axe, fitsScreen, suite, until } from "./page.mjs";

// What it says must be text, whatever it says.
const HOSTILE = `
[[webhook]]
name = "<img src=x onerror=alert(1)>"
url = "https://example.com/\\"><script>alert(1)</script>"
events = ["note.added"]
active = false
format = { template = """
[proxy]
listen = "<b>"
""" }
`;
const { test } = suite({ webhooks: false, broken: false, extra: HOSTILE });

const refused = (page) => page.getByRole("region", { name: "Mistakes in the configuration" });
const REFUSED = { path: "#/configuration", allow: [/status of 422/] };

/** Runs `body` with the file changed, and puts it back, in force. */
async function changed(harness, change, body) {
  const good = readFileSync(harness.file, "utf8");
  try {
    writeFileSync(harness.file, change(good));
    await body();
  } finally {
    writeFileSync(harness.file, good);
    await harness.made("POST", "/v1/reload");
  }
}

test("it shows what is in force, secrets masked", { path: "#/configuration" }, async ({ page, harness }) => {
  await page.getByText(/^Generation 1 is in force since/).waitFor();
  const { effective } = await harness.get("/v1/config");
  const shown = await page.locator("pre").allTextContents();
  const plain = (text) => text.split("\n").filter(Boolean);
  assert.deepEqual(shown.flatMap(plain), plain(effective), "each line of it, as it is");
  assert.match(shown.join("\n"), /token = "\*\*\*"/);
  const whole = await page.content();
  for (const secret of [harness.token, harness.readToken, "warehouse-password", "search-shared-secret"]) {
    assert.equal(whole.includes(secret), false, `${secret} is on the page`);
  }
});

test("hostile names are text, and a text of several lines is no section", { path: "#/configuration" }, async ({ page }) => {
  await page.getByRole("link", { name: "webhook · <img src=x onerror=alert(1)>" }).waitFor();
  assert.equal(await page.locator("main img, main script, main b:not(.legend b)").count(), 0);
  assert.equal(await page.getByRole("link", { name: "proxy", exact: true }).count(), 1);
});

test("a section is found, and its link can be shared", { path: "#/configuration" }, async ({ page }) => {
  await page.getByLabel("Find a section").fill("PAID");
  assert.deepEqual(await page.getByRole("navigation", { name: "Sections of the configuration" }).getByRole("link").allTextContents(), ["event · invoice.paid"]);
  await page.keyboard.press("Enter");
  const section = page.getByRole("region", { name: "[[event]] invoice.paid" });
  await until("the section to have the focus", () => section.evaluate((element) => element === document.activeElement));
  await page.getByLabel("Find a section").fill("nowhere");
  await page.getByText("No section has this name.").waitFor();
  await page.reload();
  await until("the section to be in sight", () => section.evaluate((element) => {
    const { top, bottom } = element.getBoundingClientRect();
    return top >= 0 && bottom <= innerHeight;
  }));
});

test("a broken file is told with place and cure, and what runs goes on", REFUSED, async ({ page, harness }) => {
  await page.getByText(/^Generation \d+ is in force/).waitFor();
  const { generation } = await harness.get("/v1/config");
  const broken = (good) => `${good}\n[proxi]\nlisten = 3\n`;
  await changed(harness, broken, async () => {
    await page.getByRole("button", { name: "Reload now" }).click();
    await page.getByText("the new configuration has mistakes").waitFor();
    const line = broken(readFileSync(harness.file, "utf8")).split("\n").indexOf("[proxi]") + 1;
    await refused(page).getByText(`${harness.file}:${line}:2`).waitFor();
    await refused(page).getByText("proxi is not a section").waitFor();
    await refused(page).getByText("Did you mean [proxy]?").waitFor();
    const now = await harness.get("/v1/config");
    assert.equal(now.generation, generation);
    assert.equal(now.problems.length, 1);
    await page.getByRole("region", { name: "Problems" }).getByRole("link", { name: "Open the configuration" }).waitFor();
    await axe(page);
  });
  await page.getByRole("button", { name: "Reload now" }).click();
  await page.getByText(`Nothing had changed: generation ${generation} stays in force.`).waitFor();
  await refused(page).waitFor({ state: "detached" });
  await page.getByRole("region", { name: "Problems" }).waitFor({ state: "detached" });
});

test("a broken file that is read by itself comes to the page too", { path: "#/configuration" }, async ({ page, harness }) => {
  await changed(harness, (good) => good.replace('listen = "127.0.0.1', 'listen = "127.0.0'), async () => {
    await refused(page).getByText(/sidehook\.toml:\d+:\d+/).waitFor();
  });
  await refused(page).waitFor({ state: "detached" });
});

test("a good change is put in force by the button", { path: "#/configuration" }, async ({ page, harness }) => {
  await page.getByText(/^Generation \d+ is in force/).waitFor();
  const more = `\n[[event]]\nlabel = "made.later"\nmethod = "POST"\nurl = '^/later$'\n`;
  await changed(harness, (good) => good + more, async () => {
    await page.getByRole("button", { name: "Reload now" }).click();
    // The file is watched: it may have been read already.
    await page.getByRole("status").getByText(/eneration \d+ (is|stays) in force\./).waitFor();
    await page.getByRole("link", { name: "event · made.later" }).waitFor();
    const rules = (await harness.get("/v1/rules")).data.map((rule) => rule.label);
    assert.ok(rules.includes("made.later"));
  });
  await page.getByRole("link", { name: "event · made.later" }).waitFor({ state: "detached" });
});

test("what waits for a restart is told", { path: "#/configuration" }, async ({ page, harness }) => {
  await changed(harness, (good) => good.replace('max_size = "200MiB"', 'max_size = "300MiB"'), async () => {
    await page.getByRole("button", { name: "Reload now" }).click();
    await page.getByRole("region", { name: "Waiting for a restart" }).getByText("[store] max_size").waitFor();
  });
});

test("a read-only token sees it, and has no button", { path: "#/configuration", access: "read" }, async ({ page }) => {
  await page.getByText(/^Generation \d+ is in force/).waitFor();
  assert.equal(await page.getByRole("button", { name: /Reload/ }).count(), 0);
});

for (const dark of [false, true]) {
  test(`axe has nothing serious to say${dark ? ", in the dark" : ""}`, { path: "#/configuration?section=%5Bcapture%5D", dark }, async ({ page }) => {
    await page.getByRole("region", { name: "[capture]" }).waitFor();
    await axe(page);
  });
}

test("it fits a phone", { path: "#/configuration", phone: true }, async ({ page }) => {
  await page.getByRole("region", { name: "[[event]] invoice.paid" }).waitFor();
  await fitsScreen(page);
});
