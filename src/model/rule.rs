//! An event rule as the operator wrote it, already checked.

use std::ops::RangeInclusive;

use crate::expr::Expression;

/// The number of a rule, as shown in payloads (`event.id`).
pub type RuleId = i64;

/// One `[[event]]`: which calls become events, and how they are captured.
#[derive(Clone, Debug)]
pub struct EventRule {
    /// `id`, or the rule's position from 1.
    pub id: RuleId,
    /// The event's name, `[A-Za-z0-9_.:-]+`.
    pub label: String,
    /// Optional tag, shown in payloads.
    pub tag: Option<String>,
    /// Methods in upper case; `None` is `"*"`.
    pub methods: Option<Vec<String>>,
    /// Regex searched in the path; its named groups become `request.params`.
    pub url: regex::bytes::Regex,
    /// Optional regex searched in the raw query string.
    pub query: Option<regex::bytes::Regex>,
    /// Response statuses that count as success.
    pub status: Vec<StatusRange>,
    /// Optional condition: the call becomes an event only where it is true.
    pub when: Option<Expression>,
    /// Optional expression: what the event is about.
    pub subject: Option<Expression>,
    /// What becomes of a call whose client hangs up.
    pub on_disconnect: OnDisconnect,
    /// Override of `[capture] max_request_body`, bytes.
    pub max_request_body: Option<u64>,
    /// Override of `[capture] max_response_body`, bytes.
    pub max_response_body: Option<u64>,
}

/// What becomes of a call whose client hangs up before it has its response.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnDisconnect {
    /// It is carried to its end, and its event counts.
    #[default]
    Continue,
    /// It is broken off at the upstream too; no event comes of it.
    Cancel,
}

/// A range of status codes: `"2xx"` is 200..=299.
pub type StatusRange = RangeInclusive<u16>;

impl OnDisconnect {
    /// As the configuration writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Continue => "continue",
            Self::Cancel => "cancel",
        }
    }
}

impl EventRule {
    /// Whether a response with this status is a success of this rule.
    pub fn is_success(&self, status: u16) -> bool {
        self.status.iter().any(|range| range.contains(&status))
    }
}
