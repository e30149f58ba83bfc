//! `sidehook verify`: 0 where the signature holds, 1 where it does not, 2 for bad usage.

use std::io::Write as _;
use std::process::{Output, Stdio};

use tempfile::TempDir;

use super::{sidehook, stderr, stdout};

/// The Standard Webhooks libraries' own vector, with Svix's ed25519 signature beside it.
const REQUEST: &str = "POST /hook HTTP/1.1\r\n\
    Host: receiver.test\r\n\
    webhook-id: msg_p5jXN8AQM9LWM0D4loKWxJek\r\n\
    webhook-timestamp: 1614265330\r\n\
    webhook-signature: v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE= v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg==\r\n\
    X-Hub-Signature-256: sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17\r\n\
    X-Sig: HMAC dXEH6g6yUJ/CESIczphLijdXC211hsIsRvQ3nIsEPhc=\r\n\
    Authorization: Bearer token\r\n\
    Content-Length: 20\r\n\
    \r\n\
    {\"test\": 2432232314}";
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const PUBLIC_KEY: &str = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=";
const GITHUB_SECRET: &str = "It's a Secret to Everybody";

fn verify(arguments: &[&str], request: &str) -> Output {
    let folder = TempDir::new().expect("a temporary folder");
    let mut child = sidehook(folder.path(), &["verify"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut input = child.stdin.take().expect("a pipe");
    // It may have left without reading: that is what the exit code is for.
    let _ = input.write_all(request.as_bytes());
    drop(input);
    child.wait_with_output().expect("it ends")
}

#[test]
fn what_was_signed_holds_and_what_was_changed_does_not() {
    let github =
        REQUEST.replace("20\r\n", "13\r\n").replace("{\"test\": 2432232314}", "Hello, World!");
    let at = ["--now", "1614265330"];
    let custom =
        ["--scheme", "custom", "--header", "X-Sig", "--prefix", "HMAC ", "--encoding", "base64"];
    let cases: [(&[&str], &str); 6] = [
        (&["--secret", SECRET], REQUEST),
        (&["--secret", SECRET, "--scheme", "standard"], REQUEST),
        (&["--public-key", PUBLIC_KEY, "--scheme", "standard-ed25519"], REQUEST),
        (&["--secret", GITHUB_SECRET, "--scheme", "github"], &github),
        (&["--secret", "Bearer token", "--scheme", "authorization"], REQUEST),
        (&[&["--secret", GITHUB_SECRET], &custom[..]].concat(), &github),
    ];
    for (arguments, request) in cases {
        let arguments = [arguments, &at].concat();
        let done = verify(&arguments, request);
        assert_eq!(done.status.code(), Some(0), "{arguments:?}: {}", stderr(&done));
        assert!(stdout(&done).contains("holds"), "{}", stdout(&done));
        assert_eq!(verify(&arguments, &request.replace("\r\n", "\n")).status.code(), Some(0));

        let is_secret = arguments.contains(&"authorization");
        let changed = match is_secret {
            true => request.replace("token", "Token"),
            false => request.replace("2432232314", "2432232315").replace("World", "world"),
        };
        let done = verify(&arguments, &changed);
        assert_eq!(done.status.code(), Some(1), "{arguments:?}");
        assert!(stderr(&done).contains("not"), "{}", stderr(&done));
        assert_eq!(stdout(&done), "");
    }
}

#[test]
fn an_old_request_is_refused_with_the_way_out() {
    let done = verify(&["--secret", SECRET], REQUEST);
    assert_eq!(done.status.code(), Some(1));
    assert!(stderr(&done).contains("--now"), "{}", stderr(&done));
    let late = |tolerance| {
        let now = ["--now", "1614265930", "--tolerance", tolerance];
        verify(&[&["--secret", SECRET], &now[..]].concat(), REQUEST).status.code()
    };
    assert_eq!((late("5m"), late("599s"), late("10m")), (Some(1), Some(1), Some(0)));
}

#[test]
fn bad_usage_is_2_and_a_bad_request_is_1() {
    for arguments in [
        &[][..],
        &["--secret", ""],
        &["--secret", "whsec_?"],
        &["--secret", SECRET, "--scheme", "nope"],
        &["--secret", SECRET, "--scheme", "standard-ed25519"],
        &["--secret", SECRET, "--scheme", "custom"],
        &["--secret", SECRET, "--header", "x-sig"],
        &["--secret", SECRET, "--scheme", "custom", "--header", "no header"],
        &["--public-key", PUBLIC_KEY],
        &["--secret", SECRET, "--now", "soon"],
    ] {
        let done = verify(arguments, REQUEST);
        assert_eq!(done.status.code(), Some(2), "{arguments:?}: {}", stderr(&done));
    }
    for request in ["", "{}", "POST / HTTP/1.1\r\ncontent-length: 9\r\n\r\n{}"] {
        let done = verify(&["--secret", SECRET], request);
        assert_eq!(done.status.code(), Some(1), "{request}: {}", stderr(&done));
        assert!(stderr(&done).starts_with("error: "), "{}", stderr(&done));
    }
    let missing = verify(&["--secret", SECRET], "POST / HTTP/1.1\r\n\r\n{}");
    assert_eq!(missing.status.code(), Some(1));
    assert!(stderr(&missing).contains("`webhook-id` is missing"), "{}", stderr(&missing));
}
