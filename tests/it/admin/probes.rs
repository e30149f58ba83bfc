use std::sync::atomic::Ordering;

use sidehook::model::Verdict;
use sidehook::telemetry::Unserved;

use super::desk::{Desk, accepted, json};

#[tokio::test]
async fn readiness_names_its_reasons() {
    let desk = Desk::open().await;
    assert_eq!(desk.json("/livez").await["status"], "alive");
    assert_eq!(desk.json("/readyz").await["reasons"], serde_json::json!([]));
    desk.draining.store(true, Ordering::SeqCst);
    let reply = desk.get("/readyz").await;
    assert_eq!(reply.status(), 503);
    assert!(json(&reply)["reasons"][0].as_str().expect("text").contains("draining"));
    assert_eq!(desk.get("/livez").await.status(), 200, "alive while it drains");
    desk.draining.store(false, Ordering::SeqCst);
    let store = desk.store.clone();
    tokio::task::spawn_blocking(move || store.close()).await.expect("closes");
    let reply = desk.get("/readyz").await;
    assert_eq!(reply.status(), 503, "a store that takes nothing is not ready");
    assert!(json(&reply)["reasons"][0].as_str().expect("text").contains("store"));
}

#[tokio::test]
async fn status_tells_queues_and_health() {
    let desk = Desk::open().await;
    desk.commit("task.created", 1).await;
    desk.commit("task.created", 2).await;
    desk.attempt(accepted(), Verdict::Delivered).await;
    let status = desk.json("/v1/status").await;
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert!(status["uptime_seconds"].is_u64(), "{status}");
    assert_eq!(status["upstream"]["healthy"], false);
    assert_eq!(status["upstream"]["last_error"], "connection refused");
    assert_eq!(status["store"]["healthy"], true);
    assert!(status["store"]["bytes"].as_u64().expect("a number") > 0);
    assert_eq!(status["store"]["max_bytes"], 1 << 30);
    assert!(status["store"]["commit_p50_ms"].as_f64().expect("there were commits") > 0.0);
    assert!(status["store"]["commit_p99_ms"].is_f64());
    assert_eq!(status["config"]["generation"], 1);
    assert_eq!(status["config"]["problems"], serde_json::json!([]));
    assert_eq!(status["proxy"], serde_json::json!({"listening": true, "draining": false}));
    assert_eq!(status["store"]["events_in_memory"], 0);
    let problems = status["problems"].as_array().expect("a list");
    let codes: Vec<_> = problems.iter().map(|one| (&one["code"], &one["severity"])).collect();
    let warning = (&"webhook_disabled".into(), &"warning".into());
    assert_eq!(codes, [(&"upstream_unhealthy".into(), &"error".into()), warning], "{status}");
    assert!(problems[0]["message"].as_str().expect("text").contains("Connection refused."));
    assert!(problems[0].get("webhook_id").is_none(), "{status}");
    assert!(
        problems[1]["message"].as_str().expect("text").contains("2 deliveries wait"),
        "{status}"
    );
    let webhooks = status["webhooks"].as_array().expect("a list");
    let find = |name: &str| webhooks.iter().find(|one| one["name"] == name).expect("is listed");
    assert_eq!(find("billing")["pending"], 1, "{status}");
    assert_eq!(find("billing")["held"], 0);
    assert_eq!(find("billing")["status"], "active");
    assert_eq!(find("audit")["held"], 2, "{status}");
    assert_eq!(find("audit")["status"], "disabled");
    assert!(find("audit")["oldest_seconds"].is_u64());
    assert_eq!(find("audit")["id"], problems[1]["webhook_id"]);
    assert_eq!(find("audit")["reason"], "`active = false` in the configuration");
    assert!(find("billing")["reason"].is_null());
}

#[tokio::test]
async fn metrics_come_in_the_format_that_is_asked_for() {
    let desk = Desk::open().await;
    desk.commit("task.created", 1).await;
    desk.metrics.call(true);
    let reply = desk.get("/metrics").await;
    assert_eq!(reply.field("content-type"), ["text/plain; version=0.0.4; charset=utf-8"]);
    let text = reply.text();
    for series in [
        r#"sidehook_calls_total{matched="true"} 1"#,
        r#"sidehook_events_total{label="task.created"} 1"#,
        r#"sidehook_events_lost_total{reason="queue_full"} 0"#,
        "sidehook_commit_seconds_count 1",
        r#"sidehook_queue_depth{webhook="billing",state="pending"} 1"#,
        r#"sidehook_queue_depth{webhook="audit",state="held"} 1"#,
        r#"sidehook_webhook_status{webhook="audit",status="disabled"} 1"#,
        "sidehook_store_healthy 1",
        concat!(r#"sidehook_build_info{version=""#, env!("CARGO_PKG_VERSION"), r#""} 1"#),
    ] {
        assert!(text.lines().any(|line| line == series), "{series} is not in\n{text}");
    }
    let accept = "accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5\r\n";
    let reply = desk.send("GET", "/metrics", accept, "").await;
    assert!(reply.field("content-type")[0].starts_with("application/openmetrics-text"));
    assert!(reply.text().ends_with("# EOF\n"));
}

/// The counters are sampled though nobody asks for charts.
#[tokio::test]
async fn connections_turned_away_lately_are_told() {
    let desk = Desk::open().await;
    desk.metrics.unserved(Unserved::ClientLimit);
    desk.metrics.unserved(Unserved::Handshake);
    let refused = async || {
        let status = desk.json("/v1/status").await;
        let mut problems = status["problems"].as_array().expect("a list").iter();
        problems.find(|one| one["code"] == "connections_refused").cloned()
    };
    let told = crate::support::found(refused).await.expect("a sample");
    let message = told["message"].as_str().expect("text");
    assert!(message.contains("1 (above [proxy] max_connections_per_client)"), "{told}");
    assert!(!message.contains("handshake") && told["cure"].is_string(), "{told}");
}
