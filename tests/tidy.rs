//! The house rules that a machine can check: layers, sizes, forbidden calls, and documents that
//! name what exists. Each checker is tried on a small bad example first: it must be able to fail.

#[path = "tidy/calls.rs"]
mod calls;
#[path = "tidy/documents.rs"]
mod documents;
#[path = "tidy/layers.rs"]
mod layers;
#[path = "tidy/sizes.rs"]
mod sizes;
#[path = "tidy/source.rs"]
mod source;

use source::Source;

/// All findings at once, each on a line.
fn assert_none(what: &str, findings: &[String]) {
    assert!(findings.is_empty(), "{what}:\n  {}", findings.join("\n  "));
}

#[test]
fn modules_import_only_lower_layers() {
    let findings: Vec<String> = Source::all("src").iter().flat_map(layers::check).collect();
    assert_none("imports against the layers of src/README.md", &findings);
}

#[test]
fn files_and_functions_are_short() {
    let sources = [Source::all("src"), Source::all("tests")].concat();
    let findings: Vec<String> = sources.iter().flat_map(sizes::check).collect();
    assert_none("too long", &findings);
}

#[test]
fn what_has_its_place_is_called_nowhere_else() {
    let findings: Vec<String> = Source::all("src").iter().flat_map(calls::check).collect();
    assert_none("calls outside their place", &findings);
}

#[test]
fn every_key_is_in_the_example_file_and_the_other_way_round() {
    assert_none("keys", &documents::keys());
}

#[test]
fn every_metric_is_documented_and_the_other_way_round() {
    let sources = Source::all("src/telemetry");
    let table = source::read("docs/metrics.md");
    assert_none("metrics", &documents::metrics(&sources, &table));
}

#[test]
fn alerts_and_dashboard_ask_for_metrics_that_exist() {
    let table = source::read("docs/metrics.md");
    for name in ["docs/alerts.yml", "docs/grafana-dashboard.json", "tests/alerts.test.yml"] {
        let text = source::read(name);
        assert_none(name, &documents::unknown_metrics(&text, &table));
    }
    let alerts = source::read("docs/alerts.yml");
    let tests = source::read("tests/alerts.test.yml");
    let names = alerts.lines().filter_map(|line| line.trim().strip_prefix("- alert: "));
    let undocumented: Vec<String> = names
        .filter(|name| !table.contains(&format!("`{name}`")) || alerts.matches(*name).count() != 1)
        .map(str::to_owned)
        .collect();
    assert_none("alerts that docs/metrics.md does not name", &undocumented);
    assert!(tests.contains("alert_rule_test"), "the rules have tests");
    let dashboard: serde_json::Value =
        serde_json::from_str(&source::read("docs/grafana-dashboard.json")).expect("JSON");
    assert!(dashboard["schemaVersion"].as_u64().expect("a number") >= 39);
    let panels = dashboard["panels"].as_array().expect("panels");
    let ids: std::collections::BTreeSet<_> = panels.iter().map(|p| p["id"].as_u64()).collect();
    assert_eq!(ids.len(), panels.len(), "each panel has an id of its own");
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{panel}");
        assert!(!panel["targets"].as_array().expect("queries").is_empty(), "{panel}");
    }
}

#[test]
fn the_map_of_the_code_names_only_what_exists() {
    let map = source::read("src/README.md");
    assert_none("names in src/README.md without a file", &documents::missing_files(&map));
}
