//! `sidehook schema`: what it says of a file is what `sidehook check` says, as far as a schema can.

use std::fs;
use std::path::Path;

use boon::{Compiler, SchemaIndex, Schemas};
use serde_json::Value;
use tempfile::TempDir;

use super::{output, sidehook, stderr, stdout};

struct Schema {
    schemas: Schemas,
    index: SchemaIndex,
}

impl Schema {
    fn of_the_binary() -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let done = output(folder.path(), &["schema"]);
        assert_eq!(done.status.code(), Some(0), "{}", stderr(&done));
        let schema: Value = serde_json::from_str(&stdout(&done)).expect("JSON");
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        compiler.add_resource("sidehook.json", schema).expect("a resource");
        // Compiling checks it against the schema of schemas.
        let index = compiler.compile("sidehook.json", &mut schemas).expect("a schema");
        Self { schemas, index }
    }

    fn judge(&self, toml: &str) -> Result<(), String> {
        let table: toml::Table = toml.parse().unwrap_or_else(|e| panic!("{e}: {toml}"));
        let instance = serde_json::to_value(table).expect("JSON");
        self.schemas.validate(&instance, self.index).map_err(|error| format!("{error:#}"))
    }
}

fn published(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect("readable")
}

#[test]
fn the_published_files_fit() {
    let schema = Schema::of_the_binary();
    let example = published("config.example.toml");
    assert_eq!(schema.judge(&example), Ok(()));
    // With all its examples taken in.
    let all: Vec<&str> = example
        .lines()
        .map(|line| if line.starts_with("# ") { "" } else { line.trim_start_matches('#') })
        .collect();
    let all = all.join("\n");
    assert!(all.contains("\n[[webhook]]\n"), "{all}");
    assert_eq!(schema.judge(&all), Ok(()));
    let recipes = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/recipes");
    let mut n = 0;
    for recipe in fs::read_dir(recipes).expect("a folder") {
        let path = recipe.expect("a file").path();
        if path.extension().is_some_and(|ending| ending == "toml") {
            let text = fs::read_to_string(&path).expect("readable");
            assert_eq!(schema.judge(&text), Ok(()), "{}", path.display());
            n += 1;
        }
    }
    assert!(n >= 9, "{n} recipes");
}

const EVENT: &str = "[[event]]\nlabel = \"a.b\"\nmethod = \"GET\"\nurl = \"^/\"\n";
const WEBHOOK: &str =
    "[[webhook]]\nname = \"a\"\nurl = \"https://example.com/\"\nevents = [\"*\"]\n";

/// What both say of a file.
fn judged(schema: &Schema, text: &str) -> (bool, bool) {
    let folder = TempDir::new().expect("a temporary folder");
    fs::write(folder.path().join("sidehook.toml"), text).expect("writable");
    let mut check = sidehook(folder.path(), &["check"]);
    let done = check.env("SECRET", "a-secret-of-some-length").output().expect("the binary starts");
    (schema.judge(text).is_ok(), done.status.success())
}

#[test]
fn good_files_fit_in_every_spelling() {
    let schema = Schema::of_the_binary();
    for part in [
        "method = [\"PUT\", \"PATCH\"]",
        "status = 201",
        "status = [\"2xx\", 404, \"200-204\"]",
        "when = 'response.status == 200'",
    ] {
        let event = EVENT.replace("method = \"GET\"\n", "");
        let method = if part.starts_with("method") { "" } else { "method = \"*\"\n" };
        let text = format!("{event}{method}{part}\n");
        assert_eq!(judged(&schema, &text), (true, true), "{text}");
    }
    for part in [
        "signing_secret = { env = \"SECRET\" }",
        "signing_secret = \"text\"",
        "format = { json = 'event.label' }",
        "format = { template = 'x', content_type = \"text/html\" }",
        "headers = { \"X-A\" = \"b\", \"X-B\" = { env = \"SECRET\" } }",
        "basic_auth = { username = \"u\", password = \"p\" }",
        "format = \"standard\"\nsecret = \"s\"\nsignatures = [\"github\", { header = \"X-Sig\" }]",
        "rate_limit = \"100/m\"\nretry = []\ntimeout = \"250ms\"\nordered = true",
    ] {
        let text = format!("{EVENT}{WEBHOOK}{part}\n");
        assert_eq!(judged(&schema, &text), (true, true), "{text}");
    }
}

#[test]
fn wrong_files_are_refused_by_both() {
    let schema = Schema::of_the_binary();
    for text in [
        "[prxy]\n",
        "[proxy]\nlissten = \"127.0.0.1:0\"\n",
        "[[proxy]]\n",
        "[proxy]\nworkers = \"x\"\n",
        "[proxy]\nworkers = 1025\n",
        "[proxy]\nconnect_timeout = 5\n",
        "[proxy]\nconnect_timeout = \"5 s\"\n",
        "[proxy]\nmax_head = \"64KB\"\n",
        "[proxy]\ncommit = \"later\"\n",
        "[proxy]\nvia = 1\n",
        "[capture]\nredact_fields = [\"/body\"]\n",
        "[capture]\nkeep_headers = \"*\"\n",
        "[delivery]\njitter = 1.5\n",
        "[delivery]\nretry = [1]\n",
        "[admin]\ntoken = { env = \"SECRET\", file = \"x\" }\n",
        "[admin]\ntoken = { evn = \"SECRET\" }\n",
        "[[event]]\nlabel = \"a\"\nmethod = \"GET\"\n",
        &EVENT.replace("a.b", "a b"),
        &EVENT.replace("a.b", "sidehook.a"),
        &format!("{EVENT}status = [\"9xx\"]\n"),
        &format!("{EVENT}status = 99\n"),
        &format!("{EVENT}id = -1\n"),
        &format!("{EVENT}{}", WEBHOOK.replace("name = \"a\"\n", "")),
        &format!("{EVENT}{WEBHOOK}method = \"GET\"\n"),
        &format!("{EVENT}{WEBHOOK}format = \"xml\"\n"),
        &format!("{EVENT}{WEBHOOK}format = {{ json = 'id', template = 'x' }}\n"),
        &format!("{EVENT}{WEBHOOK}signatures = [\"md5\"]\n"),
        &format!("{EVENT}{WEBHOOK}secret = \"s\"\nsignatures = [{{ prefix = \"x\" }}]\n"),
        &format!("{EVENT}{WEBHOOK}rate_limit = \"10/d\"\n"),
        &format!("{EVENT}{WEBHOOK}basic_auth = {{ username = \"u\" }}\n"),
        &format!("{EVENT}{WEBHOOK}client_cert = {{ cert = \"c.pem\" }}\n"),
    ] {
        assert_eq!(judged(&schema, text), (false, false), "{text}");
    }
}
