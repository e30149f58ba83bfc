//! The commands that ask a running sidehook, against canned answers.

mod changes;
mod door;
mod fake;
mod health;
mod recover;
mod secure;
mod tables;
mod tail;

use serde_json::{Value, json};

use self::fake::{DELIVERY, EVENT, Says, Seen, WEBHOOK};

fn event(n: usize) -> Value {
    json!({"id": EVENT, "label": "task.created", "tag": null, "subject": null, "method": "POST",
        "url": format!("/tasks/{n}?{}", "x".repeat(80)), "status": 201,
        "created_at": format!("2026-01-31T09:30:{n:02}.000Z"),
        "deliveries": {"pending": 0, "held": 0, "delivered": 0, "failed": 1, "cancelled": 0}})
}

fn delivery(status: &str, attempts: u32) -> Value {
    json!({"id": DELIVERY, "event_id": EVENT, "webhook_id": WEBHOOK, "event": "task.created",
        "status": status, "response_code": 503, "response_time_ms": 12, "attempts": attempts,
        "created_at": "2026-01-31T09:31:00.000Z", "timestamp": "2026-01-31T09:31:00.000Z",
        "next_attempt_at": null, "error": "the receiver \u{1b}[2J answered 503"})
}

fn webhook() -> Value {
    json!({"id": WEBHOOK, "name": "billing", "url": "https://billing.example.com/hook",
        "status": "paused", "disabled_reason": "10 failed attempts in a row",
        "paused_at": "2026-01-31T09:31:30.000Z", "next_probe_at": "2026-01-31T09:41:30.000Z",
        "rests_until": "2026-01-31T09:41:00.000Z",
        "events": ["task.created", "invoice.*"], "source": "api",
        "updated_at": "2026-01-31T09:32:00.000Z"})
}

fn status() -> Value {
    json!({"version": "0.1.0", "uptime_seconds": 90,
        "upstream": {"healthy": false, "last_error": "connection refused"},
        "store": {"healthy": true, "bytes": 1536, "max_bytes": 1 << 30,
            "commit_p50_ms": 1.5, "commit_p99_ms": 4.0},
        "webhooks": [{"id": WEBHOOK, "name": "billing", "status": "paused", "pending": 4711,
            "held": 0, "oldest_seconds": 3700}],
        "config": {"generation": 3, "loaded_at": "2026-01-31T09:00:00.000Z",
            "problems": ["sidehook.toml:7:1: unknown key `upstraem`"]},
        "problems": [{"code": "webhook_paused", "severity": "error", "webhook_id": WEBHOOK,
            "message": "The webhook billing is paused.", "cure": "Mend it, \u{1b}[2Jthen test."}]})
}

/// The answers that every command may need.
fn ordinary(seen: &Seen) -> Says {
    let path = seen.line.split([' ', '?']).nth(1).unwrap_or_default();
    let list = |rows: Value| Says::Json(200, json!({"data": rows, "next": null}));
    match path {
        "/v1/webhooks" => list(json!([webhook()])),
        "/v1/events" => list(json!([event(1)])),
        "/v1/deliveries" => list(json!([delivery("failed", 2)])),
        "/v1/status" => Says::Json(200, status()),
        _ => nothing(),
    }
}

fn nothing() -> Says {
    Says::Json(404, json!({"detail": "there is no such thing", "code": "not_found"}))
}
