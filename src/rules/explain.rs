//! Why a call becomes an event of a rule, or why not: part by part, each with what the rule wants
//! and what the call has. It asks the very functions that the proxy asks, so it cannot disagree.
//!
//! A part that the rule does not have is "not asked". So are `when` and `subject` where another
//! part does not match: the proxy does not evaluate them then. They see all headers but the
//! redacted ones, as at a real call.

use std::sync::Arc;

use http::{HeaderName, HeaderValue, Method, Uri};

use super::matching::Rule;
use super::redact::{self, Fields, REDACTED, redact_query};
use super::{Judgement, RuleSet, judge, normal_path};
use crate::model::{
    Body, EventRule, Exchange, HeaderList, RequestPart, ResponsePart, RuleRef, StatusRange,
    Timestamp,
};
use crate::view::call_scope;

/// Characters of a condition's value that are shown.
const VALUE_CHARS_MAX: usize = 1000;

/// A call that is thought of, not made.
#[derive(Clone, Debug)]
pub struct Call {
    method: String,
    path: String,
    query: Option<String>,
    /// As conditions see it.
    exchange: Exchange,
}

/// Headers and body of a request or a response.
#[derive(Clone, Debug, Default)]
pub struct Message {
    headers: HeaderList,
    body: Vec<u8>,
}

/// What conditions do not see.
#[derive(Clone, Debug)]
pub struct Redaction<'a> {
    /// Header names, lower case, the built-in ones included.
    pub headers: &'a [String],
    /// Query parameters.
    pub query: &'a [String],
    /// Fields of bodies.
    pub fields: Fields,
}

/// What is wrong with a call that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadField {
    /// `method`, `url` or `status`.
    pub field: &'static str,
    /// What is wrong, and what would be right.
    pub message: &'static str,
}

/// What one rule says of a call.
#[derive(Clone, Debug)]
pub struct Explained {
    /// The rule.
    pub rule: Arc<EventRule>,
    /// The call becomes an event of it.
    pub matched: bool,
    /// Each part of it.
    pub parts: Parts,
    /// What the URL regex captured, where it matches.
    pub params: Vec<(String, String)>,
    /// What the event is about.
    pub subject: Option<String>,
    /// Why there is no subject although the rule has an expression for it.
    pub subject_error: Option<String>,
}

/// The parts of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts {
    /// `method`.
    pub method: Part,
    /// `url`.
    pub url: Part,
    /// `query`.
    pub query: Part,
    /// `status`.
    pub status: Part,
    /// `when`.
    pub when: Part,
}

/// One part of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// What came of it.
    pub verdict: Verdict,
    /// What the rule wants; `None`: anything.
    pub expected: Option<String>,
    /// What the call has; of `when`: the condition's value as JSON.
    pub found: Option<String>,
    /// What else there is to know.
    pub note: Option<String>,
}

/// What came of asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It matches.
    Matched,
    /// It does not, and so neither does the rule.
    NotMatched,
    /// The rule does not ask, or another part has decided already.
    NotAsked,
}

impl Call {
    /// Puts a call together as the proxy would see it.
    ///
    /// # Errors
    /// All that no call can be like.
    pub fn new(
        method: &str,
        url: &str,
        status: u16,
        [request, response]: [Message; 2],
        redaction: &Redaction<'_>,
    ) -> Result<Self, Vec<BadField>> {
        let mut errors = Vec::new();
        let mut bad = |field, message| errors.push(BadField { field, message });
        if Method::from_bytes(method.as_bytes()).is_err() {
            bad("method", "must be a method of HTTP, such as \"POST\"");
        }
        let uri = uri(url);
        if uri.is_none() {
            bad("url", "must be a path such as \"/tasks/7?notify=1\", in ASCII, spaces as %20");
        }
        if !(200..=599).contains(&status) && status != 101 {
            bad("status", "must be a status that ends a call, 200 to 599, or 101");
        }
        let Some(uri) = uri.filter(|_| errors.is_empty()) else { return Err(errors) };
        let target = uri.path_and_query().map_or("", |target| target.as_str());
        let (path, query) = (uri.path().to_owned(), uri.query().map(str::to_owned));
        let url = redact_query(target, redaction.query);
        let (headers, body) = request.redacted(redaction);
        let method = method.to_owned();
        let request =
            RequestPart { method: method.clone(), url, params: Vec::new(), headers, body };
        let (headers, body) = response.redacted(redaction);
        let mut exchange = Exchange { request, response: ResponsePart { status, headers, body } };
        redaction.fields.redact(&mut exchange);
        Ok(Self { method, path, query, exchange })
    }
}

impl Message {
    /// A message without headers.
    pub fn of(body: Vec<u8>) -> Self {
        Self { headers: HeaderList::default(), body }
    }

    /// Adds a header; its name in any case.
    ///
    /// # Errors
    /// In words, when HTTP does not allow it.
    pub fn header(&mut self, name: &str, value: &str) -> Result<(), &'static str> {
        let name = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| "the name of a header has letters, digits and - only")?;
        HeaderValue::from_str(value).map_err(|_| "the value of a header is one line of ASCII")?;
        self.headers.0.push((name.as_str().to_owned(), value.trim().as_bytes().to_vec()));
        Ok(())
    }

    fn redacted(mut self, redaction: &Redaction<'_>) -> (HeaderList, Body) {
        let is_secret = |name: &str| {
            redact::ALWAYS.contains(&name) || redaction.headers.iter().any(|r| r == name)
        };
        for (_, value) in self.headers.0.iter_mut().filter(|(name, _)| is_secret(name)) {
            *value = REDACTED.as_bytes().to_vec();
        }
        (self.headers, Body::complete(self.body))
    }
}

/// What is redacted whatever the settings say.
impl Default for Redaction<'_> {
    fn default() -> Self {
        Self { headers: &[], query: &[], fields: Fields::default() }
    }
}

impl RuleSet {
    /// Says of each rule, in order, whether the call becomes an event of it, and why not.
    pub fn explain(&self, call: &Call, time: Timestamp) -> Vec<Explained> {
        let normal = normal_path(call.path.as_bytes());
        self.compiled().map(|rule| explain(rule, call, normal.as_deref(), time)).collect()
    }
}

impl Part {
    fn of(matches: bool, expected: impl Into<String>, found: impl Into<String>) -> Self {
        let verdict = if matches { Verdict::Matched } else { Verdict::NotMatched };
        Self { verdict, expected: Some(expected.into()), found: Some(found.into()), note: None }
    }

    fn not_asked(expected: Option<String>, found: Option<String>, note: Option<&str>) -> Self {
        Self { verdict: Verdict::NotAsked, expected, found, note: note.map(str::to_owned) }
    }

    fn is_open(&self) -> bool {
        self.verdict != Verdict::NotMatched
    }
}

fn explain(rule: &Rule, call: &Call, normal: Option<&[u8]>, time: Timestamp) -> Explained {
    let (url, params) = url_part(rule, &call.path, normal);
    let method = method_part(rule, &call.method);
    let query = query_part(rule, call.query.as_deref());
    let status = status_part(&rule.rule, call.exchange.response.status);
    let asks_when = [&method, &url, &query, &status].into_iter().all(Part::is_open);
    let (when, judgement) = if asks_when {
        let mut exchange = call.exchange.clone();
        exchange.request.params.clone_from(&params);
        let exchange = Arc::new(exchange);
        let judgement = judge(&rule.rule, time, &exchange);
        (when_part(&rule.rule, time, &exchange, &judgement), judgement)
    } else {
        let why = "another part does not match, so the condition is not evaluated";
        let source = rule.rule.when.as_ref().map(|when| when.source().to_owned());
        let note = source.is_some().then_some(why);
        (Part::not_asked(source, None, note), Judgement::default())
    };
    Explained {
        rule: Arc::clone(&rule.rule),
        matched: judgement.matched,
        parts: Parts { method, url, query, status, when },
        params,
        subject_error: judgement.error("subject").map(ToString::to_string),
        subject: judgement.subject,
    }
}

/// As the proxy's server reads it from a request's first line.
fn uri(url: &str) -> Option<Uri> {
    let uri: Uri = url.parse().ok()?;
    (url.starts_with('/') || uri.scheme().is_some()).then_some(uri)
}

fn method_part(rule: &Rule, method: &str) -> Part {
    let Some(wanted) = &rule.rule.methods else {
        return Part::not_asked(None, Some(method.to_owned()), None);
    };
    let matches = rule.applies_to(Some(&method.to_owned()));
    let mut part = Part::of(matches, wanted.join(", "), method);
    if !matches && wanted.iter().any(|one| one.eq_ignore_ascii_case(method)) {
        part.note = Some("methods are compared exactly, and are in upper case".to_owned());
    }
    part
}

fn url_part(rule: &Rule, path: &str, normal: Option<&[u8]>) -> (Part, Vec<(String, String)>) {
    let as_received = rule.params(path.as_bytes());
    let normalised = normal.and_then(|normal| rule.params(normal));
    let mut part =
        Part::of(as_received.is_some() || normalised.is_some(), rule.rule.url.as_str(), path);
    let shown = normal.map(|normal| String::from_utf8_lossy(normal).into_owned());
    part.note = match (&as_received, &normalised, shown) {
        (Some(_), _, _) => Some("as received".to_owned()),
        (None, Some(_), Some(shown)) => Some(format!("in its normalised form {shown}")),
        (None, None, Some(shown)) => Some(format!("nor does its normalised form {shown}")),
        (None, _, None) => None,
    };
    (part, as_received.or(normalised).unwrap_or_default())
}

fn query_part(rule: &Rule, query: Option<&str>) -> Part {
    let raw = query.unwrap_or_default();
    match &rule.rule.query {
        None => Part::not_asked(None, query.map(str::to_owned), None),
        Some(regex) => Part::of(rule.has_query(raw.as_bytes()), regex.as_str(), raw),
    }
}

fn status_part(rule: &EventRule, status: u16) -> Part {
    let wanted: Vec<String> = rule.status.iter().map(range).collect();
    Part::of(rule.is_success(status), wanted.join(", "), status.to_string())
}

/// As it can be written in the file, without quotes.
fn range(range: &StatusRange) -> String {
    let (first, last) = (*range.start(), *range.end());
    if first == last {
        first.to_string()
    } else if first % 100 == 0 && last == first + 99 {
        format!("{}xx", first / 100)
    } else {
        format!("{first}-{last}")
    }
}

fn when_part(
    rule: &EventRule,
    time: Timestamp,
    exchange: &Arc<Exchange>,
    judgement: &Judgement,
) -> Part {
    let Some(when) = &rule.when else { return Part::not_asked(None, None, None) };
    let mut part = Part::of(judgement.matched, when.source(), "");
    let error = judgement.error("when");
    part.note = error.map(ToString::to_string);
    part.found = None;
    if error.is_none() {
        let named = RuleRef { id: rule.id, label: rule.label.clone(), tag: rule.tag.clone() };
        let value = when.json(&call_scope(&named, time, exchange)).ok();
        part.found = value.map(|value| shortened(&String::from_utf8_lossy(&value)));
    }
    part
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(VALUE_CHARS_MAX) {
        Some((cut, _)) => format!("{}...", &text[..cut]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
