// A browser whose clock is wrong, and people elsewhere: what is shown is so long ago as it is by sidehook's clock.
import assert from "node:assert/strict";

import { loaded, suite, until } from "./page.mjs";

const { test } = suite({ webhooks: false, broken: false, pauseAfter: 0, retry: '["1h"]' });

/** The browser's clock is so far ahead, minutes. */
async function skew(context, minutes) {
  await context.addInitScript((ms) => {
    const True = Date;
    globalThis.Date = /** @type {any} */ (class extends True {
      constructor(...given) {
        if (given.length === 0) super(True.now() + ms);
        else super(.../** @type {[any]} */ (given));
      }
      static now() {
        return True.now() + ms;
      }
    });
  }, minutes * 60_000);
}

for (const minutes of [-30, 30]) {
  test(`a browser's clock ${minutes} minutes off does not move what has happened`, { signedIn: false }, async ({ page, context, harness, visit }) => {
    harness.receiver.behave("/billing", "html500");
    await harness.call("POST", "/api/v1/invoices", { total: 12 });
    const [event] = (await harness.get("/v1/events?label=invoice.created&limit=1")).data;
    await until("the first attempt", async () => (await harness.get(`/v1/events/${event.id}`)).deliveries[0].attempts === 1);
    await skew(context, minutes);
    await page.reload();
    await visit(`#/events/${event.id}`, harness.token);
    const main = page.locator("main");
    await main.getByText(/The last attempt failed (now|\d+ s ago)/).waitFor();
    await main.getByText(/Attempt 2 in (5\d m|1 h)/).first().waitFor();
    // The last 15 minutes are sidehook's too.
    await visit("#/events?since=15m");
    await loaded(page);
    await page.locator(".list-body").getByText("invoice.created").first().waitFor();
    const since = await page.evaluate(() => performance.getEntriesByType("resource").map(({ name }) => new URL(name).searchParams.get("since")).filter(Boolean).at(-1));
    const ago = (Date.now() - Date.parse(String(since))) / 60_000;
    assert.ok(ago > 14 && ago < 17, `asked for what is newer than ${ago} minutes`);
  });
}
