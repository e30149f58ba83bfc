//! `sidehook check`: 0 and what it means, or 2 and everything that is wrong.

use std::fs;

use tempfile::TempDir;

use super::{GOOD, output, sidehook, stderr, stdout};

#[test]
fn a_good_file_is_0_and_a_bad_one_2_with_all_mistakes() {
    let folder = TempDir::new().expect("a temporary folder");
    fs::write(folder.path().join("sidehook.toml"), GOOD).expect("writable");
    let done = output(folder.path(), &["check"]);
    assert_eq!(done.status.code(), Some(0), "{}", stderr(&done));
    assert!(stderr(&done).contains("warning: there is no [[event]]"), "{}", stderr(&done));

    let bad = "[proxy]\nlissten = 1\nworkers = \"x\"\n";
    fs::write(folder.path().join("bad.toml"), bad).expect("writable");
    let done = output(folder.path(), &["check", "--config", "bad.toml"]);
    assert_eq!(done.status.code(), Some(2));
    let said = stderr(&done);
    for part in ["bad.toml:2:1", "did you mean `listen`?", "bad.toml:3:11"] {
        assert!(said.contains(part), "{part} is not in:\n{said}");
    }
    assert!(!said.contains('\u{1b}'), "no colours into a pipe");
}

/// Methods are free (RFC 9110, section 9.1): it is taken, and matches nothing.
#[test]
fn a_method_that_is_nearly_a_known_one_is_warned_of() {
    let folder = TempDir::new().expect("a temporary folder");
    let rules = "[[event]]\nlabel = \"a\"\nmethod = [\"pots\", \"PURGE\"]\nurl = '^/a$'\n\
                 [[event]]\nlabel = \"b\"\nmethod = [\"POST\", \"UPDATE\"]\nurl = '^/b$'\n";
    fs::write(folder.path().join("sidehook.toml"), rules).expect("writable");
    let done = output(folder.path(), &["check"]);
    let said = stderr(&done);
    assert_eq!(done.status.code(), Some(0), "{said}");
    assert!(said.contains("the rule `a`: the method `POTS`"), "{said}");
    assert_eq!(said.matches("did you mean").count(), 1, "{said}");
    assert!(said.contains("did you mean `POST`?"), "{said}");
}

#[test]
fn print_shows_what_is_in_force_with_secrets_masked() {
    let folder = TempDir::new().expect("a temporary folder");
    let token = "[admin]\ntoken = \"hunter2-hunter2-hunter2\"\n";
    fs::write(folder.path().join("sidehook.toml"), token).expect("writable");
    let done = sidehook(folder.path(), &["check", "--print"])
        .env("SIDEHOOK_PROXY_WORKERS", "7")
        .output()
        .expect("the binary starts");
    assert_eq!(done.status.code(), Some(0), "{}", stderr(&done));
    let table: toml::Table = stdout(&done).parse().expect("TOML");
    assert_eq!(table["proxy"]["workers"].as_integer(), Some(7));
    assert_eq!(table["admin"]["token"].as_str(), Some("***"));
}

#[test]
fn a_missing_file_is_2_and_says_what_to_do() {
    let folder = TempDir::new().expect("a temporary folder");
    let done = output(folder.path(), &["check"]);
    assert_eq!(done.status.code(), Some(2));
    assert!(stderr(&done).contains("sidehook.toml"), "{}", stderr(&done));
    assert!(stderr(&done).contains("--upstream"), "{}", stderr(&done));
    fs::write(folder.path().join("latin1.toml"), b"a = \"\xe4\"\n").expect("writable");
    let done = output(folder.path(), &["check", "--config", "latin1.toml"]);
    assert_eq!(done.status.code(), Some(2));
    assert!(stderr(&done).contains("latin1.toml:1: not valid UTF-8"), "{}", stderr(&done));
}

#[test]
fn bad_usage_is_2() {
    let folder = TempDir::new().expect("a temporary folder");
    for arguments in [
        &["chekc"][..],
        &["check", "--nope"],
        &["run", "--upstream", "http://127.0.0.1:1", "--secret", "s", "--webhook", "http://h/"],
        &["run", "--upstream", "http://127.0.0.1:1", "--event", "nonsense"],
        &["run", "--upstream", "ftp://example.com"],
    ] {
        let done = output(folder.path(), arguments);
        assert_eq!(done.status.code(), Some(2), "{arguments:?}: {}", stderr(&done));
    }
    let done = output(folder.path(), &["--version"]);
    assert_eq!(done.status.code(), Some(0));
    assert_eq!(stdout(&done), concat!("sidehook ", env!("CARGO_PKG_VERSION"), "\n"));
}
