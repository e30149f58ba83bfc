use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::fake::{Fake, Says, Seen, WEBHOOK, on_terminal};
use super::ordinary;
use crate::cli::{stderr, stdout};
use crate::support::found_blocking;

const ID: &str = "rec_0123456789abcdef0123456789abcdef";

/// 40 deliveries, 20 of which are queued with each look; or for ever none, when it is stuck.
fn api(is_stuck: bool) -> impl Fn(&Seen, usize) -> Says + Send + Sync {
    move |seen, n| {
        let recovery = |done: usize, status: &str| json!({"id": ID, "webhook_id": WEBHOOK, "status": status, "count": 40, "done": done});
        let one = format!("/v1/recoveries/{ID}");
        match seen.line.split_once(' ') {
            Some(("POST", path)) if path.ends_with("/recover") => {
                let is_dry = seen.body["dry_run"] == true;
                let count = if seen.body["status"] == "cancelled" { 0 } else { 40 };
                let id = if is_dry { Value::Null } else { json!(ID) };
                Says::Json(if is_dry { 200 } else { 202 }, json!({"count": count, "id": id}))
            }
            Some(("POST", path)) if path == format!("{one}/stop") => {
                Says::Json(200, recovery(20, "stopped"))
            }
            Some(("GET", path)) if path == one => Says::Json(
                200,
                match n {
                    _ if is_stuck => recovery(0, "running"),
                    0 => recovery(0, "running"),
                    1 => recovery(20, "running"),
                    _ => recovery(40, "done"),
                },
            ),
            _ => ordinary(seen),
        }
    }
}

#[test]
fn what_was_missed_is_counted_then_sent_then_watched() {
    let fake = Fake::start(api(false));
    let arguments =
        ["recover", "billing", "--since", "2026-01-31T09:30:00Z", "--backfill", "--yes"];
    let output = fake.run(&arguments);
    assert!(output.status.success(), "{}", stderr(&output));
    let told: Value = serde_json::from_slice(&output.stdout).expect("one JSON document");
    assert_eq!(told["done"], 40);
    let bodies: Vec<Value> = fake.changes().into_iter().map(|seen| seen.body).collect();
    let since = "2026-01-31T09:30:00.000Z";
    assert_eq!(
        bodies,
        [
            json!({"since": since, "backfill": true, "dry_run": true}),
            json!({"since": since, "backfill": true})
        ]
    );
    let said = stderr(&output);
    assert!(said.contains("40 deliveries to send to billing"), "{said}");
    assert!(said.contains("50 %: 20 of 40\n100 %: 40 of 40\n"), "{said}");
    assert!(!said.contains('\r'), "no bar where nobody looks: {said}");
}

#[test]
fn a_terminal_is_asked_and_sees_a_bar() {
    for (answer, code, n_asked) in [("n\n", 1, 1), ("y\n", 0, 2)] {
        let fake = Fake::start(api(false));
        let folder = tempfile::tempdir().expect("a folder");
        let command = fake.command(folder.path(), &["recover", "billing"]);
        let (mut terminal, mut child) = on_terminal(command, 100);
        let asked = terminal.until("[y/N] ");
        assert!(asked.contains("40 deliveries"), "{asked}");
        terminal.types(answer);
        let shown = terminal.rest();
        assert_eq!(child.wait().expect("our child").code(), Some(code), "{shown}");
        assert_eq!(fake.changes().len(), n_asked);
        assert_eq!(shown.contains("###...") && shown.contains("40 of 40"), code == 0, "{shown}");
    }
}

#[test]
fn nothing_is_sent_that_was_not_asked_for() {
    let fake = Fake::start(api(false));
    for (arguments, code, hint) in [
        (&["recover", "billing", "--dry-run"][..], 0, "\"count\":40"),
        (&["recover", "billing", "--status", "cancelled"], 0, "\"count\":0"),
        (&["recover", "billing"], 2, "--yes"),
        (&["recover"], 2, "WEBHOOK"),
    ] {
        let output = fake.run(arguments);
        let said = stdout(&output) + &stderr(&output);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(hint), "{arguments:?}: {said}");
    }
    assert!(fake.changes().iter().all(|seen| seen.body["dry_run"] == true));
}

#[test]
fn it_goes_on_without_its_watcher() {
    let looked = Arc::new(AtomicBool::new(false));
    let (answers, seen_look) = (api(true), Arc::clone(&looked));
    let fake = Fake::start(move |seen, n| {
        seen_look.fetch_or(seen.line.contains("/v1/recoveries/") && n > 0, Ordering::SeqCst);
        answers(seen, n)
    });
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = fake.command(folder.path(), &["recover", "billing", "--yes"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().expect("the binary starts");
    let has_looked = || looked.load(Ordering::SeqCst).then_some(());
    found_blocking(has_looked).expect("it looks twice");
    kill_process(Pid::from_child(&child), Signal::INT).expect("it runs");
    let output = child.wait_with_output().expect("our child");
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains(&format!("sidehook recover --stop {ID}")), "{said}");

    let output = fake.run(&["recover", "billing", "--yes", "--detach"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let output = fake.run(&["recover", "--stop", ID]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stdout(&output).contains("stopped"), "{}", stdout(&output));
}

/// It survives a restart of sidehook; whoever watches it need not know its id by heart.
#[test]
fn a_restart_of_sidehook_ends_neither_the_recovery_nor_the_look_at_it() {
    let answers = api(false);
    let fake = Fake::start(move |seen, n| match n {
        1 if seen.line.starts_with("GET /v1/recoveries/") => Says::Nothing,
        _ => answers(seen, n),
    });
    let output = fake.run(&["recover", "billing", "--yes"]);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    let told: Value = serde_json::from_slice(&output.stdout).expect("one JSON document");
    assert_eq!(told["status"], "done");
    for part in [&format!("recovery {ID} has begun"), "lost sidehook", "sidehook is back"] {
        assert_eq!(said.matches(part).count(), 1, "{part}: {said}");
    }
    // At the first look there is nothing to go on with.
    let gone = Fake::start(|_, _| Says::Nothing);
    let output = gone.run(&["recover", "--watch", ID]);
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(said.contains("\n  is `sidehook run` up"), "first what happened: {said}");
}
