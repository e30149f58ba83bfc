use super::fake::Fake;
use super::ordinary;
use crate::cli::{output, sidehook, stderr};
use crate::support::receiver::Receiver;
use crate::support::tls::Issued;

#[tokio::test(flavor = "multi_thread")]
async fn https_is_spoken_where_the_certificate_is_trusted() {
    let issued = Issued::self_signed_ca(|_| {});
    let receiver = Receiver::start_tls(issued.server(None)).await;
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("ca.pem"), &issued.chain_pem).expect("written");
    let admin = format!("https://127.0.0.1:{}", receiver.port());
    let run = |arguments: &'static [&'static str]| {
        let mut command = sidehook(folder.path(), arguments);
        command.env("SIDEHOOK_ADMIN", &admin).env("SIDEHOOK_TOKEN", "a-token");
        tokio::task::spawn_blocking(move || command.output().expect("the binary starts"))
    };
    let trusting = run(&["status", "--ca", "ca.pem"]).await.expect("no panic");
    assert!(trusting.status.success(), "{}", stderr(&trusting));
    let received = receiver.received(1).await;
    assert_eq!(received[0].target, "/v1/status");
    assert_eq!(received[0].header("authorization"), "Bearer a-token");

    let wary = run(&["status"]).await.expect("no panic");
    assert_eq!(wary.status.code(), Some(1));
    let said = stderr(&wary);
    assert!(said.contains("not accepted") && said.contains("--ca"), "{said}");
    assert!(!said.contains("Other("), "words, not the library's inside: {said}");
    assert_eq!(receiver.count(), 1, "the token stays here");
    let lost = run(&["status", "--ca", "none.pem"]).await.expect("no panic");
    assert!(stderr(&lost).contains("none.pem"), "{}", stderr(&lost));
}

#[test]
fn a_token_is_in_no_error() {
    let fake = Fake::start(|seen, _| ordinary(seen));
    let folder = tempfile::tempdir().expect("a folder");
    let admin = format!("http://{}", fake.addr);
    for arguments in [
        &["history", "x", "--token", "s3cret-token", "--admin", &admin][..],
        &["status", "--token", "s3cret\ntoken", "--admin", &admin],
        &["status", "--token", "s3cret-token", "--admin", "http://127.0.0.1:1"],
        &["status", "--admin", "http://user:s3cret-token@127.0.0.1:1"],
    ] {
        let output = output(folder.path(), arguments);
        assert!(!output.status.success());
        let said = stderr(&output);
        // What clap was given and refuses, it shows: that is the caller's own line.
        let is_own = said.contains("invalid value");
        assert!(is_own || !said.contains("s3cret"), "{arguments:?}: {said}");
    }
}
