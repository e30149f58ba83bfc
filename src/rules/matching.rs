//! The rule set: one automaton per class of methods over the paths of its rules.

use std::collections::HashMap;
use std::sync::Arc;

use regex::bytes::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};

use super::{Tally, normal_path};
use crate::model::EventRule;

/// Memory that the lazily built automaton of one method class may use, bytes.
const AUTOMATON_BYTES_MAX: usize = 64 << 20;

/// All event rules, compiled for matching. Clones share the rules but not the automata's scratch
/// memory: every thread should have its own clone.
#[derive(Clone, Debug)]
pub struct RuleSet {
    rules: Arc<[Rule]>,
    /// Methods that some rule names, each with all the rules that it can match.
    named: Vec<(String, Class)>,
    /// Every other method: the rules for `"*"`.
    others: Class,
}

/// The rules that one call matches, in the order of the configuration.
#[derive(Clone, Debug, Default)]
pub struct Matched(Vec<Hit>);

/// One rule that matches, with what its URL regex captured.
#[derive(Clone, Debug)]
pub struct Hit {
    /// The rule.
    pub rule: Arc<EventRule>,
    /// What the rule has seen.
    pub tally: Arc<Tally>,
    /// The named groups that took part, in the order of the regex; as they stand in the path,
    /// percent-encoding kept.
    pub params: Vec<(String, String)>,
}

#[derive(Clone, Debug)]
struct Rule {
    rule: Arc<EventRule>,
    tally: Arc<Tally>,
    path: Regex,
    query: Option<Regex>,
}

/// The rules that a method can match.
#[derive(Clone, Debug, Default)]
struct Class {
    /// Indices of the rules, in order.
    rules: Vec<usize>,
    /// Their paths in one automaton; `None` when it would be too large: then one by one.
    paths: Option<RegexSet>,
}

impl RuleSet {
    /// Compiles the rules. Regexes are compiled again without Unicode classes (a path is bytes;
    /// `\d` and `\w` mean ASCII); one that needs Unicode is used as it is.
    pub fn new(rules: Vec<EventRule>) -> Self {
        let rules: Arc<[Rule]> = rules.into_iter().map(Rule::new).collect();
        let mut methods: Vec<&String> =
            rules.iter().filter_map(|rule| rule.rule.methods.as_ref()).flatten().collect();
        methods.sort_unstable();
        methods.dedup();
        let named =
            methods.iter().map(|&m| (m.clone(), Class::new(&rules, Some(m)))).collect::<Vec<_>>();
        let others = Class::new(&rules, None);
        Self { rules, named, others }
    }

    /// Rules that replace others: those that ask the same of a call go on counting where they were,
    /// whatever became of the rest of them.
    pub fn after(before: &Self, rules: Vec<EventRule>) -> Self {
        let mut set = Self::new(rules);
        let old: HashMap<&str, &Rule> =
            before.rules.iter().map(|rule| (rule.rule.label.as_str(), rule)).collect();
        set.rules = set
            .rules
            .iter()
            .map(|rule| match old.get(rule.rule.label.as_str()) {
                Some(old) if asks_the_same(&old.rule, &rule.rule) => {
                    Rule { tally: Arc::clone(&old.tally), ..rule.clone() }
                }
                _ => rule.clone(),
            })
            .collect();
        set
    }

    /// The rules, in order.
    pub fn rules(&self) -> impl Iterator<Item = &Arc<EventRule>> {
        self.rules.iter().map(|rule| &rule.rule)
    }

    /// What each rule has seen, in the order of [`RuleSet::rules`]; shared by all clones.
    pub fn tallies(&self) -> impl Iterator<Item = &Arc<Tally>> {
        self.rules.iter().map(|rule| &rule.tally)
    }

    /// The rules that a call matches by its method, path and query, all as received; statuses are
    /// judged later, when there is a response. Methods are compared exactly (RFC 9110 9.1). Does
    /// not allocate when nothing matches and the path is already in its normal form.
    pub fn matching(&self, method: &str, path: &[u8], query: Option<&[u8]>) -> Matched {
        let class =
            self.named.iter().find(|(m, _)| m == method).map_or(&self.others, |(_, class)| class);
        if class.rules.is_empty() {
            return Matched::default();
        }
        let normal = normal_path(path);
        let normal = normal.as_deref();
        if !class.may_match(path) && !normal.is_some_and(|path| class.may_match(path)) {
            return Matched::default();
        }
        let query = query.unwrap_or_default();
        let rules = class.rules.iter().map(|&index| &self.rules[index]);
        Matched(rules.filter_map(|rule| rule.hit(path, normal, query)).collect())
    }
}

impl Matched {
    /// Whether no rule matches.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The rules that match.
    pub fn hits(&self) -> &[Hit] {
        &self.0
    }

    /// The rules that match.
    pub fn into_hits(self) -> Vec<Hit> {
        self.0
    }
}

impl Rule {
    fn new(rule: EventRule) -> Self {
        let path = bytes_regex(&rule.url);
        let query = rule.query.as_ref().map(bytes_regex);
        Self { rule: Arc::new(rule), tally: Arc::default(), path, query }
    }

    fn applies_to(&self, method: Option<&String>) -> bool {
        match (&self.rule.methods, method) {
            (None, _) => true,
            (Some(methods), Some(method)) => methods.contains(method),
            (Some(_), None) => false,
        }
    }

    fn hit(&self, path: &[u8], normal: Option<&[u8]>, query: &[u8]) -> Option<Hit> {
        if self.query.as_ref().is_some_and(|regex| !regex.is_match(query)) {
            return None;
        }
        let captures =
            self.path.captures(path).or_else(|| normal.and_then(|p| self.path.captures(p)))?;
        let params = self.path.capture_names().flatten().filter_map(|name| {
            let value = captures.name(name)?;
            Some((name.to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        });
        let (rule, tally) = (Arc::clone(&self.rule), Arc::clone(&self.tally));
        Some(Hit { rule, tally, params: params.collect() })
    }
}

impl Class {
    /// The rules for `method`; `None`: for every method that no rule names.
    fn new(all: &[Rule], method: Option<&String>) -> Self {
        let rules: Vec<usize> =
            (0..all.len()).filter(|&index| all[index].applies_to(method)).collect();
        let plain = rules.iter().all(|&index| plain_regex(all[index].path.as_str()).is_some());
        let paths = RegexSetBuilder::new(rules.iter().map(|&index| all[index].path.as_str()))
            .unicode(!plain)
            .size_limit(AUTOMATON_BYTES_MAX)
            .dfa_size_limit(AUTOMATON_BYTES_MAX)
            .build()
            .ok()
            .filter(|_| plain);
        Self { rules, paths }
    }

    /// False when certainly no rule matches this path.
    fn may_match(&self, path: &[u8]) -> bool {
        self.paths.as_ref().is_none_or(|paths| paths.is_match(path))
    }
}

/// Whether two rules of one label want the same calls.
fn asks_the_same(a: &EventRule, b: &EventRule) -> bool {
    let query = |rule: &EventRule| rule.query.as_ref().map(|query| query.as_str().to_owned());
    let when = |rule: &EventRule| rule.when.as_ref().map(|when| when.source().to_owned());
    let subject = |rule: &EventRule| rule.subject.as_ref().map(|s| s.source().to_owned());
    a.methods == b.methods
        && a.url.as_str() == b.url.as_str()
        && query(a) == query(b)
        && a.status == b.status
        && when(a) == when(b)
        && subject(a) == subject(b)
}

/// The regex without Unicode classes, or as given where that is not possible.
fn bytes_regex(given: &Regex) -> Regex {
    plain_regex(given.as_str()).unwrap_or_else(|| given.clone())
}

fn plain_regex(pattern: &str) -> Option<Regex> {
    RegexBuilder::new(pattern)
        .unicode(false)
        .size_limit(AUTOMATON_BYTES_MAX)
        .dfa_size_limit(AUTOMATON_BYTES_MAX)
        .build()
        .ok()
}

#[cfg(test)]
mod tests;
