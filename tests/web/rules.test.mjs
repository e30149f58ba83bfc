import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test as plain } from "node:test";
import { promisify } from "node:util";

import { parseCall } from "../../src/dashboard/web/pages/tester_parse.mjs";
import { binary } from "./harness.mjs";
import { axe, fitsScreen, suite, until } from "./page.mjs";

const FURTHER = `
[[event]]
label = "fragile.condition"
method = "POST"
url = '^/api/v1/echo/fragile'
when = 'request.body.n * 2 > 1'

[[event]]
label = "customer.seen"
method = ["GET", "HEAD"]
url = '^/api/v1/customers'
query = 'page=[0-9]+'
status = ["2xx", 404]

[[event]]
label = "deep.report.read"
method = "GET"
url = '^/deep$'
${Array.from({ length: 10 }, (_, n) => `
[[event]]
label = "spare.part-${n}"
method = "*"
url = '^/spare/${n}$'
`).join("")}`;

const { test } = suite({ webhooks: false, broken: false, extra: FURTHER });

const rule = (page, label) => page.locator(".rule").filter({ has: page.getByRole("heading", { name: label, exact: true }) });
const said = (page, label) => page.locator(".said").filter({ has: page.getByRole("heading", { name: label, exact: true }) });

test("every rule in its order, with its terms, what it has seen, and who wants it", { path: "#/rules" }, async ({ page, harness }) => {
  await page.locator(".rule").first().waitFor();
  const { data } = await harness.get("/v1/rules?limit=200");
  assert.equal(data.length, 24);
  assert.deepEqual(await page.locator(".rule h2").allTextContents(), data.map(({ label }) => label));
  const done = await rule(page, "task.done").innerText();
  for (const text of ["tasks", "PATCH", "^/api/v1/tasks/(?<task_id>[0-9]+)$", "2xx", 'response.body.status == "done"', "request.params.task_id", "search-index"]) {
    assert.ok(done.includes(text), `${text} in ${done}`);
  }
  const seen = await rule(page, "customer.seen").innerText();
  for (const text of ["GET, HEAD", "page=[0-9]+", "2xx, 404"]) assert.ok(seen.includes(text), `${text} in ${seen}`);
  await rule(page, "spare.part-3").getByText("any method").waitFor();
  await rule(page, "note.added").getByText("no webhook wants it").waitFor();
  assert.equal(await rule(page, "invoice.paid").getByRole("link", { name: "billing" }).getAttribute("href"), `#/webhooks/${(await harness.webhook("billing")).id}`);
  await rule(page, "customer.removed").getByText("0 hits").waitFor();

  await harness.call("DELETE", "/api/v1/tasks/5");
  await harness.call("DELETE", "/api/v1/tasks/6");
  await rule(page, "task.deleted").getByText("2 hits").waitFor();
  await harness.call("POST", "/api/v1/echo/fragile", { n: {} });
  await rule(page, "fragile.condition").getByText("condition failed 1 time").waitFor();
  const { data: later } = await harness.get("/v1/rules?limit=200");
  const fragile = later.find(({ label }) => label === "fragile.condition");
  assert.ok((await rule(page, "fragile.condition").innerText()).includes(fragile.last_condition_error));
});

test("a new webhook is seen to want its events, and only those", { path: "#/rules" }, async ({ page, harness }) => {
  await rule(page, "report.read").getByText("no webhook wants it").waitFor();
  await harness.made("POST", "/v1/webhooks", { name: "readers", url: harness.receiver.url("/readers"), events: ["*.read", "spare.*-1"] });
  await rule(page, "report.read").getByRole("link", { name: "readers" }).waitFor();
  assert.equal(await rule(page, "spare.part-1").getByRole("link", { name: "readers" }).count(), 1);
  assert.equal(await page.getByRole("link", { name: "readers" }).count(), 2);
});

test("an answer that takes longer than the time between two questions is waited for", async ({ page, visit }) => {
  await page.clock.install();
  const first = new Promise((resolve) => void page.route("**/v1/rules?*", resolve));
  await visit("#/rules");
  const route = /** @type {import("playwright-core").Route} */ (await first);
  await page.clock.runFor(11_000);
  await route.continue();
  await page.locator(".rule").first().waitFor();
});

test("many rules are found by a word of them; the address keeps it", { path: "#/rules" }, async ({ page }) => {
  await page.getByLabel("Find a rule").fill("TOTAL >");
  await until("one rule", async () => (await page.locator(".rule").count()) === 1);
  assert.equal(await page.locator(".rule h2").textContent(), "invoice.created");
  assert.match(page.url(), /q=TOTAL/);
  await page.reload();
  await until("the same rule", async () => (await page.locator(".rule").count()) === 1);
  await page.getByLabel("Find a rule").fill("no rule says this");
  await page.getByRole("button", { name: "Show all rules" }).click();
  await until("all rules", async () => (await page.locator(".rule").count()) === 24);
});

test("from a rule to its events, and to the tester with its last call", { path: "#/rules" }, async ({ page, harness, visit }) => {
  await harness.call("PATCH", "/api/v1/tasks/4711", { status: "done" });
  await rule(page, "task.done").getByRole("link", { name: "Events" }).click();
  await page.locator(".list-body [role=row]").filter({ hasText: "4711" }).waitFor();
  assert.ok(page.url().includes("label=task.done"));
  await visit("#/rules");
  await rule(page, "task.done").getByRole("link", { name: "Test" }).click();
  await said(page, "task.done").getByText("matches", { exact: false }).first().waitFor();
  assert.equal(await page.getByLabel("Path and query").inputValue(), "/api/v1/tasks/4711");
  assert.equal(JSON.parse(await page.getByLabel("Response body").inputValue()).status, "done");
  // Changed so that it does not fit any more: the answer is old until it is asked again.
  await page.getByLabel("Response body").fill('{"status": "open"}');
  await page.getByText("the call has changed since").waitFor();
  await page.getByRole("button", { name: "Test the call" }).click();
  await page.getByText("None of 24 rules matches").waitFor();
  assert.match(await said(page, "task.done").locator("li").filter({ hasText: "when" }).innerText(), /no[^]*response\.body\.status == "done"; found false/);
});

const CALLS = [
  { method: "PATCH", url: "/api/v1/tasks/7", status: "200", responseBody: '{"status": "done"}' },
  { method: "patch", url: "/api/v1/tasks/7", status: "200", responseBody: '{"status": "done"}' },
  { method: "DELETE", url: "/api/v1/customers/12?confirm=yes", status: "404" },
  { method: "DELETE", url: "/api/v1//customers/12?confirm=yes", status: "204" },
  { method: "GET", url: "https://api.example.com/api/v1/customers?page=3", status: "404" },
  { method: "POST", url: "/api/v1/echo/fragile", status: "200", requestHeaders: "Content-Type: application/json\nX-Note: a\nX-Note: b", requestBody: '{"n": {}}' },
  { method: "POST", url: "/api/v1/tasks", status: "201", responseBody: '{"id": 123456789012345678901234567890}' },
];
test("the tester says what `sidehook match` says", { path: "#/rules/test" }, async ({ page, harness }) => {
  for (const call of CALLS) {
    await page.getByLabel("Method").fill(call.method);
    await page.getByLabel("Path and query").fill(call.url);
    await page.getByLabel("Answered").fill(call.status);
    await page.getByLabel("Request headers").fill(call.requestHeaders ?? "");
    await page.getByLabel("Request body").fill(call.requestBody ?? "");
    await page.getByLabel("Response body").fill(call.responseBody ?? "");
    const answered = page.waitForResponse(/rules\/test/);
    await page.getByRole("button", { name: "Test the call" }).click();
    assert.equal((await answered).status(), 200);
    await page.getByRole("button", { name: "Test the call" }).waitFor();
    await until("an answer to this call", async () => (await page.locator(".said").count()) === 24 && (await page.getByText("the call has changed since").count()) === 0);

    const flags = ["--status", call.status, "--config", harness.file, "--json"];
    for (const header of (call.requestHeaders ?? "").split("\n").filter(Boolean)) flags.push("--header", header);
    if (call.requestBody) flags.push("--request-body", call.requestBody);
    if (call.responseBody) flags.push("--response-body", call.responseBody);
    const { stdout } = await promisify(execFile)(binary(), ["match", call.method, call.url, ...flags]).catch((error) => error);
    const expected = JSON.parse(stdout).data.map(toShown).sort((a, b) => (a.label < b.label ? -1 : 1));
    const found = await page.locator(".said").evaluateAll((all) => all.map((element) => ({
      label: element.querySelector("h3").textContent,
      matched: element.querySelector(".badge").textContent.includes("not") === false,
      lines: [...element.querySelectorAll("li")].map((line) => line.innerText.replace(/\s+/g, " ").trim()),
    })));
    const firstNot = found.findIndex(({ matched }) => !matched);
    assert.ok(found.slice(firstNot).every(({ matched }) => !matched), "those that match stand first");
    assert.deepEqual(found.sort((a, b) => (a.label < b.label ? -1 : 1)), expected);
  }
});

/** What the page must show of a rule, from the program's own words. */
function toShown({ label, matched, parts, params, subject, subject_error: error }) {
  const signs = { matched: "✓ yes", not_matched: "✕ no", not_asked: "– not asked" };
  const lines = Object.entries(parts).filter(([, part]) => part.expected !== null).map(([name, { result, expected, found, note }]) =>
    `${signs[result]} ${name} ${expected}${result === "not_matched" ? (found ? `; found ${found}` : "; there is none") : ""}${note ? ` (${note})` : ""}`);
  for (const [name, value] of Object.entries(params)) lines.push(`captures ${name} = ${value}`);
  if (subject !== null) lines.push(`subject ${subject}`);
  else if (error !== null) lines.push(`subject none: ${error}`);
  return { label, matched, lines: lines.map((line) => line.replace(/\s+/g, " ")) };
}

test("mistakes are told at their fields, and nothing typed is lost", { path: "#/rules/test", allow: [/status of 422/] }, async ({ page }) => {
  await page.getByRole("button", { name: "Test the call" }).click();
  await page.getByText("Give a path").waitFor();
  await page.getByLabel("Path and query").fill("/tasks/ä b");
  await page.getByLabel("Method").fill("PO ST");
  await page.getByLabel("Answered").fill("99");
  await page.getByLabel("Request headers").fill("no colon here");
  await page.getByRole("button", { name: "Test the call" }).click();
  await page.getByText("Line 1 is no header").waitFor();
  await page.getByLabel("Request headers").fill("bad name: x");
  await page.getByLabel("Request body").fill("keep me");
  await page.getByRole("button", { name: "Test the call" }).click();
  await page.getByText(/must be a method of HTTP|must be a path/).first().waitFor();
  for (const name of ["Method", "Path and query", "Answered", "Request headers"]) {
    assert.equal(await page.getByLabel(name).getAttribute("aria-invalid"), "true", name);
  }
  assert.equal(await page.getByLabel("Request body").inputValue(), "keep me");
  await axe(page);
});

test("a pasted command and a pasted answer fill the form", { path: "#/rules/test" }, async ({ page }) => {
  await page.getByText("Paste a curl command").click();
  await page.getByLabel("Command or message").fill("what is this?");
  await page.getByRole("button", { name: "Fill in" }).click();
  await page.getByText("neither a curl command").waitFor();
  await page.getByLabel("Command or message").fill(`curl 'https://shop.example/api/v1/invoices' \\\n  -H 'X-Note: it'"'"'s' --json '{"total": 7}'`);
  await page.getByRole("button", { name: "Fill in" }).click();
  await until("the path", async () => (await page.getByLabel("Path and query").inputValue()) === "https://shop.example/api/v1/invoices");
  assert.equal(await page.getByLabel("Method").inputValue(), "POST");
  assert.match(await page.getByLabel("Request headers").inputValue(), /X-Note: it's\nContent-Type: application\/json/);
  await page.getByLabel("Response body").fill('{"total": 7, "number": "INV-1"}');
  await page.getByRole("button", { name: "Test the call" }).click();
  await page.getByText("1 of 24 rules matches").waitFor();
  assert.equal(await page.locator(".said h3").first().textContent(), "invoice.created");
});

test("the call of an event is taken whole, hostile or not, and what is missing is told", { path: "#/rules/test" }, async ({ page, harness, visit }) => {
  const number = "<img src=x onerror=alert(1)>";
  await harness.call("POST", "/api/v1/invoices?next=javascript:alert(2)", { number, total: 9007199254740993, password: "x" }, { authorization: "Bearer s3cret" });
  const { data: [event] } = await harness.get("/v1/events?label=invoice.created&limit=1");
  await visit(`#/rules/test?event=${event.id}`);
  await said(page, "invoice.created").getByText("matches", { exact: false }).first().waitFor();
  assert.ok((await said(page, "invoice.created").innerText()).includes(number));
  await page.getByText("Headers of the request were redacted").waitFor();
  const { request } = await harness.get(`/v1/events/${event.id}`);
  assert.equal((await page.getByLabel("Request body").inputValue()).includes("REDACTED"), JSON.stringify(request.body).includes("REDACTED"));
  assert.equal(await page.locator("main img, main a[href^=javascript]").count(), 0);
  await fitsScreen(page);
  // Numbers stay as they were written, however long.
  await harness.call("POST", "/api/v1/echo/long", '{"n": 12345678901234567890}', { "content-type": "application/json" });
  await visit("#/rules/test?label=echo.posted");
  await until("the long number", async () => (await page.getByLabel("Request body").inputValue()).includes("12345678901234567890"));
});

test("an event that is not there is told", { path: "#/rules/test?event=evt_00000000000000000000000000000000", allow: [/status of 404/] }, async ({ page }) => {
  await page.getByText("The call could not be taken from the event").waitFor();
});

test("a reader sees the rules, and may ask them: that changes nothing", { path: "#/rules/test", access: "read" }, async ({ page, harness, visit }) => {
  await page.getByLabel("Method").fill("GET");
  await page.getByLabel("Path and query").fill("/deep");
  await page.getByRole("button", { name: "Test the call" }).click();
  await said(page, "deep.report.read").locator(".badge.good").waitFor();
  assert.equal((await harness.get("/v1/events?label=deep.report.read")).data.length, 0, "no event is made");
  // The token that may only look was asked with, and nothing else is open to it.
  await page.getByText("read only").waitFor();
  await visit("#/rules", harness.readToken);
  await page.locator(".rule").first().waitFor();
});

for (const [name, options] of Object.entries({
  "desktop, light": {}, "desktop, dark": { dark: true }, "phone, light": { phone: true }, "phone, dark": { phone: true, dark: true },
})) {
  test(`accessible and no wider than the screen: ${name}`, { path: "#/rules", ...options }, async ({ page, harness, visit }) => {
    await harness.call("POST", "/api/v1/echo/fragile", { n: {} });
    await page.locator(".rule").first().waitFor();
    await page.getByText("condition failed").waitFor();
    await axe(page);
    await fitsScreen(page);
    await harness.call("POST", `/api/v1/echo/${"long".repeat(500)}`, { n: 1 });
    await visit("#/rules/test?label=echo.posted");
    await page.locator(".said").first().waitFor();
    await page.getByRole("button", { name: "Show 1,853 more" }).first().waitFor();
    await axe(page);
    await fitsScreen(page);
    if (!options.phone) return;
    await page.getByLabel("Answered").fill("500");
    await page.getByRole("button", { name: "Test the call" }).click();
    await page.getByRole("heading", { name: "None of 24 rules matches" }).waitFor();
    await until("the answer in sight", () => page.getByRole("heading", { name: "None of 24 rules matches" }).evaluate((element) => element.getBoundingClientRect().top < innerHeight - 40));
  });
}

plain("what people paste is read as a shell and HTTP read it", () => {
  const of = (text) => {
    const { notes, ...call } = parseCall(text) ?? { notes: [] };
    return { ...call, n: notes.length };
  };
  assert.deepEqual(of("curl -sXPUT localhost:8080/files/a -d @big.json"),
    { method: "PUT", url: "http://localhost:8080/files/a", requestHeaders: "", requestBody: "", n: 1 });
  assert.deepEqual(of(`curl "https://a.example/t?x=1#top" -H "Authorization: Bearer \\"q\\"" --data-raw 'a=1' -d b=2 --compressed -k -u me:pw -o out`),
    { method: "POST", url: "https://a.example/t?x=1", requestHeaders: 'Authorization: Bearer "q"\nContent-Type: application/x-www-form-urlencoded', requestBody: "a=1&b=2", n: 0 });
  assert.deepEqual(of("curl -G /s --data-urlencode 'q=a b' -d c=1"), { method: "GET", url: "/s?q=a%20b&c=1", requestHeaders: "", requestBody: "", n: 0 });
  assert.deepEqual(of(`curl --request=DELETE --url /x --data-binary $'{"a":"it\\'s\\n\\u00e9"}' -H'content-type: application/json'`),
    { method: "DELETE", url: "/x", requestHeaders: "content-type: application/json", requestBody: '{"a":"it\'s\né"}', n: 0 });
  assert.deepEqual(of("curl -I https://a.example"), { method: "HEAD", url: "https://a.example", requestHeaders: "", requestBody: "", n: 0 });
  assert.equal(of("curl -F file=@x https://a.example").n, 1);
  assert.deepEqual(of("POST /a?b=1 HTTP/1.1\r\nHost: x\r\nA: b\r\n\r\nline one\r\n\r\nline two"),
    { method: "POST", url: "/a?b=1", requestHeaders: "Host: x\nA: b", requestBody: "line one\r\n\r\nline two", n: 0 });
  assert.deepEqual(of("HTTP/1.1 201 Created\nlocation: /a/1\n\n{}"), { status: "201", responseHeaders: "location: /a/1", responseBody: "{}", n: 0 });
  assert.deepEqual(of("GET /a"), { method: "GET", url: "/a", requestHeaders: "", requestBody: "", n: 0 });
  for (const none of ["", "hello", "curly braces", "dear sir or madam"]) assert.equal(parseCall(none), null, none);
});
