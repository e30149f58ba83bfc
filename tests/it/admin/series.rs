//! `/v1/series`: what has been counted lately.

use std::time::Duration;

use serde_json::Value;
use sidehook::model::{Verdict, WebhookId};
use sidehook::telemetry::UpstreamErrorKind;

use super::desk::{Desk, READ_TOKEN, accepted, assert_problem, rejected};

fn list<'a>(series: &'a Value, pointer: &str) -> &'a [Value] {
    let list = series.pointer(pointer).and_then(Value::as_array);
    list.unwrap_or_else(|| panic!("no list {pointer} in {series}"))
}

fn sum(series: &Value, pointer: &str) -> u64 {
    list(series, pointer).iter().filter_map(Value::as_u64).sum()
}

#[tokio::test]
async fn what_happened_is_counted_in_every_range() {
    let desk = Desk::open().await;
    desk.metrics.call(false);
    desk.metrics.call(true);
    desk.metrics.upstream_error(UpstreamErrorKind::Connect);
    desk.commit("task.created", 1).await;
    desk.commit("task.created", 2).await;
    let took = Duration::from_millis(40);
    desk.metrics.attempt("billing", "delivered", took);
    desk.metrics.attempt("billing", "timeout", took);
    desk.metrics.delivery_finished("billing", "delivered");
    let (billing, audit) = (WebhookId::of_name("billing"), WebhookId::of_name("audit"));
    for (range, step) in [("15m", 5), ("1h", 20), ("24h", 480)] {
        let path = format!("/v1/series?range={range}&webhooks={billing},{audit}");
        let series = desk.json(&path).await;
        assert_eq!((&series["range"], &series["step_seconds"]), (&range.into(), &step.into()));
        for (pointer, n) in [
            ("/calls", 2),
            ("/matched", 1),
            ("/events", 2),
            ("/upstream_errors", 1),
            ("/unserved", 0),
            ("/attempts/delivered", 1),
            ("/attempts/failed", 1),
            ("/deliveries/delivered", 1),
            ("/deliveries/failed", 0),
            ("/webhooks/0/delivered", 1),
            ("/webhooks/0/failed", 1),
            ("/webhooks/1/failed", 0),
        ] {
            assert_eq!(list(&series, pointer).len(), 180, "{pointer}");
            assert_eq!(sum(&series, pointer), n, "{range} {pointer} {series}");
        }
        assert_eq!(list(&series, "/calls")[0], Value::Null, "before the start");
        assert_eq!(list(&series, "/waiting").iter().rev().find(|n| !n.is_null()), Some(&4.into()));
        let waiting = list(&series, "/webhooks/0/waiting");
        assert_eq!(waiting.iter().rev().find(|n| !n.is_null()), Some(&2.into()));
        let latency = list(&series, "/webhooks/0/latency_ms");
        assert_eq!(latency.iter().filter_map(Value::as_f64).collect::<Vec<_>>(), [40.0]);
        for quantile in ["/commit_ms/p50", "/commit_ms/p99"] {
            assert_eq!(list(&series, quantile).len(), 180);
            assert!(list(&series, quantile).iter().any(|ms| ms.as_f64() > Some(0.0)), "{series}");
        }
        assert_eq!(series["webhooks"][0]["id"], billing.to_string());
        assert!(series["since"].as_str() < series["until"].as_str(), "{series}");
    }
}

#[tokio::test]
async fn a_backlog_goes_down_as_it_is_delivered() {
    let desk = Desk::open().await;
    let billing = WebhookId::of_name("billing");
    let path = format!("/v1/series?webhooks={billing}");
    let last = |series: &Value| {
        let waiting = list(series, "/webhooks/0/waiting");
        waiting.iter().rev().find_map(Value::as_u64)
    };
    desk.commit("task.created", 1).await;
    desk.commit("task.created", 2).await;
    assert_eq!(last(&desk.json(&path).await), Some(2));
    desk.attempt(accepted(), Verdict::Delivered).await;
    assert_eq!(last(&desk.json(&path).await), Some(1));
    desk.attempt(rejected(), Verdict::Failed).await;
    assert_eq!(last(&desk.json(&path).await), Some(0));
}

#[tokio::test]
async fn what_is_asked_for_wrongly_is_told() {
    let desk = Desk::open().await;
    let id = WebhookId::of_name("billing").to_string();
    let many = vec![id.as_str(); 51].join(",");
    for query in [
        "range=2h".to_owned(),
        "range=".to_owned(),
        "range=15m&range=1h".to_owned(),
        "webhooks=".to_owned(),
        "webhooks=billing".to_owned(),
        format!("webhooks={id},"),
        format!("webhooks={many}"),
        "step=5".to_owned(),
    ] {
        let reply = desk.get(&format!("/v1/series?{query}")).await;
        assert_problem(&reply, 400, "bad_query");
    }
    let gone = WebhookId::of_name("gone");
    let series = desk.json(&format!("/v1/series?webhooks={gone},{id}")).await;
    let shown: Vec<&Value> = list(&series, "/webhooks").iter().map(|one| &one["id"]).collect();
    assert_eq!(shown, [&Value::from(id)], "one that there is none of is left out");
    assert_eq!(list(&desk.json("/v1/series").await, "/webhooks").len(), 0);
    let reader = format!("authorization: Bearer {READ_TOKEN}\r\n");
    assert_eq!(desk.send("GET", "/v1/series", &reader, "").await.status(), 200);
    let reply = desk.send("GET", "/v1/series", "authorization: none\r\n", "").await;
    assert_problem(&reply, 401, "unauthorized");
}
