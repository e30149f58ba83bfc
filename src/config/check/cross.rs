//! What only shows when the parts are seen together.

use super::event::Rule;
use super::read::key;
use super::webhook::Placed;
use super::{Check, odd_method, section};
use crate::config::node::{Place, Table};
use crate::config::problem::{quoted, suggest};
use crate::model::{Format, LabelPattern};
use crate::proxy::{ListenAddress, UpstreamAddress};
use crate::{egress, proxy, store};

/// The labels of the events that sidehook itself makes.
const OWN_EVENTS: [&str; 4] = [
    "sidehook.webhook.disabled",
    "sidehook.webhook.paused",
    "sidehook.webhook.recovered",
    "sidehook.delivery.failed",
];

/// Labels of one warning; of more, their number is told.
const IDLE_SHOWN_MAX: usize = 5;

pub(super) fn check(
    c: &mut Check<'_>,
    root: &Table,
    proxy: &proxy::Settings,
    store: &store::Settings,
    rules: &[Rule],
    webhooks: &[Placed],
    egress: &egress::Settings,
) {
    addresses(c, root, proxy);
    labels(c, rules, webhooks);
    segments(c, rules, webhooks);
    odd_method::warn(c, rules);
    idle(c, rules, webhooks);
    sizes(c, proxy, store, rules);
    broad_networks(c, egress);
}

/// Two listeners on one address, and a proxy whose upstream is itself.
fn addresses(c: &mut Check<'_>, root: &Table, proxy: &proxy::Settings) {
    let to_itself = match (&proxy.listen, &proxy.upstream.address) {
        (ListenAddress::Unix(ours), UpstreamAddress::Unix(theirs)) => ours == theirs,
        (ListenAddress::Tcp(ours), UpstreamAddress::Tcp { host, port }) if ours.port() != 0 => {
            *port == ours.port()
                && (host.parse() == Ok(ours.ip())
                    || (host == "localhost" && ours.ip().is_loopback()))
        }
        _ => false,
    };
    if to_itself {
        let place = &key(section(root, "proxy"), "upstream").place;
        let cure = "write the address of the API behind sidehook";
        c.problem(place, "the upstream is sidehook itself: calls would go in a circle", cure);
    }
    let ListenAddress::Tcp(listen) = proxy.listen else { return };
    let admin = key(section(root, "admin"), "listen");
    let same = listen.port() != 0
        && matches!(
            &admin.value,
            crate::config::node::Value::Text(text) if text.parse() == Ok(listen)
        );
    if same {
        let cure =
            format!("give one of them another port, such as {}", listen.port().wrapping_add(1));
        c.problem(&admin.place, "[proxy] and [admin] listen on the same address", cure);
    }
}

/// Labels of webhooks that no rule makes.
fn labels(c: &mut Check<'_>, rules: &[Rule], webhooks: &[Placed]) {
    let mut labels: Vec<&str> = rules.iter().map(|rule| rule.rule.label.as_str()).collect();
    labels.sort_unstable();
    labels.dedup(); // a label that is taken twice is a mistake of its own
    // A rule without a label, already reported, may be the one that is wanted.
    let is_complete = !c.has_unread_rule && !labels.contains(&"");
    for placed in webhooks {
        for (pattern, place) in wanted(placed) {
            if pattern.is_of_system() {
                own_label(c, pattern, place);
                continue;
            }
            if !is_complete || labels.iter().any(|label| pattern.matches(label)) {
                continue;
            }
            let message = format!("no event rule has a label like {}", quoted(pattern.as_str()));
            let cure = match suggest(pattern.as_str(), labels.iter().copied()) {
                Some(meant) => format!("did you mean {}?", quoted(meant)),
                None if labels.is_empty() => "add an [[event]] first".to_owned(),
                None => format!("the labels are {}", labels.join(", ")),
            };
            // A rule that could not be read may have the label: as good as missing.
            c.absence(place, message, cure);
        }
    }
}

/// The labels of a webhook of the API: its rules may come later.
pub(super) fn check_of_api(c: &mut Check<'_>, labels: &[String], placed: &Placed) {
    for (pattern, place) in wanted(placed) {
        if pattern.is_of_system() {
            own_label(c, pattern, place);
        } else if !labels.iter().any(|label| pattern.matches(label)) {
            let pattern = quoted(pattern.as_str());
            c.warn(format!("no event rule has a label like {pattern} yet: nothing comes of it"));
        }
    }
    if placed.webhook.format == Format::WireguardPortal {
        for (pattern, place) in wanted(placed) {
            let itself = Some(pattern.as_str()).filter(|text| !text.contains('*'));
            let known = labels.iter().map(String::as_str).filter(|label| pattern.matches(label));
            if let Some(label) = itself.into_iter().chain(known).find(|l| !has_two_segments(l)) {
                single_segment(c, label, place);
            }
        }
    }
}

/// A pattern for sidehook's own events; no rule is needed for them.
fn own_label(c: &mut Check<'_>, pattern: &LabelPattern, place: &Place) {
    if OWN_EVENTS.iter().any(|label| pattern.matches(label)) {
        return;
    }
    let message = format!("sidehook makes no event with a label like {}", quoted(pattern.as_str()));
    let cure = match suggest(pattern.as_str(), OWN_EVENTS) {
        Some(meant) => format!("did you mean {}? \"sidehook.*\" is all of them", quoted(meant)),
        None => format!("it makes {}; \"sidehook.*\" is all of them", OWN_EVENTS.join(", ")),
    };
    c.problem(place, message, cure);
}

/// Labels that cannot become `entity` and `event` of the format `wireguard-portal`.
fn segments(c: &mut Check<'_>, rules: &[Rule], webhooks: &[Placed]) {
    let portals = webhooks.iter().filter(|p| p.webhook.format == Format::WireguardPortal);
    for (pattern, place) in portals.flat_map(wanted) {
        let single = rules
            .iter()
            .map(|rule| rule.rule.label.as_str())
            .find(|label| !label.is_empty() && !has_two_segments(label) && pattern.matches(label));
        if let Some(label) = single {
            single_segment(c, label, place);
        }
    }
}

fn single_segment(c: &mut Check<'_>, label: &str, place: &Place) {
    let message = format!(
        "the format `wireguard-portal` needs labels of an entity and an event, and {} is not one",
        quoted(label)
    );
    let cure = "label the rule like \"peer.create\", or name other labels here";
    c.problem(place, message, cure);
}

fn has_two_segments(label: &str) -> bool {
    let first = label.split('.').next();
    let last = label.rsplit_once('.').map(|(_, last)| last);
    first.is_some_and(|s| !s.is_empty()) && last.is_some_and(|s| !s.is_empty())
}

/// The patterns of a webhook, each with its place.
fn wanted(placed: &Placed) -> impl Iterator<Item = (&LabelPattern, &Place)> {
    placed.webhook.events.iter().zip(&placed.event_places)
}

/// Rules and webhooks that do nothing.
fn idle(c: &mut Check<'_>, rules: &[Rule], webhooks: &[Placed]) {
    if rules.is_empty() {
        c.warn("there is no [[event]]: calls are forwarded, and nothing else happens");
    }
    let is_idle = |label: &&str| !webhooks.iter().any(|placed| placed.webhook.wants(label));
    let labels: Vec<&str> =
        rules.iter().map(|rule| rule.rule.label.as_str()).filter(is_idle).collect();
    if labels.is_empty() {
        return;
    }
    // A thousand rules are one line, too.
    let (shown, more) = labels.split_at(labels.len().min(IDLE_SHOWN_MAX));
    let mut names = shown.iter().map(|label| quoted(label)).collect::<Vec<_>>().join(", ");
    if !more.is_empty() {
        names.push_str(&format!(" and {} more labels", more.len()));
    }
    c.warn(format!(
        "no webhook of the configuration wants {names}: unless one made on the admin API does, such \
         events are stored and not sent"
    ));
}

/// Captures that can never be stored.
fn sizes(c: &mut Check<'_>, proxy: &proxy::Settings, store: &store::Settings, rules: &[Rule]) {
    let capture = &proxy.capture;
    for rule in rules.iter().map(|rule| &rule.rule) {
        let request = rule.max_request_body.unwrap_or(capture.request_body_max);
        let response = rule.max_response_body.unwrap_or(capture.response_body_max);
        if request.max(response) > capture.total_max as u64 {
            let label = quoted(&rule.label);
            c.warn(format!(
                "{label} captures more than [capture] max_total: its largest bodies are left out"
            ));
        }
        // Heads and bookkeeping come on top: an eighth is ample.
        if request + response > store.queue_bytes_max as u64 / 8 * 7 {
            let label = quoted(&rule.label);
            c.warn(format!(
                "[store] max_size is too small for the largest events of {label}: they are refused"
            ));
        }
    }
}

/// Networks so wide that they undo the guard against targets inside.
fn broad_networks(c: &mut Check<'_>, egress: &egress::Settings) {
    for network in &egress.allow_networks {
        let whole = if network.addr().is_ipv4() { 8 } else { 16 };
        if network.prefix_len() < whole {
            c.warn(format!(
                "[delivery] allow_networks has {network}: webhooks can reach nearly any address"
            ));
        }
    }
}
