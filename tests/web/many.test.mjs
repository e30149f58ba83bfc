// More rules and webhooks than a page reads unasked: it says so, and loads the others.
import assert from "node:assert/strict";

import { axe, suite, until } from "./page.mjs";

const N = 2_005;
const each = (write) => Array.from({ length: N }, (_, n) => write(n)).join("");

const { test } = suite({
  webhooks: false,
  broken: false,
  extra: each((n) => `
[[event]]
label = "many.rule-${n}"
method = "POST"
url = '^/many/${n}$'
[[webhook]]
name = "many-${n}"
url = "http://127.0.0.1:9/${n}"
events = ["*"]
`),
});

const cut = (page) => page.getByRole("status").filter({ hasText: "These are not all" });
const all = (page) => cut(page).getByRole("button", { name: "Load all of them" });

test("a list of webhooks that is cut says so, and is loaded whole", { path: "#/webhooks" }, async ({ page, harness }) => {
  const { webhooks } = await harness.get("/v1/status");
  assert.ok(webhooks.length > N);
  await cut(page).getByText("only the 2,000 newest webhooks are loaded").waitFor();
  await all(page).click();
  await cut(page).waitFor({ state: "detached" });
  await page.getByText(`${webhooks.length.toLocaleString("en")} webhooks`).waitFor();
  const last = webhooks.map(({ name }) => name).at(-1);
  await page.getByLabel("Filter").fill(last);
  await until("the one that was left out", async () => (await page.locator(".wh-table tbody tr").count()) === 1);
});

test("so does the list of rules", { path: "#/rules?q=many.rule-2004" }, async ({ page }) => {
  await cut(page).getByText("only the 2,000 first rules are loaded").waitFor();
  await page.getByText("No rule has these words").waitFor();
  await axe(page);
  await all(page).first().click();
  await page.locator(".rule h2").getByText("many.rule-2004", { exact: true }).waitFor();
});
