//! Secrets go in and never come out: distinctive ones in every place that takes one, errors of many
//! kinds provoked, and everything that the program says searched for them in every spelling.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use rustix::process::Signal;
use tempfile::TempDir;

use super::process::{Process, exchange};
use super::{output, stderr, stdout};
use crate::support::receiver::{Answer, Receiver};
use crate::support::upstream::{Act, Upstream, reply};

const TOKEN: &str = "tok-full-Zq8v1n4x7c2m";
const READ_TOKEN: &str = "tok-read-Hb5k9w3e6r0t";
const SHOWN: &str = "shared-Yd2g6j8l1p5s";
const SIGNING: &str = "whsec_bXlzaWduaW5nLUtmNHQ3dTFvM2k5YQ==";
const SIGNING_RAW: &str = "mysigning-Kf4t7u1o3i9a";
const ED25519: &str = "whsk_qWxeFNMGI6IQSxtqHWDbJI2FmamZXx0JwP9SIOPEBgA=";
const BASIC: &str = "basic-Wn3c8v5b2x7z";
const PROXY: &str = "proxy-Qa1s9d4f6g0h";
const HEADER: &str = "header-Pl7o2i5u8y1t";
const HEADER_ENV: &str = "henv-Mm6n3b9v2c4x";
const QUERY: &str = "query-Tr4e1w7q9y2u";
const CLIENT: &str = "client-Vg5h2j8k3l6z";
const FIELD: &str = "field-Xc9v1b4n7m2q";

const ALL: [&str; 13] = [
    TOKEN,
    READ_TOKEN,
    SHOWN,
    SIGNING,
    SIGNING_RAW,
    ED25519,
    BASIC,
    PROXY,
    HEADER,
    HEADER_ENV,
    QUERY,
    CLIENT,
    FIELD,
];

/// Every secret that a text holds, plain or as base64 or hex.
fn found(text: &str) -> Vec<&'static str> {
    let folded = text.to_ascii_lowercase();
    let is_in = |secret: &&'static str| {
        let bytes = secret.trim_start_matches("whsec_").trim_start_matches("whsk_").as_bytes();
        let hex = bytes.iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        });
        let plain = String::from_utf8_lossy(bytes).into_owned();
        // Base64 of a longer text that holds it differs by where it stands: three ways.
        let within = (0..3).map(|shift| {
            let padded = [&b"xxx"[..shift], bytes].concat();
            let text = STANDARD_NO_PAD.encode(&padded);
            let (from, to) = ((shift * 8).div_ceil(6), padded.len() / 3 * 4);
            text[from..to].to_owned()
        });
        let debug = format!("{bytes:?}").trim_matches(['[', ']']).to_owned();
        let spellings = [plain, debug, STANDARD.encode(bytes), URL_SAFE_NO_PAD.encode(bytes)];
        spellings.into_iter().chain(within).any(|spelling| text.contains(&spelling))
            || folded.contains(&hex)
    };
    ALL.iter().copied().filter(is_in).collect()
}

#[test]
fn a_secret_is_found_in_every_spelling() {
    assert_eq!(found("nothing of the kind"), Vec::<&str>::new());
    let hex = BASIC.bytes().fold(String::new(), |hex, byte| format!("{hex}{byte:02X}"));
    for text in [
        format!("...{BASIC}..."),
        STANDARD.encode(BASIC),
        STANDARD.encode(format!("user:{BASIC}")),
        STANDARD.encode(format!("user1:{BASIC}!")),
        STANDARD.encode(format!("user12:{BASIC}")),
        hex,
        format!("{:?}", BASIC.as_bytes()),
    ] {
        assert_eq!(found(&text), [BASIC], "{text}");
    }
}

/// A file with all of them; `more` goes to the end.
fn file(upstream: &Upstream, receiver: &Receiver, more: &str) -> String {
    format!(
        r#"[proxy]
listen = "127.0.0.1:0"
upstream = "http://{upstream}"
[capture]
keep_headers = ["*"]
redact_headers = ["x-own-key"]
redact_fields = ["/request/body/password"]
[delivery]
allow_networks = ["127.0.0.0/8"]
[admin]
listen = "127.0.0.1:0"
token = {{ env = "THE_TOKEN" }}
read_token = {{ file = "read-token" }}
[[event]]
label = "task.created"
method = "POST"
url = '^/tasks'
when = 'request.body.password == "x" or request.body.name.nothing.at.all or true'
[[webhook]]
name = "all"
url = "{hook}"
events = ["*"]
secret = "{SHOWN}"
signing_secret = "{SIGNING}"
ed25519_key = "{ED25519}"
signatures = ["standard", "standard-ed25519", "sha256"]
basic_auth = {{ username = "u", password = {{ file = "basic" }} }}
headers = {{ "X-Api-Key" = "{HEADER}", "X-Auth-Token" = {{ env = "THE_HEADER" }} }}
retry = ["1s", "1s"]
[[webhook]]
name = "unreachable"
url = "http://127.0.0.1:1/"
events = ["*"]
secret = "{SHOWN}"
signatures = ["authorization"]
{more}"#,
        upstream = upstream.addr,
        hook = receiver.url("/hook"),
    )
}

fn variables() -> [(&'static str, &'static str); 3] {
    [("THE_TOKEN", TOKEN), ("THE_HEADER", HEADER_ENV), ("SIDEHOOK_LOG", "trace")]
}

/// Mistakes on the very lines where the secrets are, and in every other place of the file.
fn mistakes() -> Vec<(String, String)> {
    let line = |from: &str, to: &str| (from.to_owned(), to.to_owned());
    vec![
        line(&format!("secret = \"{SHOWN}\""), &format!("secret = \"{SHOWN}\" oops")),
        line("signing_secret = \"", "signing_secrets = \""),
        line("ed25519_key = \"", "ed25519_key = \"\\q"),
        line("ed25519_key = \"whsk_", "ed25519_key = \"whsk_!"),
        line("signing_secret = \"whsec_", "signing_secret = \"whsec_!"),
        line("\"X-Api-Key\" = ", "\"X Api Key\" = "),
        line("headers = {", "headers = { \"Host\" = \"h\","),
        line("format", "format"),
        line("[[webhook]]\nname = \"all\"", "[[webhoook]]\nname = \"all\""),
        line("signatures = [\"standard\",", "signatures = [\"standart\","),
        line("retry = [\"1s\", \"1s\"]", "retry = \"soon\""),
        line("{ env = \"THE_TOKEN\" }", &format!("\"{TOKEN} with a space\"")),
        line("{ file = \"read-token\" }", &format!("\"{TOKEN}\"")),
        line("{ env = \"THE_TOKEN\" }", &format!("[\"{TOKEN}\"]")),
        line("{ file = \"basic\" }", &format!("{{ text = \"{BASIC}\" }}")),
        line("{ file = \"basic\" }", &format!("\"{BASIC}")),
        line("[admin]", &format!("egress_proxy = \"ftp://u:{PROXY}@127.0.0.1:1\"\n[admin]")),
        line("[admin]", &format!("egress_proxi = \"http://u:{PROXY}@127.0.0.1:1\"\n[admin]")),
        line("url = \"http://127.0.0.1:1/\"", &format!("url = \"http://u:{BASIC}@127.0.0.1:1/\"")),
        line("url = \"http://127.0.0.1:1/\"", &format!("url = \"http//u:{BASIC}@127.0.0.1:1/\"")),
    ]
}

fn write(folder: &Path, text: &str) {
    fs::write(folder.join("sidehook.toml"), text).expect("writable");
    fs::write(folder.join("read-token"), format!("{READ_TOKEN}\n")).expect("writable");
    fs::write(folder.join("basic"), format!("{BASIC}\n")).expect("writable");
}

fn assert_kept(what: &str, said: &str) {
    assert_eq!(found(said), Vec::<&str>::new(), "{what} shows them:\n{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_file_is_said_without_its_secrets() {
    let upstream = Upstream::always(vec![Act::Send(reply("201 Created", "{}"))]).await;
    let receiver = Receiver::start().await;
    let good = file(&upstream, &receiver, "");
    tokio::task::spawn_blocking(move || {
        let folder = TempDir::new().expect("a temporary folder");
        let environment = Some(()).map(|()| variables());
        let check = |flags: &[&str]| {
            let mut command = super::sidehook(folder.path(), &["check"]);
            command.args(flags).envs(environment.into_iter().flatten());
            let done = command.output().expect("the binary starts");
            (done.status.code(), format!("{}{}", stdout(&done), stderr(&done)))
        };
        write(folder.path(), &good);
        let (code, said) = check(&["--print"]);
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("signing_secret = \"***\""), "{said}");
        assert_kept("check --print", &said);
        for (from, to) in mistakes().into_iter().filter(|(from, to)| from != to) {
            let text = good.replacen(&from, &to, 1);
            assert_ne!(text, good, "{from}");
            write(folder.path(), &text);
            for flags in [&[][..], &["--print"]] {
                let (code, said) = check(flags);
                assert_eq!(code, Some(2), "{to}: {said}");
                assert_kept(&to, &said);
            }
        }
    })
    .await
    .expect("no panic");
}

fn ask(process: &Process, token: &str, request: &str, body: &str) -> String {
    let head = format!(
        "{request} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nauthorization: Bearer {token}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    exchange(&process.admin, head)
}

/// Ids of this form in an answer.
fn ids(answer: &str, key: &str) -> Vec<String> {
    let begin = format!("\"{key}\":\"");
    answer
        .split(&begin)
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .map(str::to_owned)
        .collect()
}

/// Everything that can be asked, rightly and wrongly; all answers.
fn ask_all(process: &Process) -> String {
    let mut said = String::new();
    let get = |path: &str| ask(process, TOKEN, &format!("GET {path}"), "");
    let mut paths: Vec<String> = [
        "/metrics",
        "/v1/status",
        "/v1/events",
        "/v1/deliveries",
        "/v1/webhooks",
        "/v1/rules",
        "/v1/config",
        "/v1/openapi.json",
        "/v1/nothing",
        "/readyz",
        "/",
    ]
    .map(str::to_owned)
    .to_vec();
    let webhooks = ids(&get("/v1/webhooks"), "id");
    assert_eq!(webhooks.len(), 2);
    for id in &webhooks {
        paths.push(format!("/v1/webhooks/{id}"));
        paths.push(format!("/v1/webhooks/{id}/deliveries"));
    }
    let (events, deliveries) = (ids(&get("/v1/events"), "id"), ids(&get("/v1/deliveries"), "id"));
    assert!(!events.is_empty() && deliveries.len() >= 2, "{}", get("/v1/deliveries"));
    for id in events.iter().take(3) {
        paths.extend([format!("/v1/events/{id}"), format!("/v1/history/{id}")]);
    }
    for id in deliveries.iter().take(4) {
        paths.extend([format!("/v1/deliveries/{id}"), format!("/v1/deliveries/{id}/payload")]);
    }
    for path in &paths {
        said.push_str(&get(path));
        said.push_str(&get(&format!("{path}?token={TOKEN}&limit=0")));
        said.push_str(&ask(process, READ_TOKEN, &format!("POST {path}"), "{}"));
        said.push_str(&ask(process, READ_TOKEN, &format!("GET {path}"), ""));
        said.push_str(&exchange(
            &process.admin,
            format!(
                "GET {path}?token={TOKEN} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
            ),
        ));
    }
    let hook = &webhooks[0];
    for (request, body) in [
        ("POST /v1/webhooks".to_owned(), format!(r#"{{"url":"no url","secret":"{SHOWN}"}}"#)),
        ("POST /v1/webhooks".to_owned(), format!(r#"{{"signing_secret":["{SIGNING_RAW}"]}}"#)),
        ("POST /v1/webhooks".to_owned(), format!(r#"{{"url":"https://u:{BASIC}@example.com"}}"#)),
        ("POST /v1/webhooks".to_owned(), format!(r#"{{"secret":"{SHOWN}" oops"#)),
        (
            "POST /v1/webhooks".to_owned(),
            format!(
                r#"{{"url":"https://example.com","headers":{{"Host":"{HEADER}"}},"sekret":"{SHOWN}"}}"#
            ),
        ),
        (format!("PATCH /v1/webhooks/{hook}"), format!(r#"{{"secret":"{SHOWN}"}}"#)),
        (format!("POST /v1/webhooks/{hook}/rotate-secret"), "{}".to_owned()),
        (format!("POST /v1/webhooks/{hook}/test"), "{}".to_owned()),
        (format!("DELETE /v1/webhooks/{hook}"), String::new()),
        ("POST /v1/reload".to_owned(), "{}".to_owned()),
    ] {
        said.push_str(&ask(process, TOKEN, &request, &body));
    }
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_says_no_secret_even_at_trace_and_in_trouble() {
    let upstream = Upstream::always(vec![Act::Send(reply("201 Created", r#"{"id":1}"#))]).await;
    let receiver = Receiver::start().await;
    receiver.script([Answer::Status(500), Answer::Status(410)]);
    let good = file(&upstream, &receiver, "");
    let bad = good.replacen("signing_secret = \"whsec_", "signing_secret = \"whsec_!", 1);
    let proxied = good.replacen(
        "[admin]",
        &format!("egress_proxy = \"http://u:{PROXY}@127.0.0.1:1\"\n[admin]"),
        1,
    );
    tokio::task::spawn_blocking(move || {
        let folder = TempDir::new().expect("a temporary folder");
        for (n, text) in [good, proxied].into_iter().enumerate() {
            write(folder.path(), &text);
            let process = Process::start(folder.path(), &variables());
            for _ in 0..2 {
                let body = format!(r#"{{"password":"{FIELD}","name":"n"}}"#);
                let answer = exchange(
                    &process.proxy,
                    format!(
                        "POST /tasks?access_token={QUERY} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
                         authorization: Bearer {CLIENT}\r\ncookie: session={CLIENT}\r\nx-own-key: {CLIENT}\r\n\
                         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                        body.len()
                    ),
                );
                assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
            }
            process.until("attempts", |log| log.matches("attempt failed").count() >= 2);
            write(folder.path(), &bad);
            process.signal(Signal::HUP);
            let answers = ask_all(&process);
            assert_kept(&format!("run {n}: an answer"), &answers);
            process.until("the reloads", |log| log.matches("signing_secret").count() >= 2);
            let log = process.stop();
            assert!(log.contains("TRACE") && log.contains("sidehook::access"), "{log}");
            assert_kept(&format!("run {n}: the log"), &log);
        }
        // A start that fails says what it fails at.
        let done = output(folder.path(), &["run"]);
        assert_eq!(done.status.code(), Some(2));
        assert_kept("a start", &format!("{}{}", stdout(&done), stderr(&done)));
    })
    .await
    .expect("no panic");
}
