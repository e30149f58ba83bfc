use super::*;
use crate::admin::control::ConfigProblem;

fn well() -> (StoreStats, ProxyHealth, ConfigStatus) {
    let stats = StoreStats { bytes: 10, max_bytes: 100, ..StoreStats::default() };
    let proxy = ProxyHealth {
        listening: true,
        draining: false,
        upstream_healthy: true,
        upstream_error: Some("an old one".to_owned()),
    };
    let config = ConfigStatus {
        generation: 1,
        loaded_at: Timestamp::default(),
        problems: Vec::new(),
        effective: String::new(),
        needs_restart: Vec::new(),
    };
    (stats, proxy, config)
}

fn hook(name: &str, active: bool) -> Webhook {
    let url = "https://example.com/".parse().expect("a URL");
    Webhook { active, ..Webhook::new(name, url) }
}

fn queue(webhook: &Webhook, n: u64, hours: u64) -> QueueStats {
    let oldest = now().since(Timestamp::from_millis(hours * 3_600_000));
    let oldest = (n > 0).then(|| Timestamp::default().plus(oldest));
    QueueStats { webhook_id: webhook.id, pending: n, held: 0, oldest }
}

fn now() -> Timestamp {
    Timestamp::from_millis(1_000_000_000_000)
}

fn codes(found: &[Degraded]) -> Vec<&'static str> {
    found.iter().map(|one| one.code).collect()
}

#[test]
fn all_well_is_nothing() {
    let (stats, proxy, config) = well();
    let webhook = hook("w", true);
    let (lost, unserved) = (Vec::new(), vec![(Total::UnservedHandshake, 9)]);
    let standing = Standing { webhook: &webhook, stands: Stands::default() };
    let (stats, proxy, config) = (&stats, &proxy, &config);
    let seen = Seen { stats, proxy, config, lost, unserved, webhooks: vec![standing], now: now() };
    assert_eq!(codes(&problems(&seen)), [""; 0]);
}

/// Parts of what is told below.
const WORDS: [&str; 14] = [
    "The store takes no events: broken SizeFull. Calls that match",
    "1 event waits in memory",
    "4 events could not be stored since the start (queue_full: 3, closed: 1)",
    "1.seg: 3 bytes (and 1 more",
    "failed the last call. An old one.",
    "7 (above [proxy] max_connections), 1 (the system gave no socket)",
    "it has 1 mistake. The first, at sidehook.toml:3:1: Unknown key `upstraem`.",
    "Write `upstream`. `sidehook check`",
    "What has changed of [proxy] listen, [store] path is not in force yet.",
    "The webhook paused is paused (for 12 min). 10 failed attempts in a row; the last: 503. 4711 deliveries \
         wait, the oldest for 3 h.",
    "until one is accepted, the next in 28 s; `sidehook",
    // A test event needs room in the store, and a pause often comes with a full one.
    "`sidehook webhooks enable paused` ends the pause at once.",
    "The webhook behind is behind. 1 delivery waits, the oldest for 2 h.",
    "5 deliveries wait for a webhook that is not configured any more",
];

/// Every code, each once: in words, with a cure, and in the list of codes.
#[test]
fn everything_that_can_be_wrong_is_told_with_its_cure() {
    let (mut stats, mut proxy, mut config) = well();
    let all = ["Journal", "Index", "DiskLow", "SizeFull", "Stalled", "Closed"];
    let troubles = Trouble::ALL.map(|trouble| (trouble, format!("broken {trouble:?}; do this")));
    stats.troubles = troubles.to_vec();
    (stats.n_in_memory, stats.damage) = (1, vec!["1.seg: 3 bytes".to_owned(), "2.seg".to_owned()]);
    (proxy.listening, proxy.upstream_healthy) = (false, false);
    config.needs_restart = vec!["[proxy] listen".to_owned(), "[store] path".to_owned()];
    config.problems = vec![ConfigProblem {
        source: "sidehook.toml".to_owned(),
        line: 3,
        column: 1,
        message: "unknown key `upstraem`".to_owned(),
        cure: "write `upstream`".to_owned(),
    }];
    let hooks =
        ["paused", "disabled", "off", "unusable", "behind", "gone"].map(|n| hook(n, n != "off"));
    let [paused, disabled, off, unusable, behind, gone] = &hooks;
    let unusable = &Webhook { unusable: Some("no format".to_owned()), ..unusable.clone() };
    let one = |webhook, status, reason: &str| {
        let reason = Some(reason.to_owned()).filter(|reason| !reason.is_empty());
        let is_paused = status == WebhookStatus::Paused;
        let at =
            |ms: u64| is_paused.then(|| Timestamp::from_millis(now().as_millis() - 720_000 + ms));
        let (paused_at, next_probe_at) = (at(0), at(720_000 + 28_000));
        Standing {
            webhook,
            stands: Stands { status, reason, paused_at, next_probe_at, rests_until: None },
        }
    };
    let webhooks = vec![
        one(behind, WebhookStatus::Active, ""),
        one(off, WebhookStatus::Disabled, "`active = false` in the configuration"),
        one(paused, WebhookStatus::Paused, "10 failed attempts in a row; the last: 503"),
        one(disabled, WebhookStatus::Disabled, "the receiver answered 410 Gone"),
        one(unusable, WebhookStatus::Disabled, "no format"),
    ];
    stats.queues =
        vec![queue(paused, 4711, 3), queue(behind, 1, 2), queue(off, 2, 1), queue(gone, 5, 50)];
    let lost = vec![("queue_full", 3), ("closed", 1)];
    let unserved = vec![(Total::UnservedLimit, 7), (Total::UnservedAccept, 1)];
    let (stats_of, config) = (&stats, &config);
    let seen =
        Seen { stats: stats_of, proxy: &proxy, config, lost, unserved, webhooks, now: now() };
    let mut found = problems(&seen);
    assert!(found.is_sorted_by_key(|one| Reverse(one.severity)), "{:?}", codes(&found));
    let text = serde_json::to_string_pretty(&found).expect("JSON");
    for words in WORDS {
        assert!(text.contains(words), "{words:?} is not in {text}");
    }
    let about: Vec<_> = found.iter().filter_map(|one| one.webhook_id).collect();
    assert_eq!(about.len(), 6);
    assert!(all.iter().all(|name| text.contains(&format!("broken {name}."))), "{text}");
    // Those that exclude others.
    let stats = StoreStats { bytes: 90, max_bytes: 100, ..StoreStats::default() };
    let proxy = ProxyHealth { draining: true, ..proxy.clone() };
    let (lost, unserved, webhooks) = (Vec::new(), Vec::new(), Vec::new());
    let (stats, proxy) = (&stats, &proxy);
    let seen = Seen { stats, proxy, config, lost, unserved, webhooks, now: now() };
    found.extend(
        problems(&seen)
            .into_iter()
            .filter(|one| ["draining", "store_nearly_full"].contains(&one.code)),
    );
    let mut told = codes(&found);
    told.sort_unstable();
    told.dedup();
    assert_eq!(told, CODES);
    assert!(found.iter().all(|one| one.cure.ends_with('.') && one.message.ends_with('.')));
}

#[test]
fn what_is_meant_is_no_problem_while_nothing_waits() {
    let (mut stats, proxy, config) = well();
    let (off, by_hand) = (hook("off", false), hook("by-hand", true));
    let standing = |webhook, reason: &str| Standing {
        webhook,
        stands: Stands {
            status: WebhookStatus::Disabled,
            reason: Some(reason.to_owned()),
            ..Stands::default()
        },
    };
    let webhooks = || vec![standing(&off, "`active = false`"), standing(&by_hand, BY_OPERATOR)];
    let told = |stats: &StoreStats| {
        let (proxy, config, now) = (&proxy, &config, now());
        let (lost, unserved) = (Vec::new(), Vec::new());
        problems(&Seen { stats, proxy, config, lost, unserved, webhooks: webhooks(), now })
    };
    assert_eq!(codes(&told(&stats)), [""; 0]);
    stats.queues = vec![queue(&by_hand, 1, 1)];
    let found = told(&stats);
    assert_eq!(codes(&found), ["webhook_disabled"]);
    assert_eq!((found[0].severity, found[0].webhook_id), (Severity::Warning, Some(by_hand.id)));
}

/// Where the size decides how long history is, a full store is the ordinary state.
#[test]
fn a_store_full_of_what_can_go_is_no_problem() {
    let (_, proxy, config) = well();
    let told = |reclaimable_bytes| {
        let stats =
            StoreStats { bytes: 95, max_bytes: 100, reclaimable_bytes, ..StoreStats::default() };
        let (lost, unserved, webhooks, now) = (Vec::new(), Vec::new(), Vec::new(), now());
        let (stats, proxy, config) = (&stats, &proxy, &config);
        codes(&problems(&Seen { stats, proxy, config, lost, unserved, webhooks, now })).join(" ")
    };
    assert_eq!(told(9), "store_nearly_full");
    assert_eq!(told(10), "");
}
