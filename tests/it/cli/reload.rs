//! SIGHUP: the configuration is read again, and the log says what came of it.

use std::fs;

use rustix::process::Signal;
use tempfile::TempDir;

use super::GOOD;
use super::run::Running;

const RULE: &str = "[[event]]\nlabel = \"a\"\nmethod = \"POST\"\nurl = '^/a$'\n";

const REFUSED: &str = "the new configuration is refused; the running one stays as it is";

/// The signals of a burst may be seen as one: what counts is the file after the last.
#[test]
fn a_burst_of_signals_takes_the_file_as_it_is_and_a_bad_one_is_told_with_its_lines() {
    let folder = TempDir::new().expect("a temporary folder");
    let path = folder.path().join("sidehook.toml");
    // In one piece: a signal may be seen at any time.
    let write = |text: &str| {
        let aside = path.with_extension("new");
        fs::write(&aside, format!("{GOOD}watch_config = false\n{text}"))?;
        fs::rename(&aside, &path)
    };
    write("").expect("written");
    let mut running = Running::start(folder.path(), &[]);
    for n in 0..10 {
        write(&format!("{RULE}max_request_body = \"{}KiB\"\n", n + 1)).expect("written");
        running.signal(Signal::HUP);
    }
    write("[[event]]\nlabel = 7\n").expect("written");
    running.signal(Signal::HUP);
    let refused = running.wait_for(REFUSED);
    assert_eq!(refused["level"], "ERROR");
    assert_eq!(refused["cause"], "SIGHUP");
    let problems = refused["problems"].as_str().expect("text");
    assert!(
        problems.contains("label = 7") && problems.contains("--> sidehook.toml:8:9"),
        "{problems}"
    );

    write(&format!("{RULE}[store]\nmax_size = \"1GiB\"\n")).expect("written");
    running.signal(Signal::HUP);
    let waits =
        running.wait_for("a restart is needed for these keys; until then they stay as they were");
    assert_eq!((&waits["level"], &waits["keys"]), (&"WARN".into(), &"[store] max_size".into()));
    running.signal(Signal::TERM);
    assert_eq!(running.exit_code(), Some(0));
}
