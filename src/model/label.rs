//! Which labels a webhook wants.

/// What the labels of sidehook's own events begin with.
pub const SYSTEM_LABELS: &str = "sidehook.";

/// A label, or labels with `*`: alone for all of them, or for one whole segment between dots
/// (`invoice.*` is `invoice.paid` but not `invoice` and not `invoice.item.added`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelPattern(String);

impl LabelPattern {
    /// Takes the pattern as written; its characters are checked by the configuration.
    pub fn new(pattern: impl Into<String>) -> Self {
        Self(pattern.into())
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is written for the events that sidehook itself makes.
    pub fn is_of_system(&self) -> bool {
        self.0.starts_with(SYSTEM_LABELS)
    }

    /// Whether the label fits. Sidehook's own events (`sidehook.`) go only to those who name them
    /// (`*` alone does not), and `sidehook.*` means all of them.
    pub fn matches(&self, label: &str) -> bool {
        if label.starts_with(SYSTEM_LABELS) != self.is_of_system() {
            return false;
        }
        if self.0 == "*" || self.0 == "sidehook.*" {
            return true;
        }
        let mut pattern = self.0.split('.');
        let mut label = label.split('.');
        loop {
            match (pattern.next(), label.next()) {
                (None, None) => return true,
                (Some(p), Some(l)) if segment_matches(p, l) => {}
                _ => return false,
            }
        }
    }
}

/// `*` stands for any run of characters within a segment.
fn segment_matches(pattern: &str, segment: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == segment,
        Some((head, tail)) => segment.strip_prefix(head).is_some_and(|rest| {
            rest.char_indices()
                .map(|(at, _)| at)
                .chain([rest.len()])
                .any(|at| segment_matches(tail, &rest[at..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stays_within_its_segment() {
        let fits = |pattern: &str, label: &str| LabelPattern::new(pattern).matches(label);
        assert!(fits("*", "a.b.c"));
        assert!(fits("invoice.*", "invoice.paid"));
        assert!(!fits("invoice.*", "invoice"));
        assert!(!fits("invoice.*", "invoice.item.added"));
        assert!(fits("*.paid", "invoice.paid"));
        assert!(fits("in*ce.p*", "invoice.paid"));
        assert!(!fits("task.created", "task.create"));
        assert!(!fits("*", "sidehook.webhook.paused"), "only for those who name them");
        assert!(fits("sidehook.webhook.*", "sidehook.webhook.paused"));
        assert!(fits("sidehook.*", "sidehook.webhook.paused"), "all of sidehook's own");
    }
}
