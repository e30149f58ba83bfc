//! What may be called only in its place, and what pure modules may not do at all.

use syn::visit::Visit;

use crate::source::{Source, is_cfg_test};

/// The end of a path, where it may stand, and why nowhere else.
struct Rule {
    ends: &'static [&'static str],
    places: &'static [&'static str],
    why: &'static str,
}

const RULES: &[Rule] = &[
    Rule {
        ends: &["SystemTime::now", "Timestamp::now", "Zoned::now"],
        places: &["src/clock.rs"],
        why: "time comes from clock::now",
    },
    Rule {
        ends: &["tokio::spawn", "task::spawn", "task::spawn_local", "JoinSet::new"],
        places: &["src/shutdown.rs", "src/proxy/", "src/cli/"],
        why: "tasks start through shutdown::Tasks, so that a stop waits for them",
    },
    Rule {
        ends: &["thread::spawn", "thread::Builder"],
        places: &["src/proxy/listen.rs", "src/store/", "src/cli/"],
        why: "threads belong to the workers and the store",
    },
    Rule {
        ends: &["thread::sleep"],
        places: &["src/store/"],
        why: "blocks a runtime's thread; wait for a condition with a deadline",
    },
    Rule {
        ends: &["TcpStream::connect", "TcpSocket::new_v4", "TcpSocket::new_v6", "UdpSocket::bind"],
        places: &["src/egress/", "src/proxy/", "src/cli/"],
        why: "only egress connects to webhooks, only the proxy to the upstream",
    },
    Rule {
        ends: &["TcpListener::bind", "UnixListener::bind"],
        places: &["src/proxy/", "src/admin/", "src/cli/"],
        why: "only the proxy and the admin API listen",
    },
    Rule { ends: &["sled"], places: &["src/store/index/"], why: "only store/index names sled" },
    Rule {
        ends: &["tokio_postgres", "rusqlite", "sqlx"],
        places: &[],
        why: "no other database is used yet",
    },
    Rule { ends: &["anyhow"], places: &["src/app/", "src/cli/"], why: "errors below are types" },
    Rule {
        ends: &["clap", "comfy_table"],
        places: &["src/cli/"],
        why: "only the command line knows of it",
    },
    Rule { ends: &["minijinja"], places: &["src/expr/"], why: "only expr knows of it" },
    Rule {
        ends: &["env::var", "env::vars", "env::var_os", "env::vars_os"],
        places: &["src/cli/", "src/config/", "src/sabotage.rs"],
        why: "components own their settings; the environment is the configuration's",
    },
    Rule {
        ends: &["process::exit"],
        places: &["src/app/signals.rs"],
        why: "skips destructors; return an exit code",
    },
];

/// No I/O, no async, no clock.
const PURE: [&str; 4] = ["src/model/", "src/rules/", "src/payload/", "src/sign/"];
/// Segments of paths that pure code does not have.
const IMPURE: [&str; 9] =
    ["tokio", "fs", "File", "net", "hyper", "hyper_util", "thread", "Instant", "SystemTime"];
/// Macros that write where nobody asked.
const PRINTING: [&str; 5] = ["println", "print", "eprintln", "eprint", "dbg"];

pub(crate) fn check(source: &Source) -> Vec<String> {
    if source.is_test() {
        return Vec::new();
    }
    let is_pure = PURE.iter().any(|folder| source.path.starts_with(folder));
    let mut findings = Vec::new();
    for named in source.names() {
        let path = named.segments.join("::");
        let mut found =
            |why: &str| findings.push(format!("{}:{}: {path}: {why}", source.path, named.line));
        for rule in RULES {
            let is_here = rule.places.iter().any(|place| source.path.starts_with(place));
            if !is_here && rule.ends.iter().any(|end| reaches(&named.segments, end)) {
                found(rule.why);
            }
        }
        if is_pure && named.segments.len() > 1 && is_impure(&named.segments) {
            found("this module is pure");
        }
    }
    let mut visitor = Shapes { source, is_pure, findings };
    visitor.visit_file(&source.file);
    visitor.findings
}

/// Whether a path is, ends with, or (for the name of a crate) begins with `end`.
fn reaches(path: &[String], end: &str) -> bool {
    let end: Vec<&str> = end.split("::").collect();
    match end.as_slice() {
        [name] => path.len() > 1 && path[0] == *name,
        _ => path.len() >= end.len() && path[path.len() - end.len()..] == *end,
    }
}

/// IP addresses are plain data, wherever they live.
fn is_impure(path: &[String]) -> bool {
    let is_address =
        path.last().is_some_and(|last| last.ends_with("Addr") || last.starts_with("Ipv"));
    !is_address && path.iter().any(|segment| IMPURE.contains(&segment.as_str()))
}

/// What is not a path: method calls, macros, `async`.
struct Shapes<'s> {
    source: &'s Source,
    is_pure: bool,
    findings: Vec<String>,
}

impl Shapes<'_> {
    fn add(&mut self, line: usize, what: &str) {
        self.findings.push(format!("{}:{line}: {what}", self.source.path));
    }
}

impl<'ast> Visit<'ast> for Shapes<'_> {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !is_cfg_test(&item.attrs) {
            syn::visit::visit_item_mod(self, item);
        }
    }

    fn visit_signature(&mut self, signature: &'ast syn::Signature) {
        if self.is_pure && signature.asyncness.is_some() {
            self.add(signature.ident.span().start().line, "async in a pure module");
        }
        syn::visit::visit_signature(self, signature);
    }

    fn visit_expr_await(&mut self, expression: &'ast syn::ExprAwait) {
        if self.is_pure {
            self.add(expression.await_token.span.start().line, "await in a pure module");
        }
        syn::visit::visit_expr_await(self, expression);
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        if call.method == "unwrap" && call.args.is_empty() {
            let line = call.method.span().start().line;
            self.add(line, "unwrap: say with expect why it cannot fail, or handle it");
        }
        syn::visit::visit_expr_method_call(self, call);
    }

    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        let name = item.path.segments.last().map(|segment| segment.ident.to_string());
        let is_cli = self.source.path.starts_with("src/cli/");
        if let Some(name) = name.filter(|name| PRINTING.contains(&name.as_str()) && !is_cli) {
            let line = item.path.segments[0].ident.span().start().line;
            self.add(line, &format!("{name}! outside cli"));
        }
        syn::visit::visit_macro(self, item);
    }
}

#[test]
fn calls_outside_their_place_are_found() {
    let findings = |path: &str, text: &str| check(&Source::of(path, text)).len();
    for (path, text) in [
        ("src/proxy/a.rs", "fn f() { std::time::SystemTime::now(); }"),
        ("src/delivery/a.rs", "fn f() { tokio::spawn(x); }"),
        (
            "src/delivery/a.rs",
            "use tokio::net::TcpStream; async fn f() { TcpStream::connect(x).await; }",
        ),
        ("src/store/mod.rs", "use sled::Db;"),
        ("src/store/mod.rs", "fn f() { x.unwrap(); }"),
        ("src/admin/a.rs", "fn f() { println!(\"x\"); }"),
        ("src/model/a.rs", "async fn f() {}"),
        ("src/rules/a.rs", "use std::fs::read;"),
        ("src/sign/a.rs", "fn f() { std::time::Instant::now(); }"),
        ("src/store/a.rs", "fn f() { std::env::var(\"X\"); }"),
        ("src/config/a.rs", "fn f() -> anyhow::Result<()> { g() }"),
    ] {
        assert_eq!(findings(path, text), 1, "{path}: {text}");
    }
    for (path, text) in [
        ("src/clock.rs", "fn f() { std::time::SystemTime::now(); }"),
        ("src/store/index/mod.rs", "use sled::Db;"),
        ("src/store/mod.rs", "#[cfg(test)] mod tests { fn f() { x.unwrap(); } }"),
        ("src/cli/a.rs", "fn f() { println!(\"x\"); }"),
        ("src/rules/a.rs", "use std::net::IpAddr;"),
        ("src/store/mod.rs", "fn f() { x.unwrap_or(1); }"),
    ] {
        assert_eq!(findings(path, text), 0, "{path}: {text}");
    }
}
