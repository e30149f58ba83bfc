//! What is in force when nothing is said: the contract's values, from the example file.

use std::time::Duration;

use sidehook::config::{SECTIONS, load};
use sidehook::model::{Format, OnDisconnect, RuleId};
use sidehook::proxy::{CommitMode, UpstreamSettings};
use sidehook::store::OnFailure;

use super::{RULE, good};

const EXAMPLE: &str = include_str!("../../../config.example.toml");

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

#[test]
fn the_request_half_has_the_contracts_defaults() {
    let proxy = good("").proxy;
    assert_eq!(proxy.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(proxy.upstream, UpstreamSettings::http("127.0.0.1", 3000));
    assert!(proxy.tls.is_none() && !proxy.h2c && !proxy.proxy_protocol);
    assert!(proxy.workers >= 1, "0 in the file is one per core");
    assert_eq!(proxy.commit, CommitMode::BeforeResponse);
    assert_eq!(proxy.on_store_failure, OnFailure::Refuse);
    assert!(proxy.trusted_proxies.is_empty());
    assert_eq!((proxy.connections_max, proxy.head_bytes_max), (10_000, 64 << 10));
    assert_eq!(proxy.connections_per_client_max, 0);
    assert!(proxy.via);
    assert_eq!(proxy.depth_max, 1);
    assert_eq!(proxy.instance.len(), 8);
    assert_eq!((proxy.connect_timeout, proxy.response_timeout), (secs(5), Some(secs(60))));
    assert_eq!((proxy.idle_timeout, proxy.header_timeout), (secs(75), secs(10)));
    assert_eq!((proxy.upstream_idle_timeout, proxy.tunnel_timeout), (secs(4), secs(3600)));
    assert_eq!((proxy.body_timeout, proxy.send_timeout), (secs(15), secs(30)));
    assert_eq!(proxy.upstream_body_timeout, Some(secs(300)));
    assert_eq!(proxy.shutdown_grace, secs(30));
    let capture = proxy.capture;
    assert_eq!((capture.request_body_max, capture.response_body_max), (256 << 10, 256 << 10));
    assert_eq!(capture.total_max, 64 << 20);
    assert_eq!(capture.max_duration, secs(60));
    let kept = capture.keep_headers.expect("a list, not all");
    assert_eq!(
        kept.join(" "),
        "content-type user-agent location etag x-request-id idempotency-key traceparent"
    );
    assert_eq!(
        capture.redact_headers.join(" "),
        "authorization proxy-authorization cookie set-cookie x-api-key"
    );
    assert!(capture.redact_fields.is_empty());
    assert_eq!(capture.redact_query, ["access_token"]);
}

#[test]
fn the_store_the_delivery_half_and_the_admin_api_have_the_contracts_defaults() {
    let config = good("");
    assert!(config.store.path.ends_with("data"));
    assert_eq!((config.store.retain, config.store.max_bytes), (secs(30 * 86_400), 10 << 30));
    assert_eq!(config.store.segment_bytes, 16 << 20);
    assert_eq!((config.delivery.concurrency, config.delivery.jitter), (256, 0.1));
    assert_eq!(&*config.delivery.source, "//127.0.0.1:3000");
    let egress = config.egress;
    assert!(egress.proxy.is_none() && egress.source_address.is_none());
    assert!(!egress.require_https && egress.allow_networks.is_empty());
    assert!(egress.deny_networks.is_empty());
    assert_eq!(egress.user_agent, concat!("sidehook/", env!("CARGO_PKG_VERSION")));
    assert_eq!(egress.response_kept_max, 16 << 10);
    assert_eq!(config.admin.listen.to_string(), "127.0.0.1:8081");
    assert!(config.admin.token.is_none() && config.admin.allowed_hosts.is_empty());
    assert!(config.rules.is_empty() && config.webhooks.is_empty());
}

#[test]
fn a_rule_and_a_webhook_have_the_contracts_defaults() {
    let config = good(&format!(
        "{RULE}[[webhook]]\nname = \"w\"\nurl = \"https://example.com/\"\nevents = [\"*\"]\n"
    ));
    let rule = &config.rules[0];
    assert_eq!((rule.id, rule.tag.as_deref()), (1, None));
    assert_eq!(rule.methods.as_deref(), Some(&["POST".to_owned()][..]));
    assert_eq!(rule.status, [200..=299]);
    assert!(rule.when.is_none() && rule.subject.is_none());
    assert_eq!(rule.on_disconnect, OnDisconnect::Continue);
    assert_eq!((rule.max_request_body, rule.max_response_body), (None, None));
    let webhook = &config.webhooks[0];
    assert!(webhook.active && webhook.headers.is_empty() && webhook.signatures.is_empty());
    assert_eq!((webhook.method.as_str(), &webhook.format), ("POST", &Format::Exchange));
    assert_eq!(webhook.retry, [60, 300, 1800, 3600, 21_600].map(secs));
    assert_eq!((webhook.timeout, webhook.concurrency), (secs(15), 8));
    assert_eq!((webhook.disable_after, webhook.pause_after), (0, 10));
    assert_eq!((webhook.rate_limit, webhook.ordered), (None, false));
    assert!(webhook.ed25519_key.is_none() && webhook.tls.is_none());
}

/// The example with its examples: "#" directly before a key or a heading taken away.
fn uncommented() -> String {
    let lines = EXAMPLE.lines().map(|line| match line.strip_prefix('#') {
        Some(rest) if !rest.is_empty() && !rest.starts_with(' ') => rest,
        _ => line,
    });
    let text = lines.collect::<Vec<_>>().join("\n");
    // upstream_tls is for such ones only.
    text.replacen("upstream = \"http:", "upstream = \"https:", 1)
}

#[test]
fn the_examples_of_the_example_file_work_and_name_every_key() {
    let folder = super::Folder::new(&uncommented());
    let identity = super::way_out::Certificates::new();
    folder.write("ca.pem", &identity.ca);
    folder.write("c.pem", &identity.certificate);
    folder.write("k.pem", &identity.key);
    folder.write("tls.crt", &identity.certificate);
    folder.write("tls.key", &identity.key);
    let environment = [
        ("SIDEHOOK_TOKEN", "0123456789abcdef"),
        ("SIDEHOOK_READ_TOKEN", "fedcba9876543210"),
        ("BILLING_SECRET", "shown"),
        ("BILLING_SIGNING_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        ("BILLING_ED25519_KEY", "whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A="),
        ("BILLING_PASSWORD", "p"),
    ];
    let config = folder
        .load_with(&environment, sidehook::config::Flags::default())
        .unwrap_or_else(|error| panic!("{error}"));
    let ids: Vec<RuleId> = config.rules.iter().map(|rule| rule.id).collect();
    assert_eq!((ids, config.webhooks.len()), (vec![1], 1));
    let table: toml::Table = uncommented().parse().expect("TOML");
    for section in SECTIONS {
        let written = match &table[section.name] {
            toml::Value::Array(items) => items[0].as_table().expect("a table"),
            value => value.as_table().expect("a table"),
        };
        let written: Vec<&str> = written.keys().map(String::as_str).collect();
        let mut known: Vec<&str> = section.keys.iter().map(|(name, _)| *name).collect();
        known.sort_unstable();
        assert_eq!(written, known, "{}", section.heading());
    }
}

#[test]
fn nothing_at_all_is_a_configuration() {
    load(&sidehook::config::Inputs::default()).expect("the defaults are good");
}
