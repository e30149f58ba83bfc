//! A method that is probably misspelt. Methods are free (RFC 9110, section 9.1), so `POTS` is one, and
//! a rule for it matches no call: nothing happens, and nothing says why.

use super::Check;
use super::event::Rule;
use crate::config::problem::quoted;

/// What people mean.
const COMMON: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// The other names of the IANA registry of methods: nobody writes these by mistake.
const OTHERS: [&str; 33] = [
    "ACL",
    "BASELINE-CONTROL",
    "BIND",
    "CHECKIN",
    "CHECKOUT",
    "CONNECT",
    "COPY",
    "LABEL",
    "LINK",
    "LOCK",
    "MERGE",
    "MKACTIVITY",
    "MKCALENDAR",
    "MKCOL",
    "MKREDIRECTREF",
    "MKWORKSPACE",
    "MOVE",
    "ORDERPATCH",
    "PRI",
    "PROPFIND",
    "PROPPATCH",
    "QUERY",
    "REBIND",
    "REPORT",
    "SEARCH",
    "TRACE",
    "UNBIND",
    "UNCHECKOUT",
    "UNLINK",
    "UNLOCK",
    "UPDATE",
    "UPDATEREDIRECTREF",
    "VERSION-CONTROL",
];

/// Warns of each such method of a rule.
pub(super) fn warn(c: &mut Check<'_>, rules: &[Rule]) {
    for rule in rules.iter().map(|rule| &rule.rule) {
        for method in rule.methods.iter().flatten() {
            let Some(meant) = meant(method) else { continue };
            c.warn(format!(
                "the rule {}: the method {} is none that is registered, and matches only calls that \
                 have it: did you mean {}?",
                quoted(&rule.label),
                quoted(method),
                quoted(meant)
            ));
        }
    }
}

/// The common method that is one slip of the fingers away; of a long name two.
fn meant(method: &str) -> Option<&'static str> {
    if COMMON.contains(&method) || OTHERS.contains(&method) {
        return None;
    }
    let slips = |known: &&str| strsim::osa_distance(method, known);
    let nearest = COMMON.into_iter().min_by_key(slips)?;
    let most = if nearest.len() > 5 { 2 } else { 1 };
    (slips(&nearest) <= most).then_some(nearest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_told_and_other_methods_are_not() {
        for (written, expected) in [
            ("POTS", Some("POST")),
            ("PSOT", Some("POST")),
            ("POSTT", Some("POST")),
            ("OST", Some("POST")),
            ("GTE", Some("GET")),
            ("PUTT", Some("PUT")),
            ("PTACH", Some("PATCH")),
            ("DELTE", Some("DELETE")),
            ("DLETEE", Some("DELETE")),
            ("OPTION", Some("OPTIONS")),
            // What caches and others have of their own.
            ("PURGE", None),
            ("BAN", None),
            ("LIST", None),
            ("REFRESH", None),
            ("NOTIFY", None),
            ("SUBSCRIBE", None),
        ] {
            assert_eq!(meant(written), expected, "{written}");
        }
        for registered in COMMON.into_iter().chain(OTHERS) {
            assert_eq!(meant(registered), None);
        }
    }
}
