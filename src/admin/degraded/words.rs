//! Numbers, ages and reasons as parts of sentences.

use std::time::Duration;

use crate::model::Timestamp;

/// ` 12 deliveries wait, the oldest for 3 h.`, to follow a sentence; empty for none.
pub(super) fn waiting(n: u64, oldest: Option<Duration>) -> String {
    if n == 0 {
        return String::new();
    }
    let deliveries = count(n, "delivery waits", "deliveries wait");
    let oldest = oldest.map(|oldest| format!(", the oldest for {}", age(oldest)));
    format!(" {deliveries}{}.", oldest.unwrap_or_default())
}

/// ` (for 12 min)`; empty where it is not known.
pub(super) fn lasting(since: Option<Timestamp>, now: Timestamp) -> String {
    since.map(|since| format!(" (for {})", age(now.since(since)))).unwrap_or_default()
}

/// `, the next in 28 s`; empty where it is not known.
pub(super) fn next(at: Option<Timestamp>, now: Timestamp) -> String {
    match at {
        Some(at) if at > now => format!(", the next in {}", age(at.since(now))),
        Some(_) => ", the next at once".to_owned(),
        None => String::new(),
    }
}

/// A number and what it counts.
pub(super) fn count(n: u64, one: &str, many: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {many}") }
}

/// As people say it: whole numbers of the unit in which there is more than one.
pub(super) fn age(age: Duration) -> String {
    match age.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds @ 7200..172_800 => format!("{} h", seconds / 3600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

/// A reason of the store without its last part, which is what to do.
pub(super) fn head(reason: &str) -> &str {
    reason.rsplit_once("; ").map_or(reason, |(head, _)| head)
}

/// As a sentence of its own: errors from elsewhere are that already, or not.
pub(super) fn sentence(text: &str) -> String {
    let text = text.trim_end();
    let end = if text.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{}{end}", upper(text))
}

/// As the beginning of a sentence.
fn upper(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string());
    first.unwrap_or_default() + letters.as_str()
}
