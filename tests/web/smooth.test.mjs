// How fast pages are there, and how smoothly ten thousand events scroll. The figures are printed; the bounds are wide,
// because they must hold on a busy machine: they tell a list that draws everything from one that does not.
import assert from "node:assert/strict";

import { suite, until } from "./page.mjs";

const { test } = suite({ broken: false, webhooks: false });

const EVENTS = 10_000;
const rows = (page) => page.locator(".list-body [role=row]");

test("ten thousand events scroll smoothly", { path: "#/rules", reducedMotion: "no-preference" }, async ({ page, harness, visit }) => {
  await harness.traffic(EVENTS, (n) => ["POST", `/api/v1/echo/${n}`, "{}", { "content-type": "application/json" }]);
  await visit("#/events");
  await rows(page).first().waitFor();
  await page.mouse.move(640, 500);
  await until("all of them to be in the list", async () => {
    await page.mouse.wheel(0, 60_000);
    return (await page.getByText("that is all").count()) > 0;
  }, 60_000);
  await page.evaluate(() => scrollTo(0, 0));

  const session = await page.context().newCDPSession(page);
  await session.send("Performance.enable");
  const spent = async () => Object.fromEntries((await session.send("Performance.getMetrics")).metrics.map(({ name, value }) => [name, value]));
  const before = await spent();
  const measured = page.evaluate(() => new Promise((resolve) => {
    const frames = [];
    let last = performance.now();
    let blank = 0;
    const each = (now) => {
      frames.push(now - last);
      last = now;
      // A hole where rows belong: the middle of the screen.
      const middle = document.elementFromPoint(640, innerHeight / 2);
      if (!middle?.closest("[role=row]")) blank += 1;
      if (scrollY > 60_000 || frames.length > 3000) resolve({ frames, blank, y: scrollY, nodes: document.querySelectorAll("*").length });
      else requestAnimationFrame(each);
    };
    requestAnimationFrame(each);
  }));
  let done = false;
  measured.finally(() => { done = true; });
  while (!done) await page.mouse.wheel(0, 400);
  const { frames, blank, y, nodes } = await measured;
  const after = await spent();
  frames.sort((a, b) => a - b);
  const at = (part) => frames[Math.min(frames.length - 1, Math.floor(frames.length * part))];
  const perFrame = (name) => (((after[name] - before[name]) * 1000) / frames.length).toFixed(1);
  console.log(`dashboard: ${EVENTS} events, ${Math.round(y)} px in ${frames.length} frames: median ${at(0.5).toFixed(1)} ms, 95 % ${at(0.95).toFixed(1)} ms, longest ${at(1).toFixed(1)} ms; ` +
    `script ${perFrame("ScriptDuration")} ms and layout ${perFrame("LayoutDuration")} ms a frame; ${nodes} elements; ${blank} frames with a hole`);
  assert.ok(nodes < 3000, `${nodes} elements in the document`);
  assert.ok(at(0.5) < 100, `a median frame of ${at(0.5)} ms`);
  assert.ok(blank < frames.length / 4, `${blank} of ${frames.length} frames had a hole`);
});

test("pages are there soon", async ({ page, visit }) => {
  for (const where of ["#/", "#/events", "#/webhooks", "#/rules", "#/configuration"]) {
    await visit(where);
    await page.reload();
    await page.locator("main h1").waitFor();
    const { paint, size, requests } = await page.evaluate(() => new Promise((resolve) => {
      new PerformanceObserver((list) => {
        const resources = performance.getEntriesByType("resource");
        resolve({
          paint: list.getEntriesByName("first-contentful-paint")[0]?.startTime,
          size: resources.reduce((sum, { transferSize }) => sum + transferSize, 0),
          requests: resources.length,
        });
      }).observe({ type: "paint", buffered: true });
    }));
    console.log(`dashboard: ${where} first paint after ${Math.round(paint)} ms, ${requests} requests, ${(size / 1000).toFixed(0)} kB`);
    assert.ok(paint < 5000, `${where}: ${paint} ms`);
  }
});
