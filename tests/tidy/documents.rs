//! Documents name what exists, and what exists is documented.

use std::collections::BTreeSet;

use sidehook::config::SECTIONS;
use syn::visit::Visit;

use crate::source::{Source, read, root};

/// Keys that the parser knows and the example file does not have, and the other way round.
pub(crate) fn keys() -> Vec<String> {
    let known: BTreeSet<String> = SECTIONS
        .iter()
        .flat_map(|section| {
            section.keys.iter().map(|(key, _)| format!("{} {key}", section.heading()))
        })
        .collect();
    compare("config.example.toml", &known, &written_keys(&read("config.example.toml")))
}

/// The keys of the example file, those of its examples (`#key = ...`) included.
fn written_keys(example: &str) -> BTreeSet<String> {
    let mut heading = String::new();
    let mut keys = BTreeSet::new();
    for line in example.lines() {
        let line = line.strip_prefix('#').unwrap_or(line);
        if line.starts_with('[') {
            heading = line.trim().to_owned();
        } else if let Some((key, _)) = line.split_once('=') {
            let key = key.trim_end();
            let is_key = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            if !key.is_empty() && key.chars().all(is_key) {
                keys.insert(format!("{heading} {key}"));
            }
        }
    }
    keys
}

/// Metrics of the sources without a row in the table, and the other way round. The library adds
/// `sidehook_` to every name, and `_total` to those of counters.
pub(crate) fn metrics(sources: &[Source], table: &str) -> Vec<String> {
    let mut registered = Registered(BTreeSet::new());
    for source in sources.iter().filter(|source| !source.is_test()) {
        registered.visit_file(&source.file);
    }
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `sidehook_"));
    let names = rows.filter_map(|row| row.split('`').next());
    let documented = names.map(bare).collect();
    compare("docs/metrics.md", &registered.0, &documented)
}

/// A metric's name without what the library adds.
fn bare(name: &str) -> String {
    name.trim_start_matches("sidehook_").trim_end_matches("_total").to_owned()
}

/// The names that the registry is given: the first text among the arguments of what registers.
struct Registered(BTreeSet<String>);

impl Registered {
    fn add<'a>(&mut self, mut arguments: impl Iterator<Item = &'a syn::Expr>) {
        let text = arguments.find_map(|argument| match argument {
            syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) => Some(text.value()),
            _ => None,
        });
        self.0.extend(text.map(|name| bare(&name)));
    }
}

impl<'ast> Visit<'ast> for Registered {
    fn visit_expr_call(&mut self, call: &'ast syn::ExprCall) {
        let registers = matches!(
            &*call.func,
            syn::Expr::Path(path) if path.path.is_ident("family") || path.path.is_ident("histograms")
        );
        if registers {
            self.add(call.args.iter());
        }
        syn::visit::visit_expr_call(self, call);
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        if call.method.to_string().starts_with("register") {
            self.add(call.args.iter());
        }
        syn::visit::visit_expr_method_call(self, call);
    }
}

/// Metrics that a text asks for and the table does not have.
pub(crate) fn unknown_metrics(text: &str, table: &str) -> Vec<String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut unknown = BTreeSet::new();
    for (at, _) in text.match_indices("sidehook_") {
        let name = text[at..].split(|c| !is_name(c)).next().unwrap_or_default();
        let parts = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
        let has_row = |name: &str| table.contains(&format!("| `{name}` |"));
        if !has_row(name) && !parts.is_some_and(has_row) {
            unknown.insert(format!("{name}: not in docs/metrics.md"));
        }
    }
    unknown.into_iter().collect()
}

/// Backticked names of files and folders in a document that do not exist.
pub(crate) fn missing_files(document: &str) -> Vec<String> {
    let mut missing = Vec::new();
    for name in document.split('`').skip(1).step_by(2) {
        let is_path = |c: char| c.is_ascii_alphanumeric() || "_./-".contains(c);
        let names_a_file = name.contains('/') || name.ends_with(".rs") || name.ends_with(".toml");
        if !names_a_file || !name.chars().all(is_path) {
            continue;
        }
        let bases = [root().to_owned(), root().join("src")];
        let exists = bases
            .iter()
            .any(|base| base.join(name).exists() || base.join(format!("{name}.rs")).exists());
        if !exists {
            missing.push(name.to_owned());
        }
    }
    missing
}

fn compare(document: &str, known: &BTreeSet<String>, written: &BTreeSet<String>) -> Vec<String> {
    let undocumented = known.difference(written).map(|name| format!("{name}: not in {document}"));
    let unknown =
        written.difference(known).map(|name| format!("{name}: in {document}, but not in the code"));
    undocumented.chain(unknown).collect()
}

#[test]
fn a_key_that_is_nowhere_else_is_found() {
    let written = written_keys("[proxy]\n# prose = with an equals sign\nlisten = 1\n#token = 2\n");
    assert_eq!(written.into_iter().collect::<Vec<_>>(), ["[proxy] listen", "[proxy] token"]);
    let known = BTreeSet::from(["a".to_owned(), "b".to_owned()]);
    assert_eq!(compare("x", &known, &BTreeSet::from(["b".to_owned(), "c".to_owned()])).len(), 2);
}

#[test]
fn an_alert_for_a_metric_that_does_not_exist_is_found() {
    let table = "| `sidehook_a_total` | counter |\n| `sidehook_b_seconds` | histogram |\n";
    let asked = "rate(sidehook_a_total[5m]) > sidehook_b_seconds_bucket{le=\"1\"} + sidehook_a";
    assert_eq!(unknown_metrics(asked, table), ["sidehook_a: not in docs/metrics.md"]);
}

#[test]
fn an_undocumented_metric_is_found() {
    let source = Source::of(
        "src/telemetry/a.rs",
        "fn f() { family(&mut to, \"a\", \"Help\"); to.register(\"b\", \"Help\", b); }",
    );
    let findings = metrics(&[source], "| `sidehook_a_total` | x |\n| `sidehook_c` | y |\n");
    assert_eq!(findings.len(), 2, "{findings:?}");
}

#[test]
fn a_name_without_a_file_is_found() {
    let missing =
        missing_files("`src/lib.rs` `model/` `proxy::exchange` `gone/` `store/gone.rs` `a b`");
    assert_eq!(missing, ["gone/", "store/gone.rs"]);
}
