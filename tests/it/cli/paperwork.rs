//! What is made from the command line's own definition: completions and manual pages.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::{output, stderr, stdout};

/// Whether a program is installed. `scripts/test` installs groff and wants it used.
fn has(program: &str) -> bool {
    let is_there = Command::new(program).arg("--version").output().is_ok();
    let is_required = std::env::var_os("SIDEHOOK_TEST_TOOLS").is_some_and(|v| v == "required");
    assert!(is_there || !is_required || program != "groff", "{program} is not installed");
    is_there
}

fn checked(program: &str, arguments: &[&str], file: &Path) {
    let done = Command::new(program).args(arguments).arg(file).output().expect("it starts");
    assert!(done.status.success() && done.stderr.is_empty(), "{program}: {}", stderr(&done));
}

#[test]
fn completions_are_scripts_that_the_shells_take() {
    let folder = TempDir::new().expect("a temporary folder");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let done = output(folder.path(), &["completions", shell]);
        assert_eq!(done.status.code(), Some(0), "{}", stderr(&done));
        let script = stdout(&done);
        for word in ["match", "deliveries", "--config"] {
            let word = if shell == "fish" { word.trim_start_matches('-') } else { word };
            assert!(script.contains(word), "{word} is not in that of {shell}");
        }
        let file = folder.path().join(shell);
        fs::write(&file, script).expect("writable");
        if matches!(shell, "bash" | "zsh" | "fish") && has(shell) {
            checked(shell, &["-n"], &file);
        }
    }
    assert_eq!(output(folder.path(), &["completions", "tcsh"]).status.code(), Some(2));
}

#[test]
fn the_openapi_document_names_every_path() {
    let folder = TempDir::new().expect("a temporary folder");
    let done = output(folder.path(), &["openapi"]);
    assert_eq!(done.status.code(), Some(0), "{}", stderr(&done));
    let document: serde_json::Value = serde_json::from_str(&stdout(&done)).expect("JSON");
    assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")));
    for path in ["/livez", "/v1/events/{id}", "/v1/rules/test"] {
        assert!(document["paths"][path].is_object(), "{path}");
    }
}

#[test]
fn bash_completes_a_command() {
    let folder = TempDir::new().expect("a temporary folder");
    fs::write(folder.path().join("c"), stdout(&output(folder.path(), &["completions", "bash"])))
        .expect("writable");
    let ask = ". ./c; COMP_WORDS=(sidehook com); COMP_CWORD=1; _sidehook sidehook com sidehook; \
               echo \"${COMPREPLY[@]}\"";
    let done = Command::new("bash").args(["-c", ask]).current_dir(folder.path()).output();
    let done = done.expect("bash is there");
    assert_eq!(stdout(&done).trim(), "completions", "{}", stderr(&done));
}

#[test]
fn there_is_a_manual_page_for_each_command() {
    let folder = TempDir::new().expect("a temporary folder");
    let top = stdout(&output(folder.path(), &["man"]));
    assert!(top.contains(".TH sidehook 1"), "{top}");
    let done = output(folder.path(), &["man", "--output", "a/man1"]);
    assert_eq!(done.status.code(), Some(0), "{}", stderr(&done));
    let pages = folder.path().join("a/man1");
    for command in ["sidehook", "sidehook-run", "sidehook-match", "sidehook-completions"] {
        let page = fs::read_to_string(pages.join(format!("{command}.1"))).expect("written");
        assert!(page.contains(&format!(".TH {command}")), "{page}");
        assert!(top == page || page.contains(".SH OPTIONS"), "{page}");
    }
    for page in fs::read_dir(&pages).expect("a folder") {
        let page = page.expect("a file").path();
        if has("groff") {
            checked("groff", &["-man", "-Tascii", "-ww", "-z"], &page);
        }
        if has("mandoc") {
            checked("mandoc", &["-T", "lint", "-W", "error"], &page);
        }
    }
    fs::write(folder.path().join("file"), "").expect("writable");
    let done = output(folder.path(), &["man", "--output", "file"]);
    assert_eq!(done.status.code(), Some(1), "{}", stderr(&done));
}
