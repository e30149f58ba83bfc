//! Calls that webhooks lead to: a receiver that answers a webhook by calling the API again, which
//! makes an event, which makes a webhook. Such a call carries the marks of the webhook, on purpose
//! or because it continues its trace. The marks are believed only where the store knows the
//! delivery: else anybody could hide calls by sending a header.

use uuid::Uuid;

use super::wire::Head;
use super::worker::Worker;
use crate::model::DeliveryId;
use crate::store::Store;

/// The header that every webhook carries.
const WEBHOOK_ID: &str = "webhook-id";

/// Our member of a trace's state (W3C Trace Context 3.3): `sidehook=<delivery>`.
const TRACE_STATE: &str = "tracestate";
const TRACE_KEY: &str = "sidehook";

/// The deliveries that a request's head names: one by header, one by trace at most.
pub(super) fn marks(head: &Head) -> Vec<DeliveryId> {
    let by_header = head.all_named(WEBHOOK_ID).next().and_then(delivery);
    let by_trace = head
        .all_named(TRACE_STATE)
        .flat_map(|value| value.split(|&b| b == b','))
        .find_map(|member| {
            let at = member.iter().position(|&b| b == b'=')?;
            let (key, value) = (member[..at].trim_ascii(), member[at + 1..].trim_ascii());
            (key == TRACE_KEY.as_bytes()).then(|| delivery(value)).flatten()
        });
    let mut marks: Vec<DeliveryId> = by_header.into_iter().chain(by_trace).collect();
    marks.dedup();
    marks
}

/// How many webhooks stand before a call: 0 where the store knows none of its marks.
pub(super) async fn depth(worker: &Worker, marks: &[DeliveryId]) -> u8 {
    if marks.is_empty() {
        return 0;
    }
    let (store, marks) = (worker.shared.store.clone(), marks.to_vec());
    // The store reads its index: not on the thread that all calls share.
    let looked_up = tokio::task::spawn_blocking(move || {
        marks.into_iter().filter_map(|id| depth_of(&store, id)).max()
    });
    match looked_up.await {
        Ok(depth) => depth.map_or(0, |depth| depth.saturating_add(1)),
        Err(error) => {
            tracing::warn!(%error, "whether a webhook led to a call cannot be told");
            0
        }
    }
}

fn depth_of(store: &Store, id: DeliveryId) -> Option<u8> {
    store.depth_of(id).unwrap_or_else(|error| {
        // An event too many is better than one too few.
        tracing::warn!(%error, "whether a webhook led to a call cannot be told");
        None
    })
}

fn delivery(text: &[u8]) -> Option<DeliveryId> {
    Uuid::try_parse_ascii(text).ok().map(DeliveryId::from_uuid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_found_in_both_places_and_nothing_else_is_one() {
        let id = "70195486-8934-4a31-a504-a97a72c7f322";
        let bare = id.replace('-', "");
        let found = |fields: &[(&'static str, &str)]| {
            let mut head = Head::new();
            for (name, value) in fields {
                head.push(name, value.as_bytes());
            }
            marks(&head).len()
        };
        assert_eq!(found(&[("webhook-id", id)]), 1);
        assert_eq!(found(&[("webhook-id", &bare)]), 1);
        assert_eq!(found(&[("tracestate", &format!("a=b, sidehook={bare}"))]), 1);
        assert_eq!(
            found(&[("tracestate", "a=b"), ("tracestate", &format!("sidehook={id},c=d"))]),
            1
        );
        assert_eq!(found(&[("webhook-id", id), ("tracestate", &format!("sidehook={id}"))]), 1);
        for (name, value) in [
            ("webhook-id", "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W"),
            ("webhook-id", ""),
            ("tracestate", "sidehook=1"),
            ("tracestate", &format!("sidehook2={bare}")),
            ("tracestate", &bare),
            ("traceparent", &bare),
        ] {
            assert_eq!(found(&[(name, value)]), 0, "{name}: {value}");
        }
    }
}
