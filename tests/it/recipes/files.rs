//! The files themselves: all of them, as they are published.

use std::collections::BTreeSet;
use std::process::Command;
use std::{fs, str};

use super::stand::{SECRETS, TARGET, path};

const RECIPES: [&str; 9] = [
    "apio",
    "discord",
    "github",
    "slack",
    "stripe",
    "tasks",
    "typed",
    "vikunja",
    "wireguard-portal",
];

#[test]
fn every_recipe_is_tested_and_in_the_index() {
    let folder = path("apio");
    let folder = folder.parent().expect("a folder");
    let names = fs::read_dir(folder).expect("readable").filter_map(|entry| {
        let name = entry.expect("readable").file_name().into_string().expect("text");
        name.strip_suffix(".toml").map(str::to_owned)
    });
    let names: BTreeSet<String> = names.collect();
    assert_eq!(names.iter().map(String::as_str).collect::<Vec<_>>(), RECIPES);
    let index = fs::read_to_string(folder.join("README.md")).expect("an index");
    for name in names {
        assert!(index.contains(&format!("[{name}.toml]({name}.toml)")), "{name}");
    }
}

#[test]
fn every_recipe_works_as_it_stands() {
    for recipe in RECIPES {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sidehook"));
        command.arg("check").arg("--config").arg(path(recipe));
        let done = command.env_clear().envs(SECRETS).output().expect("the binary starts");
        let said = str::from_utf8(&done.stderr).expect("text");
        assert_eq!(done.status.code(), Some(0), "{recipe}: {said}");
        assert!(!said.contains("warning"), "{recipe}: {said}");
    }
}

#[test]
fn no_recipe_shows_a_secret_when_it_is_printed() {
    for recipe in RECIPES {
        let shown = super::stand::as_written(recipe).effective;
        for (name, value) in SECRETS {
            assert!(!shown.contains(value), "{recipe} shows {name}");
        }
    }
}

#[test]
fn every_recipe_has_the_placeholders_that_the_index_names() {
    for recipe in RECIPES {
        let text = fs::read_to_string(path(recipe)).expect("a recipe");
        assert!(text.contains(TARGET), "{recipe}");
        assert!(text.contains("upstream = \"http://127.0.0.1:3000\""), "{recipe}");
    }
}
