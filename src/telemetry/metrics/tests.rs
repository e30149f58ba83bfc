use super::super::scrape::QueueScrape;
use super::*;

/// Every metric of the contract that exists now, with its labels.
const SERIES: [&str; 29] = [
    r#"sidehook_calls_total{matched="true"} 1"#,
    r#"sidehook_calls_total{matched="false"} 2"#,
    r#"sidehook_upstream_errors_total{kind="connect_timeout"} 1"#,
    r#"sidehook_upstream_errors_total{kind="broken"} 0"#,
    r#"sidehook_events_total{label="task.created"} 1"#,
    r#"sidehook_events_lost_total{reason="queue_full"} 3"#,
    r#"sidehook_captures_cut_total{side="response"} 1"#,
    "sidehook_commit_seconds_count 1",
    r#"sidehook_commit_seconds_bucket{le="0.0025"} 1"#,
    r#"sidehook_attempts_total{webhook="a \"b\"",outcome="delivered"} 1"#,
    r#"sidehook_attempt_seconds_count{webhook="a \"b\""} 1"#,
    r#"sidehook_delivery_lag_seconds_sum{webhook="a \"b\""} 0.5"#,
    r#"sidehook_deliveries_finished_total{webhook="a \"b\"",status="delivered"} 1"#,
    r#"sidehook_queue_depth{webhook="a",state="held"} 4"#,
    r#"sidehook_queue_oldest_seconds{webhook="a"} 1.5"#,
    r#"sidehook_webhook_status{webhook="a",status="disabled"} 1"#,
    r#"sidehook_webhook_status{webhook="a",status="active"} 0"#,
    "sidehook_store_bytes 77",
    "sidehook_store_max_bytes 99",
    "sidehook_store_reclaimable_bytes 55",
    r#"sidehook_events_total{label="task.deleted"} 0"#,
    r#"sidehook_events_total{label="sidehook.test"} 0"#,
    r#"sidehook_condition_errors_total{label="task.created"} 0"#,
    r#"sidehook_deliveries_finished_total{webhook="a",status="failed"} 0"#,
    "sidehook_store_healthy 1",
    r#"sidehook_connections{side="client"} 2"#,
    r#"sidehook_connections{side="upstream"} 0"#,
    r#"sidehook_build_info{version="1.2.3"} 1"#,
    "sidehook_log_lines_dropped_total 0",
];

fn busy() -> (Metrics, Scrape) {
    let metrics = Metrics::default();
    metrics.call(true);
    metrics.call(false);
    metrics.call(false);
    metrics.upstream_error(UpstreamErrorKind::ConnectTimeout);
    metrics.event_committed("task.created");
    metrics.events_lost("queue_full", 3);
    metrics.capture_cut(CutSide::Response);
    metrics.commit(Duration::from_millis(2));
    metrics.attempt("a \"b\"", "delivered", Duration::from_millis(20));
    metrics.delivery_lag("a \"b\"", Duration::from_millis(500));
    metrics.delivery_finished("a \"b\"", "delivered");
    metrics.connections("client", 3);
    metrics.connections("client", -1);
    let scrape = Scrape {
        version: "1.2.3",
        store_healthy: true,
        store_bytes: 77,
        store_max_bytes: 99,
        store_reclaimable_bytes: 55,
        labels: vec!["task.created".into(), "task.deleted".into()],
        queues: vec![queue("a", 4), queue("a \"b\"", 0)],
    };
    (metrics, scrape)
}

fn queue(webhook: &str, held: u64) -> QueueScrape {
    let oldest = Duration::from_millis(1500);
    QueueScrape { webhook: webhook.into(), status: Some("disabled"), pending: 0, held, oldest }
}

#[test]
fn every_metric_has_its_name_in_both_formats() {
    let (metrics, scrape) = busy();
    for exposition in [Exposition::OpenMetrics, Exposition::Text] {
        let text = metrics.encode(&scrape, exposition);
        for series in SERIES {
            assert!(text.lines().any(|line| line == series), "{series} is not in\n{text}");
        }
    }
}

#[test]
fn each_format_describes_counters_in_its_own_way() {
    let (metrics, scrape) = busy();
    let open = metrics.encode(&scrape, Exposition::OpenMetrics);
    assert!(open.contains("# TYPE sidehook_calls counter\n"), "{open}");
    assert!(open.ends_with("\n# EOF\n"), "{open}");
    let text = metrics.encode(&scrape, Exposition::Text);
    assert!(text.contains("# TYPE sidehook_calls_total counter\n"), "{text}");
    assert!(!text.contains("# EOF"), "{text}");
    for line in text.lines().filter(|line| line.starts_with("# TYPE")) {
        let name = line.split(' ').nth(2).expect("has a name");
        assert!(text.contains(&format!("# HELP {name} ")), "{name} has no help");
    }
}

#[test]
fn series_of_a_webhook_that_is_gone_are_gone() {
    let (metrics, mut scrape) = busy();
    let has = |text: &str, name: &str| text.contains(&format!("webhook=\"{name}\""));
    assert!(has(&metrics.encode(&scrape, Exposition::Text), r#"a \"b\""#));
    scrape.queues = vec![queue("renamed", 0)];
    let text = metrics.encode(&scrape, Exposition::Text);
    assert!(has(&text, "renamed") && !has(&text, "a") && !has(&text, r#"a \"b\""#), "{text}");
    // An attempt that was under way then does not bring it back for good.
    metrics.attempt("a", "timeout", Duration::ZERO);
    let text = metrics.encode(&scrape, Exposition::Text);
    assert!(!has(&text, "a"), "{text}");
    // A deleted webhook may still have deliveries under its id.
    scrape.queues.push(QueueScrape { status: None, ..queue("wh_1", 2) });
    let text = metrics.encode(&scrape, Exposition::Text);
    assert!(text.contains(r#"sidehook_queue_depth{webhook="wh_1",state="held"} 2"#), "{text}");
    assert!(!text.contains(r#"sidehook_attempts_total{webhook="wh_1""#), "{text}");
}

#[test]
fn a_test_event_brings_no_label_of_its_own() {
    let (metrics, scrape) = busy();
    metrics.test_event_committed();
    let text = metrics.encode(&scrape, Exposition::Text);
    assert!(text.contains(r#"sidehook_events_total{label="sidehook.test"} 1"#), "{text}");
}
