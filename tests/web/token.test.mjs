// Tokens that are wrong, strange or come by a link: none of them ends a session that is well, and none stays in an address.
import assert from "node:assert/strict";

import { suite, until } from "./page.mjs";

const { test } = suite({ webhooks: false, broken: false });

const tokenField = (page) => page.getByLabel("Admin token");
const signedIn = (page) => page.getByRole("button", { name: "Sign out" }).waitFor();
const kept = (page) => page.evaluate(() => Object.values(sessionStorage));

test("the printed address signs in where the form stands open already", { signedIn: false }, async ({ page, harness, site }) => {
  await tokenField(page).waitFor();
  // Behind the `#` alone: no new document is loaded.
  await page.goto(`${site.url}/#token=${harness.token}`);
  await signedIn(page);
  assert.ok(!page.url().includes(harness.token), page.url());
  assert.ok(!(await page.evaluate(() => JSON.stringify(history.state) ?? "")).includes(harness.token));
});

for (const isLoaded of [false, true]) {
  test(`a link with a wrong token does not sign out, ${isLoaded ? "from another page" : "in an open page"}`, { path: "#/rules", allow: [/status of 401/] }, async ({ page, harness, site }) => {
    if (isLoaded) await page.goto("about:blank");
    await page.goto(`${site.url}/#token=not-a-token-of-this-sidehook`);
    await page.getByText("token of the address is not accepted").waitFor();
    await signedIn(page);
    assert.ok(!page.url().includes("not-a-token"), page.url());
    assert.deepEqual(await kept(page), [harness.token]);
    await page.getByRole("link", { name: "Rules" }).click();
    await page.getByRole("heading", { name: "Rules" }).waitFor();
  });
}

test("a link with another token that is right takes over, and says so", { path: "#/webhooks" }, async ({ page, harness, site }) => {
  await page.getByRole("link", { name: "New webhook" }).or(page.getByRole("button", { name: "New webhook" })).first().waitFor();
  await page.goto(`${site.url}/#token=${harness.readToken}`);
  await page.getByText("Signed in with the token of the address").waitFor();
  await page.getByText("read only").waitFor();
  assert.deepEqual(await kept(page), [harness.readToken]);
});

test("a token that no header can carry is a wrong one", { signedIn: false }, async ({ page, site }) => {
  await tokenField(page).fill("жетон");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByText("This is not the token").waitFor();
  await page.goto("about:blank");
  await page.goto(`${site.url}/#token=%E2%82%AC%0Ax`);
  await tokenField(page).waitFor();
  await page.getByText("The token is not accepted").waitFor();
});

test("a wrong token is wrong too where many were", { allow: [/status of (401|429)/] }, async ({ page, harness }) => {
  await until("the address to be asked to stay away", async () => (await harness.api("/v1/status", { token: "wrong" })).status === 429);
  // Who has the right one sees nothing of it.
  await page.reload();
  await signedIn(page);
  await page.evaluate(() => { for (const key of Object.keys(sessionStorage)) sessionStorage.setItem(key, "an-old-token-of-before"); });
  await page.reload();
  await page.getByText("The token is not accepted").waitFor();
  await tokenField(page).waitFor();
});

test("what was told to who has signed out does not stay", async ({ page, harness, visit }) => {
  const { id } = await harness.made("POST", "/v1/webhooks", { name: "secret-project", url: harness.receiver.url("/x"), events: ["task.*"] });
  await visit(`#/webhooks/${id}`);
  await page.getByRole("button", { name: "Disable", exact: true }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Disable" }).click();
  await page.getByText("secret-project is disabled").waitFor();
  await page.getByRole("button", { name: "Sign out" }).click();
  await tokenField(page).waitFor();
  assert.equal(await page.getByText("secret-project").count(), 0);
});
