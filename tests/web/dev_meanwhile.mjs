// ONLY UNTIL THE RUST SIDE IS MERGED: makes up what the present binary does not answer yet. Delete with its one use in dev.mjs.

/** What to answer instead of `answer` (`{ status, body }`, both of the binary) to `GET url`. Null: as it is. */
export function meanwhile(url, answer) {
  const { pathname, searchParams } = new URL(url, "http://dev");
  if (pathname === "/v1/series" && answer.status === 404) return madeUpSeries(searchParams);
  if (pathname === "/v1/status" && answer.status === 200) {
    const status = JSON.parse(answer.body);
    if (status.problems) return null;
    status.proxy = { listening: true, draining: false };
    status.store.events_in_memory = 0;
    status.problems = [];
    for (const webhook of status.webhooks) {
      if (webhook.status === "paused") {
        webhook.reason = "3 failed attempts in a row; the last: the receiver answered 500";
        status.problems.push({
          code: "webhook_paused", severity: "error", webhook_id: webhook.id,
          message: `The webhook ${webhook.name} is paused: ${webhook.reason}. ${webhook.held} deliveries wait, the oldest for ${webhook.oldest_seconds} s.`,
          cure: "Mend the receiver, then send a test: an accepted one ends the pause.",
        });
      } else if (webhook.status === "disabled") {
        webhook.reason = "the receiver answered 410 Gone";
        status.problems.push({
          code: "webhook_gone", severity: "warning", webhook_id: webhook.id,
          message: `The webhook ${webhook.name} is disabled: its receiver answered 410 Gone. ${webhook.held} deliveries wait.`,
          cure: "Delete the webhook, or give it its new address and enable it.",
        });
      } else {
        webhook.reason = null;
      }
    }
    return { status: 200, body: JSON.stringify(status) };
  }
  return null;
}

const BEGUN = Date.now() - 11 * 60_000;

function madeUpSeries(params) {
  const range = params.get("range") || "15m";
  const step = { "15m": 5, "1h": 20, "24h": 480 }[range];
  if (!step) return { status: 400, body: JSON.stringify({ type: "about:blank", title: "Bad Request", status: 400, code: "bad_query", detail: "range is one of 15m, 1h, 24h" }) };
  const until = Math.ceil(Date.now() / 1000 / step) * step;
  const begin = (index) => until - (180 - index) * step;
  const noise = (index, salt) => {
    const x = Math.sin((begin(index) / step) * 12.9898 + salt * 78.233) * 43758.5453;
    return x - Math.floor(x);
  };
  const make = (value) => Array.from({ length: 180 }, (_, index) => ((begin(index) + step) * 1000 < BEGUN ? null : value(index)));
  const wave = (index) => 1 + 0.6 * Math.sin(begin(index) / (range === "24h" ? 9000 : 180));
  const calls = make((i) => Math.round(step * (6 * wave(i) + 4 * noise(i, 1))));
  const matched = make((i) => Math.round(calls[i] * (0.55 + 0.2 * noise(i, 2))));
  const bad = (i) => (Math.sin(begin(i) / 400) > 0.6 ? noise(i, 3) : 0);
  const failed = make((i) => Math.round(matched[i] * 0.3 * bad(i)));
  const delivered = make((i) => Math.max(0, Math.round(matched[i] * 2.1 - failed[i])));
  const p50 = make((i) => (matched[i] === 0 ? null : Number((0.7 + 0.4 * noise(i, 4)).toFixed(2))));
  const webhooks = (params.get("webhooks") || "").split(",").filter(Boolean).map((id, n) => ({
    id,
    delivered: make((i) => Math.round((delivered[i] / 4) * (0.6 + noise(i, 10 + n)))),
    failed: make((i) => (n % 3 === 2 ? Math.round(failed[i] * noise(i, 20 + n)) : 0)),
    latency_ms: make((i) => (noise(i, 30 + n) < 0.1 ? null : Number((8 + n * 25 + 30 * noise(i, 40 + n)).toFixed(1)))),
    waiting: make((i) => (n % 3 === 2 ? Math.round(40 * bad(i)) : Math.round(2 * noise(i, 50 + n)))),
  }));
  return {
    status: 200,
    body: JSON.stringify({
      range, step_seconds: step, since: new Date(BEGUN).toISOString(), until: new Date(until * 1000).toISOString(),
      calls, matched, events: matched, upstream_errors: make((i) => (bad(i) > 0.9 ? 1 : 0)), unserved: make(() => 0),
      attempts: { delivered, failed }, deliveries: { delivered, failed: make((i) => (failed[i] > 4 ? 1 : 0)) },
      commit_ms: { p50, p99: make((i) => (p50[i] === null ? null : Number((p50[i] * (2 + 3 * noise(i, 5))).toFixed(2)))) },
      waiting: make((i) => Math.round(10 + 60 * bad(i))), webhooks,
    }),
  };
}
