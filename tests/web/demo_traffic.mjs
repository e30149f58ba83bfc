// Steady traffic that looks like that of a small company: for people who work on the pages, and for the pictures.

const TITLES = ["Call the plumber", "Order new filters for the office", "Prepare the quarterly review", "Fix the login on mobile", "Write release notes",
  "Renew the certificate of shop.example", "Interview: backend engineer", "Move the backups to Frankfurt", "Check the smoke detectors", "Invite the auditors"];
const PEOPLE = ["mara", "jonas", "aylin", "pieter", "sofia", "tomasz"];
const CUSTOMERS = ["Bakery Sonntag", "Velo Kraft GmbH", "Atelier Noor", "Hotel Seeblick", "Lopez & Hijos", "Studio Nord"];
const ITEMS = [["Consulting, half a day", 480], ["Hosting, one month", 39.9], ["Spare part 7781", 12.5], ["Photo prints", 64], ["Workshop", 950]];

const pick = (list) => list[Math.floor(Math.random() * list.length)];
const number = (low, high) => low + Math.floor(Math.random() * (high - low));

const AGENT = { "user-agent": "shop-frontend/4.12" };
const ANSWERS = {
  task: () => ["POST", "/api/v1/tasks", { title: pick(TITLES), assignee: pick(PEOPLE), priority: number(1, 4), labels: ["office", pick(["urgent", "later", "waiting"])] }],
  done: () => ["PATCH", `/api/v1/tasks/${number(900, 1100)}`, { status: "done", closed_by: pick(PEOPLE) }],
  changed: () => ["PATCH", `/api/v1/tasks/${number(900, 1100)}`, { status: "open", assignee: pick(PEOPLE) }],
  deleted: () => ["DELETE", `/api/v1/tasks/${number(900, 1100)}`],
  read: () => ["GET", `/api/v1/tasks/${number(900, 1100)}`],
  missing: () => ["GET", "/api/v1/tasks/404"],
  invoice: () => {
    const lines = Array.from({ length: number(1, 4) }, () => {
      const [text, price] = pick(ITEMS);
      return { text, price, quantity: number(1, 5) };
    });
    const total = lines.reduce((sum, line) => sum + line.price * line.quantity, 0);
    const card = { holder: "A. Noor", number: "4242424242424242" };
    return ["POST", "/api/v1/invoices", { customer: { id: number(100, 180), name: pick(CUSTOMERS), country: pick(["DE", "NL", "ES", "CH"]) }, lines, total: Math.round(total * 100) / 100, currency: "EUR", card }, { "idempotency-key": `order-${number(10000, 99999)}` }];
  },
  paid: () => ["POST", `/api/v1/invoices/INV-${number(4200, 4290)}/pay`, `method=${pick(["sepa", "card"])}&amount=${number(20, 900)}.00&reference=RF18+${number(1000, 9999)}`, { "content-type": "application/x-www-form-urlencoded" }],
  note: () => ["POST", "/api/v1/notes", `Customer ${pick(CUSTOMERS)} asked for a call back on ${pick(["Monday", "Tuesday", "Friday"])}.`, { "content-type": "text/plain; charset=utf-8" }],
  file: () => ["PUT", `/api/v1/files/${pick(["contract", "photo", "floor-plan"])}-${number(1, 80)}.bin`, Buffer.from(Array.from({ length: 600 }, () => number(0, 256))), { "content-type": "application/octet-stream" }],
  report: () => ["GET", `/api/v1/reports/2026-${String(number(1, 13)).padStart(2, "0")}`],
  import: () => ["POST", "/api/v1/imports", { source: "datev", rows: 9000, dry_run: false }],
  failing: () => ["POST", "/api/v1/broken", { title: "lost" }],
};
// How often each comes, of a hundred or so.
const MIX = [["task", 22], ["done", 14], ["changed", 8], ["deleted", 5], ["read", 20], ["missing", 2], ["invoice", 14], ["paid", 8], ["note", 2], ["file", 3], ["report", 3], ["import", 1], ["failing", 1]];
const BAG = MIX.flatMap(([name, times]) => Array(times).fill(name));

/** A call as `harness.call` takes it. */
export function anyCall(name = pick(BAG)) {
  const [method, path, body, headers = {}] = ANSWERS[name]();
  return [method, path, body, { ...AGENT, ...headers }];
}

const well = (low, high, body) => () => ({ status: 200, headers: { "content-type": "application/json" }, body, delay: number(low, high) });
const billed = well(25, 120, '{"accepted":true}');

/** How "billing" answers: now and then it is being deployed. */
export function billing() {
  if (Math.random() > 0.03) return billed();
  return { status: 503, headers: { "content-type": "text/plain", "retry-after": "20" }, body: "Deploying, please try again.\n", delay: number(5, 20) };
}

/** Receivers that take their time and now and then do not feel well. "warehouse" stays broken. */
export function believable(receiver) {
  receiver.behave("/billing", billing);
  receiver.behave("/search/tasks", well(4, 18, '{"result":"updated"}'));
  receiver.behave("/audit", well(8, 40, '{"stored":true}'));
  receiver.behave("/chat/incoming", well(90, 380, "ok"));
  receiver.behave("/archive", well(700, 1900, '{"queued":true}'));
}

/** About `rate` calls a second, going up and down, until the function it gives is called. */
export function steady(harness, rate = 5) {
  let stopped = false;
  const begun = Date.now();
  const next = () => {
    if (stopped) return;
    if (harness.isRunning) harness.call(...anyCall()).catch(() => {});
    const wave = 1 + 0.6 * Math.sin((Date.now() - begun) / 20_000);
    setTimeout(next, (1000 / (rate * wave)) * (0.3 + 1.4 * Math.random()));
  };
  next();
  return () => {
    stopped = true;
  };
}
