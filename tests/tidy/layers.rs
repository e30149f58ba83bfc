//! Each module imports only lower ones.

use crate::source::Source;

/// The layers of src/README.md, lowest first. Modules of one layer do not import each other.
const LAYERS: [&[&str]; 12] = [
    &["expr"],
    &["model"],
    &["clock", "shutdown", "sabotage", "dashboard"],
    &["telemetry", "tls"],
    &["view"],
    &["rules", "payload", "sign"],
    &["store", "egress"],
    &["proxy", "delivery", "admin"],
    &["config"],
    &["app"],
    &["cli"],
    &[""], // lib.rs and main.rs
];

pub(crate) fn check(source: &Source) -> Vec<String> {
    if source.is_test() {
        return Vec::new();
    }
    let module = source.module();
    let own = module.first().map_or("", String::as_str);
    let Some(height) = layer(own) else {
        return vec![format!("{}: `{own}` has no layer in tests/tidy/layers.rs", source.path)];
    };
    let mut findings = Vec::new();
    for named in source.names() {
        let Some(other) = top_module(&module, &named.segments) else { continue };
        let Some(other_height) = layer(&other) else { continue };
        if other != own && other_height >= height {
            let path = named.segments.join("::");
            findings.push(format!("{}:{}: {own} uses {path}", source.path, named.line));
        }
    }
    findings
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

/// The top-level module that a path leads to; `None`: outside the crate, or within the own module.
fn top_module(module: &[String], path: &[String]) -> Option<String> {
    match path.first()?.as_str() {
        "crate" | "sidehook" => path.get(1).cloned(),
        "super" => {
            let n_up = path.iter().take_while(|segment| *segment == "super").count();
            // `super` of a top-level module is the crate itself.
            if n_up >= module.len() { path.get(n_up).cloned() } else { None }
        }
        _ => None,
    }
}

#[test]
fn an_import_against_the_layers_is_found_in_every_spelling() {
    let findings = |path: &str, text: &str| check(&Source::of(path, text)).len();
    assert_eq!(findings("src/proxy/exchange.rs", "use crate::delivery::Settings;"), 1);
    assert_eq!(findings("src/proxy/mod.rs", "use super::delivery;"), 1);
    assert_eq!(findings("src/proxy/exchange.rs", "use super::super::delivery;"), 1);
    assert_eq!(findings("src/store/mod.rs", "fn f() { crate::config::load(); }"), 1);
    assert_eq!(findings("src/model/id.rs", "fn f() { println!(\"{}\", crate::clock::now()); }"), 1);
    assert_eq!(findings("src/utils.rs", ""), 1);
    assert_eq!(
        findings("src/proxy/exchange.rs", "use crate::store::Store; use super::capture;"),
        0
    );
    assert_eq!(findings("src/app/mod.rs", "use crate::{proxy, delivery, config::Config};"), 0);
    assert_eq!(findings("src/store/mod.rs", "#[cfg(test)] mod tests { use crate::config; }"), 0);
}
