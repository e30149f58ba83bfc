import assert from "node:assert/strict";

import { AWAY, axe, fitsScreen, live, suite, until } from "./page.mjs";

const { test } = suite({ webhooks: false, broken: false });

const tokenField = (page) => page.getByLabel("Admin token");
const signedIn = (page) => page.getByRole("button", { name: "Sign out" }).waitFor();
const signIn = async (page, token) => {
  await tokenField(page).fill(token);
  await page.getByRole("button", { name: "Sign in" }).click();
};

test("a wrong token is told, the right one lets in, and signing out forgets it", { signedIn: false, allow: [/status of 401/] }, async ({ page, harness }) => {
  await signIn(page, "not-the-token-at-all");
  await page.getByText("This is not the token").waitFor();
  assert.equal(await tokenField(page).getAttribute("aria-invalid"), "true");
  await signIn(page, harness.token);
  await signedIn(page);
  assert.ok(await page.evaluate(() => sessionStorage.length > 0));

  await page.getByRole("button", { name: "Sign out" }).click();
  await tokenField(page).waitFor();
  assert.equal(await page.evaluate((token) => JSON.stringify({ ...sessionStorage, ...localStorage }).includes(token), harness.token), false);
  await page.reload();
  await tokenField(page).waitFor();
});

test("the form asks for a token before it asks the server", { signedIn: false }, async ({ page }) => {
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByText("Enter the token").waitFor();
});

test("the token outlives a reload, but not the browser session", async ({ page, context, site }) => {
  await page.reload();
  await signedIn(page);
  const stored = await context.storageState();
  assert.deepEqual([stored.cookies, stored.origins], [[], []], "nothing that a browser keeps");
  // Another tab is another session.
  const tab = await context.newPage();
  await tab.goto(site.url);
  await tokenField(tab).waitFor();
});

test("the token in the address signs in and is gone from the address and the history", { signedIn: false }, async ({ page, harness, site }) => {
  await page.goto("about:blank");
  await page.goto(`${site.url}/#token=${harness.token}`);
  await signedIn(page);
  assert.ok(!page.url().includes(harness.token), page.url());
  await page.getByRole("link", { name: "Rules" }).click();
  await page.goBack();
  await signedIn(page);
  assert.ok(!page.url().includes(harness.token), page.url());
});

test("a reader is told so", { access: "read" }, async ({ page }) => {
  await page.getByText("read only").waitFor();
});

test("a token that is no longer accepted leads back to the form and says why", { allow: [/status of 401/] }, async ({ page }) => {
  await page.evaluate(() => {
    for (const key of Object.keys(sessionStorage)) sessionStorage.setItem(key, "an-old-token-of-before");
  });
  await page.reload();
  await page.getByText("The token is not accepted any more").waitFor();
});

test("a restart under an open page is told, and the page comes back by itself", { path: "#/events", allow: AWAY }, async ({ page, harness }) => {
  await live(page);
  await harness.kill();
  await page.locator(".banner").getByText("sidehook does not answer").waitFor();
  await page.getByText("not connected").waitFor();
  await harness.run();
  await page.locator(".banner").getByText("sidehook does not answer").waitFor({ state: "detached" });
  await live(page);
});

for (const dark of [false, true]) {
  test(`the form is accessible and fits a phone, ${dark ? "dark" : "light"}`, { signedIn: false, phone: true, dark, allow: [/status of 401/] }, async ({ page }) => {
    await tokenField(page).waitFor();
    await axe(page);
    await signIn(page, "not-the-token-at-all");
    await page.getByText("This is not the token").waitFor();
    await axe(page);
    await fitsScreen(page);
  });
}

test("the form is usable by keyboard alone", { signedIn: false }, async ({ page, harness }) => {
  await until("the field to have the focus", () => tokenField(page).evaluate((field) => document.activeElement === field));
  await page.keyboard.type(harness.token);
  await page.keyboard.press("Enter");
  await signedIn(page);
});
