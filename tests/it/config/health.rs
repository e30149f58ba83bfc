//! What bounds a webhook's attempts, and what becomes of it when they fail.

use std::time::Duration;

use sidehook::model::RateLimit;

use super::{RULE, WEBHOOK, good, only_mistake};

fn webhook(lines: &str) -> sidehook::model::Webhook {
    good(&format!("{RULE}{WEBHOOK}{lines}\n")).webhooks.remove(0)
}

#[test]
fn webhooks_override_when_they_are_paused_and_disabled() {
    let common = "[delivery]\ndisable_after = 5\npause_after = 0\n";
    let of = |lines: &str| {
        let config = good(&format!("{common}{RULE}{WEBHOOK}{lines}\n"));
        (config.webhooks[0].disable_after, config.webhooks[0].pause_after)
    };
    assert_eq!(of(""), (5, 0));
    assert_eq!(of("disable_after = 1\npause_after = 3"), (1, 3));
    assert_eq!(of("disable_after = 0"), (0, 0));
    for line in ["disable_after = -1", "pause_after = \"10\"", "disable_after = 1000001"] {
        let problem = only_mistake(&format!("{RULE}{WEBHOOK}{line}\n"));
        assert_eq!(problem.line, 9, "{problem:?}");
        only_mistake(&format!("[delivery]\n{line}\n"));
    }
}

#[test]
fn a_rate_is_a_number_in_a_time() {
    let rate = |text: &str| webhook(&format!("rate_limit = \"{text}\"")).rate_limit;
    let limit = |n, secs| Some(RateLimit { n, per: Duration::from_secs(secs) });
    assert_eq!(rate("10/s"), limit(10, 1));
    assert_eq!(rate("100/m"), limit(100, 60));
    assert_eq!(rate("1/h"), limit(1, 3600));
    for (text, message) in [
        ("\"10\"", "not a rate"),
        ("\"10/d\"", "not a rate"),
        ("\"/s\"", "not a rate"),
        ("\"1.5/s\"", "not a rate"),
        ("\"+1/s\"", "not a rate"),
        ("\"0/s\"", "out of range"),
        ("\"99999999999/s\"", "out of range"),
        ("10", "found a whole number"),
    ] {
        let problem = only_mistake(&format!("{RULE}{WEBHOOK}rate_limit = {text}\n"));
        assert!(problem.message.contains(message), "{text}: {problem:?}");
    }
}

#[test]
fn a_webhook_may_be_ordered() {
    assert!(webhook("ordered = true").ordered);
    let problem = only_mistake(&format!("{RULE}{WEBHOOK}ordered = \"yes\"\n"));
    assert!(problem.message.contains("true or false"), "{problem:?}");
}

#[test]
fn chains_are_bounded() {
    assert_eq!(good("[proxy]\nmax_depth = 0\n").proxy.depth_max, 0);
    assert_eq!(good("[proxy]\nmax_depth = 16\n").proxy.depth_max, 16);
    let problem = only_mistake("[proxy]\nmax_depth = 17\n");
    assert!(problem.cure.contains("from 0 to 16"), "{problem:?}");
}

#[test]
fn events_name_the_upstream_as_their_source() {
    for (upstream, source) in [
        ("http://127.0.0.1:3000", "//127.0.0.1:3000"),
        ("http://api.internal", "//api.internal"),
        ("http://API.internal:80/", "//api.internal"),
        ("http://[::1]:3000", "//[::1]:3000"),
    ] {
        let config = good(&format!("[proxy]\nupstream = \"{upstream}\"\n"));
        assert_eq!(&*config.delivery.source, source);
    }
}
