//! `--config FILE`: the file says where sidehook is asked, and with which token.

use std::fs;
use std::process::Output;

use tempfile::TempDir;

use super::fake::{Fake, Says};
use super::{nothing, ordinary};
use crate::cli::{output, sidehook, stderr};
use crate::support::receiver::Receiver;
use crate::support::tls::Issued;

/// Mistakes and secrets that are not the asker's business.
const REST: &str = "[proxy]\nupstrem = \"x\"\ntls = { cert = \"none\", key = \"none\" }\n\
    [[event]]\nlabel = \"not a label\"\n\
    [[webhook]]\nname = \"w\"\nurl = \"https://example.com/\"\nevents = [\"*\"]\n\
    secret = { env = \"NOBODY_SET_THIS\" }\nsigning_secret = { file = \"none\" }\n";

/// `etc/sidehook.toml` with these lines of `[admin]`, and a store in `lib/data` with a token.
fn machine(listen: &str, admin: &str) -> TempDir {
    let folder = TempDir::new().expect("a folder");
    for path in ["etc", "lib/data", "other"] {
        fs::create_dir_all(folder.path().join(path)).expect("made");
    }
    let file =
        format!("[store]\npath = \"../lib/data\"\n[admin]\nlisten = \"{listen}\"\n{admin}\n{REST}");
    fs::write(folder.path().join("etc/sidehook.toml"), file).expect("written");
    fs::write(folder.path().join("lib/data/admin-token"), "the-kept-token\n").expect("written");
    folder
}

/// Answers whoever has this token.
fn door(token: &'static str) -> Fake {
    Fake::start(move |seen, _| {
        let wanted = format!("Bearer {token}");
        match seen.headers.iter().any(|header| header.ends_with(&wanted)) {
            true => ordinary(seen),
            false => Says::Json(401, serde_json::json!({"code": "unauthorized"})),
        }
    })
}

fn status(folder: &TempDir, arguments: &[&str]) -> Output {
    output(folder.path(), &[&["status", "--config", "etc/sidehook.toml"], arguments].concat())
}

#[test]
fn the_file_names_the_address_and_the_store_with_the_token() {
    let fake = door("the-kept-token");
    let folder = machine(&fake.addr.to_string(), "");
    for arguments in [&[][..], &["--data", "lib/data"], &["--data", "lib/../lib/data/"]] {
        let done = status(&folder, arguments);
        assert!(done.status.success(), "{arguments:?}: {}", stderr(&done));
    }
    // An address for all of the machine is reached at its own.
    let anywhere = machine(&format!("0.0.0.0:{}", fake.addr.port()), "");
    assert!(status(&anywhere, &[]).status.success(), "{}", stderr(&status(&anywhere, &[])));
    // Who runs it with variables over the file asks with the same ones.
    fs::rename(folder.path().join("lib/data/admin-token"), folder.path().join("other/admin-token"))
        .expect("moved");
    let mut command = sidehook(folder.path(), &["status", "--config", "etc/sidehook.toml"]);
    let done = command.env("SIDEHOOK_STORE_PATH", "../other").output().expect("it starts");
    assert!(done.status.success(), "{}", stderr(&done));
}

#[test]
fn what_is_named_comes_before_what_the_file_says() {
    let fake = door("another-token");
    let folder = machine("127.0.0.1:1", "token = \"a-token-of-the-file\"");
    let admin = format!("http://{}", fake.addr);
    let done = status(&folder, &["--admin", &admin, "--token", "another-token"]);
    assert!(done.status.success(), "{}", stderr(&done));
}

#[test]
fn a_configured_token_is_taken_where_it_can_be_had_and_named_where_not() {
    let fake = door("the-configured-token");
    let addr = fake.addr.to_string();
    for (token, variable, missing) in [
        ("token = \"the-configured-token\"", None, None),
        ("token = { env = \"TOKEN_OF_X\" }", Some("the-configured-token"), None),
        ("token = { env = \"TOKEN_OF_X\" }", None, Some("`TOKEN_OF_X` is not set")),
        ("token = { file = \"none/token\" }", None, Some("none/token")),
    ] {
        let folder = machine(&addr, token);
        let mut command = sidehook(folder.path(), &["status", "--config", "etc/sidehook.toml"]);
        command.envs(variable.map(|value| ("TOKEN_OF_X", value)));
        let done = command.output().expect("it starts");
        let said = stderr(&done);
        assert_eq!(done.status.success(), missing.is_none(), "{token}: {said}");
        let missing = missing.unwrap_or_default();
        assert!(said.contains(missing) && !said.contains("configured-token"), "{token}: {said}");
    }
    // Whoever needs no token is not asked for one.
    let well = Fake::start(|seen, _| match seen.line.starts_with("GET /readyz") {
        true => Says::Json(200, serde_json::json!({"status": "ready", "reasons": []})),
        false => nothing(),
    });
    let folder = machine(&well.addr.to_string(), "token = { env = \"TOKEN_OF_X\" }");
    let done = output(folder.path(), &["health", "--config", "etc/sidehook.toml"]);
    assert!(done.status.success(), "{}", stderr(&done));
}

#[test]
fn a_kept_token_that_cannot_be_read_is_not_said_to_be_missing() {
    let fake = door("the-kept-token");
    let folder = machine(&fake.addr.to_string(), "");
    let token = folder.path().join("lib/data/admin-token");
    for (make, said) in [("nothing", "there is none in"), ("a folder", "cannot be read")] {
        match make {
            "nothing" => fs::remove_file(&token).expect("removed"),
            _ => fs::create_dir(&token).expect("made"),
        }
        let done = status(&folder, &[]);
        assert_eq!(done.status.code(), Some(1));
        assert!(stderr(&done).contains(said), "{make}: {}", stderr(&done));
        assert!(stderr(&done).contains("lib/data/admin-token"), "{make}: {}", stderr(&done));
    }
}

#[test]
fn a_file_that_does_not_say_it_is_a_mistake_of_the_caller() {
    let folder = machine("127.0.0.1:1", "");
    let refused = |arguments: &[&str], parts: &[&str]| {
        let done = output(folder.path(), arguments);
        let said = stderr(&done);
        assert_eq!(done.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(parts.iter().all(|part| said.contains(part)), "{arguments:?}: {said}");
        assert!(!said.contains("hidden"), "{said}");
    };
    let both = ["status", "--config", "etc/sidehook.toml", "--data", "other"];
    refused(&both, &["two stores", "lib/data", "other"]);
    refused(&["status", "--config", "none.toml"], &["none.toml", "SIDEHOOK_TOKEN"]);
    fs::write(folder.path().join("torn.toml"), "[admin]\ntoken = \"hidden\n").expect("written");
    refused(&["status", "--config", "torn.toml"], &["torn.toml:2", "not TOML", "--data"]);
    let bad = "[admin]\nlisten = \"localhost\"\n[[event]]\nlabel = 1\n";
    fs::write(folder.path().join("bad.toml"), bad).expect("written");
    refused(&["events", "--config", "bad.toml"], &["bad.toml:2", "address to listen on"]);
    assert!(!stderr(&output(folder.path(), &["events", "--config", "bad.toml"])).contains(":4"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_api_with_tls_is_asked_over_tls() {
    let issued = Issued::self_signed_ca(|_| {});
    let receiver = Receiver::start_tls(issued.server(None)).await;
    // The certificate's key is sidehook's own: whoever asks cannot read it.
    let tls = "tls = { cert = \"tls.crt\", key = \"none/tls.key\" }";
    let folder = machine(&format!("127.0.0.1:{}", receiver.port()), tls);
    fs::write(folder.path().join("ca.pem"), &issued.chain_pem).expect("written");
    let run = move || status(&folder, &["--ca", "ca.pem"]);
    let done = tokio::task::spawn_blocking(run).await.expect("no panic");
    assert!(done.status.success(), "{}", stderr(&done));
    let received = receiver.received(1).await;
    assert_eq!(received[0].header("authorization"), "Bearer the-kept-token");
}
