use serde_json::Value;
use sidehook::model::{Verdict, WebhookId};

use super::desk::{Desk, accepted, assert_problem};

#[tokio::test]
async fn pages_stay_put_while_events_arrive() {
    let desk = Desk::open().await;
    let mut expected = Vec::new();
    for n in 0..7 {
        expected.insert(0, desk.commit("task.created", n).await.0.to_string());
    }
    let mut seen = Vec::new();
    let mut path = "/v1/events?limit=3".to_owned();
    loop {
        let page = desk.json(&path).await;
        let data = page["data"].as_array().expect("a list");
        assert!(data.len() <= 3, "{page}");
        seen.extend(ids(&page));
        // A newcomer belongs before the first page: it must shift nothing.
        desk.commit("task.created", 100).await;
        match page["next"].as_str() {
            Some(cursor) => path = format!("/v1/events?limit=3&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn an_event_in_a_list_counts_its_deliveries() {
    let desk = Desk::open().await;
    desk.commit("task.created", 1).await;
    desk.attempt(accepted(), Verdict::Delivered).await;
    let event = &desk.json("/v1/events").await["data"][0];
    let counts = serde_json::json!(
        {"pending": 0, "held": 1, "delivered": 1, "failed": 0, "cancelled": 0}
    );
    assert_eq!(event["deliveries"], counts);
    assert_eq!(event["method"], "POST");
    assert_eq!(event["status"], 201);
    assert!(event.get("request").is_none() && event.get("response").is_none(), "{event}");
}

#[tokio::test]
async fn filters_choose() {
    let desk = Desk::open().await;
    desk.commit("a", 1).await;
    desk.attempt(accepted(), Verdict::Delivered).await;
    desk.commit("b", 2).await;
    let billing = WebhookId::of_name("billing");
    for (path, n) in [
        ("/v1/events", 2),
        ("/v1/events?label=a", 1),
        ("/v1/events?status=delivered", 1),
        ("/v1/events?status=failed", 0),
        ("/v1/events?code=201", 2),
        ("/v1/events?code=200", 0),
        ("/v1/events?since=2000-01-01T00:00:00Z", 2),
        ("/v1/events?until=2000-01-01T00:00:00%2B01:00", 0),
        (&format!("/v1/events?webhook={billing}"), 2),
        (&format!("/v1/events?webhook={billing}&status=delivered"), 1),
        (&format!("/v1/events?webhook={billing}&status=held"), 0),
        (&format!("/v1/events?webhook={}", WebhookId::of_name("nobody")), 0),
        ("/v1/deliveries", 4),
        ("/v1/deliveries?event=b", 2),
        ("/v1/deliveries?status=held", 2),
        ("/v1/deliveries?status=pending&event=a", 0),
        (&format!("/v1/deliveries?webhook={billing}"), 2),
        (&format!("/v1/webhooks/{billing}/deliveries?status=delivered"), 1),
        (&format!("/v1/webhooks/{billing}/deliveries?event=b&since=2000-01-01T00:00:00Z"), 1),
        ("/v1/webhooks?limit=200", 2),
    ] {
        let page = desk.json(path).await;
        assert_eq!(page["data"].as_array().expect("a list").len(), n, "{path}: {page}");
    }
}

#[tokio::test]
async fn q_finds_by_path_and_by_any_spelling_of_an_id() {
    let desk = Desk::open().await;
    desk.commit("a", 1).await;
    let (event, deliveries) = desk.commit("b", 2).await;
    let (of_event, delivery) = (event.uuid().simple().to_string(), deliveries[0].id.to_string());
    for (q, n_events, n_deliveries) in [
        ("/TASK".to_owned(), 2, 4),
        ("%20tasks%20".to_owned(), 2, 4),
        ("n=2".to_owned(), 0, 0),
        ("nowhere".to_owned(), 0, 0),
        (event.to_string(), 1, 2),
        (event.to_string().to_uppercase(), 1, 2),
        (event.uuid().to_string(), 1, 2),
        (of_event.to_uppercase(), 1, 2),
        (of_event[..30].to_owned(), 1, 2),
        (format!("del_{of_event}"), 0, 0),
        (delivery.to_uppercase(), 1, 1),
        (format!("DEL_{}", delivery.replace('-', "")), 1, 1),
        (format!("evt_{delivery}"), 0, 0),
    ] {
        for (list, n) in [("events", n_events), ("deliveries", n_deliveries)] {
            let page = desk.json(&format!("/v1/{list}?q={q}")).await;
            assert_eq!(page["data"].as_array().expect("a list").len(), n, "{list} {q}: {page}");
            assert!(page["next"].is_null(), "{list} {q}");
        }
    }
    let page = desk.json("/v1/events?q=tasks&label=a").await;
    assert_eq!(page["data"].as_array().expect("a list").len(), 1, "{page}");
    let longest = "%C3%A9".repeat(200);
    for list in ["events", "deliveries"] {
        assert_eq!(desk.get(&format!("/v1/{list}?q={longest}")).await.status(), 200);
        for q in ["", "%20%09", &format!("{longest}x"), "a&q=b"] {
            assert_problem(&desk.get(&format!("/v1/{list}?q={q}")).await, 400, "bad_query");
        }
    }
}

#[tokio::test]
async fn webhooks_come_in_pages_too() {
    let desk = Desk::open().await;
    let first = desk.json("/v1/webhooks?limit=1").await;
    let cursor = first["next"].as_str().expect("there are two");
    let second = desk.json(&format!("/v1/webhooks?limit=1&cursor={cursor}")).await;
    assert!(second["next"].is_null(), "{second}");
    assert_ne!(ids(&first), ids(&second));
}

#[tokio::test]
async fn a_query_that_is_not_understood_is_refused() {
    let desk = Desk::open().await;
    for query in [
        "limit=0",
        "limit=201",
        "limit=x",
        "limit=",
        "limit=1&limit=2",
        "cursor=x",
        "status=done",
        "since=yesterday",
        "until=1",
        "unknown=1",
        "Limit=1",
        "%ff=1",
    ] {
        for path in ["/v1/events", "/v1/deliveries", "/v1/webhooks"] {
            let reply = desk.get(&format!("{path}?{query}")).await;
            assert_problem(&reply, 400, "bad_query");
        }
    }
    for path in [
        "/v1/events?code=99",
        "/v1/events?webhook=x",
        "/v1/events?label=a%20b",
        "/v1/deliveries?webhook=x",
    ] {
        assert_problem(&desk.get(path).await, 400, "bad_query");
    }
    assert_problem(&desk.get("/v1/status?x=1").await, 400, "bad_query");
}

fn ids(page: &Value) -> Vec<String> {
    let data = page["data"].as_array().expect("a list");
    data.iter().map(|one| one["id"].as_str().expect("text").to_owned()).collect()
}
