//! What is not as it should be, in words and with the cure: found at one place, so that the dashboard,
//! `sidehook status` and whoever else asks say the same. Pure: what was seen comes in.

mod words;

#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::time::Duration;

use serde::Serialize;
use utoipa::ToSchema;

use self::words::{age, count, head, sentence};
use super::control::{ConfigStatus, ProxyHealth};
use super::registry::BY_OPERATOR;
use super::schemas::DegradedCode;
use super::standing::Stands;
use crate::model::{Timestamp, Webhook, WebhookId, WebhookStatus};
use crate::store::{QueueStats, StoreStats, Trouble};
use crate::telemetry::Total;

/// Every `code`.
pub(super) const CODES: [&str; 21] = [
    "config_refused",
    "connections_refused",
    "draining",
    "events_in_memory",
    "events_lost",
    "journal_damaged",
    "needs_restart",
    "not_listening",
    "store_closed",
    "store_disk_low",
    "store_full",
    "store_index",
    "store_journal",
    "store_nearly_full",
    "store_stalled",
    "upstream_unhealthy",
    "webhook_behind",
    "webhook_disabled",
    "webhook_gone",
    "webhook_paused",
    "webhook_unusable",
];

/// An active webhook whose oldest delivery waits for longer is behind.
const BEHIND: Duration = Duration::from_secs(3600);
/// A store that is fuller, percent, is nearly full.
const NEARLY_FULL: u64 = 85;

/// Something that is not as it should be.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Degraded)]
pub(super) struct Degraded {
    #[schema(value_type = DegradedCode)]
    code: &'static str,
    severity: Severity,
    /// What is wrong, and what follows from it.
    message: String,
    /// What to do about it.
    cure: String,
    /// Where it is about one webhook.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    webhook_id: Option<WebhookId>,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Severity {
    /// It may come to something being refused, lost or not delivered.
    Warning,
    /// Something is refused, lost or not delivered, and a person must act.
    Error,
}

/// What was seen.
pub(super) struct Seen<'a> {
    pub(super) stats: &'a StoreStats,
    pub(super) proxy: &'a ProxyHealth,
    pub(super) config: &'a ConfigStatus,
    /// Events of successful calls that could not be stored, by why.
    pub(super) lost: Vec<(&'static str, u64)>,
    /// Connections that were not served in the last quarter of an hour, by why.
    pub(super) unserved: Vec<(Total, u64)>,
    pub(super) webhooks: Vec<Standing<'a>>,
    pub(super) now: Timestamp,
}

/// How a webhook stands.
pub(super) struct Standing<'a> {
    pub(super) webhook: &'a Webhook,
    pub(super) stands: Stands,
}

/// All that is wrong, the worst first.
pub(super) fn problems(seen: &Seen<'_>) -> Vec<Degraded> {
    let mut found = Vec::new();
    found.extend(seen.stats.troubles.iter().map(|(trouble, reason)| store(*trouble, reason)));
    found.extend(in_memory(seen.stats.n_in_memory));
    found.extend(lost(&seen.lost));
    found.extend(damage(&seen.stats.damage));
    found.extend(proxy(seen.proxy));
    found.extend(unserved(&seen.unserved));
    found.extend(config(seen.config));
    for standing in &seen.webhooks {
        let queue = seen.stats.queues.iter().find(|queue| queue.webhook_id == standing.webhook.id);
        found.extend(webhook(standing, queue, seen.now));
    }
    let is_known = |id| seen.webhooks.iter().any(|standing| standing.webhook.id == id);
    let gone = seen.stats.queues.iter().filter(|queue| !is_known(queue.webhook_id));
    found.extend(gone.filter_map(|queue| gone_webhook(queue, seen.now)));
    found.extend(nearly_full(seen.stats));
    found.sort_by_key(|one| Reverse(one.severity));
    found
}

impl Degraded {
    fn new(
        severity: Severity,
        code: &'static str,
        message: String,
        cure: impl Into<String>,
    ) -> Self {
        Self { code, severity, message, cure: cure.into(), webhook_id: None }
    }

    fn error(code: &'static str, message: String, cure: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, message, cure)
    }

    fn warning(code: &'static str, message: String, cure: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, message, cure)
    }

    fn of(self, webhook: WebhookId) -> Self {
        Self { webhook_id: Some(webhook), ..self }
    }
}

fn store(trouble: Trouble, reason: &str) -> Degraded {
    let (code, cure) = match trouble {
        Trouble::Journal => (
            "store_journal",
            "Look at the disk of [store] path: free space, permissions, the log of the system. \
             sidehook tries again by itself.",
        ),
        Trouble::Index => (
            "store_index",
            "It mends itself within moments. If it does not: look at the disk of [store] path, then \
             stop sidehook and run `sidehook store rebuild`.",
        ),
        Trouble::DiskLow => (
            "store_disk_low",
            "Delete something on the disk of [store] path. sidehook goes on by itself.",
        ),
        Trouble::SizeFull => (
            "store_full",
            "Mend the receivers whose deliveries wait, so that they are finished, or raise \
             [store] max_size.",
        ),
        Trouble::Stalled => (
            "store_stalled",
            "Look at the disk of [store] path and the log of the system. sidehook goes on by itself \
             when the disk answers.",
        ),
        Trouble::Closed => ("store_closed", "sidehook is stopping: start it again."),
    };
    let message = format!(
        "The store takes no events: {}. Calls that match a rule get 503 (with on_store_failure = \
         \"pass\" they pass, and their events wait in memory).",
        head(reason)
    );
    Degraded::error(code, message, cure)
}

fn in_memory(n: u64) -> Option<Degraded> {
    let message = || {
        let events = count(n, "event waits", "events wait");
        format!(
            "{events} in memory for the store. If sidehook ends before it is well, they are lost."
        )
    };
    let cure = "Do not restart sidehook: mend the store first.";
    (n > 0).then(|| Degraded::error("events_in_memory", message(), cure))
}

fn lost(lost: &[(&'static str, u64)]) -> Option<Degraded> {
    let n = lost.iter().map(|(_, n)| n).sum();
    let why: Vec<String> = lost.iter().map(|(reason, n)| format!("{reason}: {n}")).collect();
    let message = || {
        let events = count(n, "event could", "events could");
        format!(
            "{events} not be stored since the start ({}): no webhook tells of them.",
            why.join(", ")
        )
    };
    let cure = "The log names each at level ERROR: tell their receivers in another way, and mend what \
                it names. What the reasons mean stands in docs/metrics.md. The next start begins at 0.";
    (n > 0).then(|| Degraded::error("events_lost", message(), cure))
}

fn damage(damage: &[String]) -> Option<Degraded> {
    let first = damage.first()?;
    let more = match damage.len() - 1 {
        0 => String::new(),
        n => format!(" (and {n} more, in `store.damage`)"),
    };
    let message = format!("Parts of the journal are damaged: {first}{more}.");
    let cure = "The disk may be failing: look at its log. What was damaged lies in the folder quarantine \
                of [store] path. `sidehook store check` examines all of it while sidehook does not run.";
    Some(Degraded::error("journal_damaged", message, cure))
}

fn proxy(proxy: &ProxyHealth) -> Vec<Degraded> {
    let mut found = Vec::new();
    if proxy.draining {
        let message = "sidehook is stopping: it finishes its calls and takes no new ones.";
        let cure = "None is needed if that is meant. Otherwise see who stops it.";
        found.push(Degraded::warning("draining", message.to_owned(), cure));
    } else if !proxy.listening {
        let message = "The proxy does not listen: no calls come through.";
        let cure = "Wait for the end of the start; the log says what it waits for.";
        found.push(Degraded::error("not_listening", message.to_owned(), cure));
    }
    if !proxy.upstream_healthy {
        let error = proxy.upstream_error.as_deref().unwrap_or("no answer");
        let message = format!("The upstream has failed the last call. {}", sentence(error));
        let cure = "See that the API behind sidehook runs and that [proxy] upstream leads to it. The \
                    next call that it answers ends this.";
        found.push(Degraded::error("upstream_unhealthy", message, cure));
    }
    found
}

/// Those for which sidehook had no place; what clients did wrong is theirs.
fn unserved(unserved: &[(Total, u64)]) -> Option<Degraded> {
    let mut words = Vec::new();
    let mut cures = Vec::new();
    for &(why, n) in unserved {
        let (reason, cure) = match why {
            Total::UnservedAccept => (
                "the system gave no socket",
                "Raise the limit of open files (LimitNOFILE, ulimit -n).",
            ),
            Total::UnservedLimit => {
                ("above [proxy] max_connections", "Raise [proxy] max_connections.")
            }
            Total::UnservedClientLimit => (
                "above [proxy] max_connections_per_client",
                "See which client opens so many, or raise [proxy] max_connections_per_client.",
            ),
            _ => continue,
        };
        if n > 0 {
            words.push(format!("{n} ({reason})"));
            cures.push(cure);
        }
    }
    let message = || {
        format!(
            "In the last 15 minutes connections of clients were turned away: {}.",
            words.join(", ")
        )
    };
    let is_any = !words.is_empty();
    is_any.then(|| Degraded::error("connections_refused", message(), cures.join(" ")))
}

fn config(config: &ConfigStatus) -> Vec<Degraded> {
    let mut found = Vec::new();
    if let Some(first) = config.problems.first() {
        let mistakes = count(config.problems.len() as u64, "mistake", "mistakes");
        let message = format!(
            "The configuration on disk is not in force: it has {mistakes}. The first, at {}: {}",
            first.place(),
            sentence(&first.message)
        );
        let cure = format!(
            "{} `sidehook check` shows all of them; sidehook reads the file again when it changes, or \
             with `sidehook reload`.",
            sentence(&first.cure)
        );
        found.push(Degraded::error("config_refused", message, cure));
    }
    if !config.needs_restart.is_empty() {
        let message =
            format!("What has changed of {} is not in force yet.", config.needs_restart.join(", "));
        found.push(Degraded::warning("needs_restart", message, "Restart sidehook."));
    }
    found
}

fn webhook(
    standing: &Standing<'_>,
    queue: Option<&QueueStats>,
    now: Timestamp,
) -> Option<Degraded> {
    let (webhook, name) = (standing.webhook, &standing.webhook.name);
    let n = queue.map_or(0, |queue| queue.pending + queue.held);
    let oldest = queue.and_then(|queue| queue.oldest).map(|oldest| now.since(oldest));
    let waiting = words::waiting(n, oldest);
    let why = standing.stands.reason.as_deref().unwrap_or("nobody said why");
    let reason = sentence(why);
    let found = match standing.stands.status {
        _ if webhook.unusable.is_some() => Degraded::error(
            "webhook_unusable",
            format!("Nothing can be sent to the webhook {name}. {reason}{waiting}"),
            "Change the webhook, or the configuration, so that they fit each other.",
        ),
        WebhookStatus::Paused => Degraded::error(
            "webhook_paused",
            format!(
                "The webhook {name} is paused{}. {reason}{waiting}",
                words::lasting(standing.stands.paused_at, now)
            ),
            format!(
                "Mend the receiver. sidehook tries one delivery at a time until one is accepted{}; \
                 `sidehook webhooks enable {name}` ends the pause at once.",
                words::next(standing.stands.next_probe_at, now)
            ),
        ),
        WebhookStatus::Disabled if is_meant(standing) => {
            let message = format!("The webhook {name} is switched off ({why}).{waiting}");
            let cure = format!(
                "Enable it (`sidehook webhooks enable {name}`), and what waits goes out, or delete it."
            );
            return (n > 0)
                .then(|| Degraded::warning("webhook_disabled", message, cure).of(webhook.id));
        }
        WebhookStatus::Disabled => Degraded::error(
            "webhook_disabled",
            format!("The webhook {name} is disabled. {reason}{waiting}"),
            format!(
                "Mend the receiver, then enable it: `sidehook webhooks enable {name}`. What had failed \
                 before goes out again with `sidehook recover {name}`."
            ),
        ),
        WebhookStatus::Active if oldest.is_some_and(|oldest| oldest > BEHIND) => Degraded::warning(
            "webhook_behind",
            format!("The webhook {name} is behind.{waiting}"),
            format!(
                "See its last attempts (`sidehook deliveries --webhook {name}`): a receiver that fails \
                 must be mended, one that is slow may take a higher concurrency or rate_limit."
            ),
        ),
        WebhookStatus::Active => return None,
    };
    Some(found.of(webhook.id))
}

/// Whether somebody wants it to be disabled.
fn is_meant(standing: &Standing<'_>) -> bool {
    !standing.webhook.active || standing.stands.reason.as_deref() == Some(BY_OPERATOR)
}

fn gone_webhook(queue: &QueueStats, now: Timestamp) -> Option<Degraded> {
    let n = queue.pending + queue.held;
    let id = queue.webhook_id;
    let oldest = queue.oldest.map(|oldest| age(now.since(oldest)));
    let oldest = oldest.map(|age| format!(", the oldest for {age}")).unwrap_or_default();
    let message = format!(
        "{} for a webhook that is not configured any more ({id}){oldest}.",
        count(n, "delivery waits", "deliveries wait")
    );
    let cure = "Configure a webhook of the same name again, or cancel them: they stay until then.";
    (n > 0).then(|| Degraded::warning("webhook_gone", message, cure).of(id))
}

fn nearly_full(stats: &StoreStats) -> Option<Degraded> {
    // What is finished goes by itself: a store that is full of that is as full as it should be.
    let kept = stats.bytes.saturating_sub(stats.reclaimable_bytes);
    let percent = kept.saturating_mul(100).checked_div(stats.max_bytes)?;
    let is_full = stats.troubles.iter().any(|(trouble, _)| *trouble == Trouble::SizeFull);
    let message = format!(
        "What the store cannot let go of takes {percent} % of its size: mostly deliveries that wait. \
         When it is full of them, calls that match a rule get 503."
    );
    let cure = "Mend the receiver whose queue is long, cancel what is not wanted, or raise [store] max_size.";
    (percent > NEARLY_FULL && !is_full)
        .then(|| Degraded::warning("store_nearly_full", message, cure))
}
