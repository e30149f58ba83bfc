//! What passes as it is, both ways (U1, U2, H6, H7, H8, H9).

use super::report::Report;
use super::stand::{Front, Stand};
use super::strict::{self, Message};
use super::talk::Talk;
use crate::support::upstream::{Act, Upstream};

const TARGETS: &[&[u8]] = &[
    b"/",
    b"/?",
    b"/??",
    b"/?a=b&c",
    b"/?a=b&a=c&&",
    b"//a//b",
    b"///",
    b"/a/../b/./c",
    b"/..",
    b"/../../etc/passwd",
    b"/./",
    b"/a/.",
    b"/%2F%2f%7e",
    b"/%2e%2e/%2E",
    b"/a%2Fb",
    b"/%00",
    b"/%",
    b"/%z",
    b"/%zz",
    b"/%e9%ff",
    b"/a;b=c?d;e",
    b"/;",
    b"/a?b?c",
    b"/a|b",
    b"/{x}",
    b"/a\"b",
    b"/[x]^",
    b"/?\"`^",
    b"/?x=[1]|{2}",
    b"/a\\b",
    b"/\\..\\",
    b"/UPPER/lower",
    b"/?%20+",
    b"/a+b%20c",
    b"/~user/_-.!$&'()*+,;=:@",
    b"/?q=a:b@c/d?e",
    b"/\xc3\xa9?\xc3\xa9",
    b"/http://x/",
    b"/@x",
    b"/:80",
    b"/*",
    b"/a,b",
];

/// What the upstream gets of a target; what is wrong with it.
async fn passed(stand: &Stand, client: &mut Talk, target: &[u8]) -> Vec<String> {
    let mark = stand.recorder.mark();
    client.send(&[b"GET ", target, b" HTTP/1.1\r\nHost: a\r\n\r\n"].concat()).await;
    match client.response(false).await {
        Ok(got) if got.status() == 200 => {}
        Ok(got) => return vec![format!("answered {}", strict::text(&got.start))],
        Err(error) => return vec![error],
    }
    let seen = stand.recorder.since(mark);
    let expected = [b"GET ", target, b" HTTP/1.1"].concat();
    match seen.as_slice() {
        [(_, one)] if one.message.start == expected => Vec::new(),
        other => other.iter().map(|(_, r)| strict::shown(&r.message.start)).collect(),
    }
}

#[tokio::test]
async fn u1_u2_targets_pass_byte_for_byte() {
    let stand = Stand::new().await;
    stand.recorder.keeps(true);
    let mut report = Report::new("U1 U2");
    // What delimits a URI in text, and a fragment, are refused (P18).
    let single = (0x21..=0x7e).filter(|byte| !b"#<>".contains(byte));
    let single = single.flat_map(|byte| [vec![b'/', byte], vec![b'/', b'?', byte]]);
    let single = single.filter(|target| target != b"/`");
    let all = TARGETS.iter().map(|target| target.to_vec()).chain(single);
    let mut client = Talk::to(stand.front.addr()).await;
    for target in all {
        let findings = passed(&stand, &mut client, &target).await;
        let id = if target.is_ascii() { "U1" } else { "U2" };
        if !findings.is_empty() {
            client = Talk::to(stand.front.addr()).await;
        }
        report.row(id, strict::shown(&target).replace('|', "\\x7c"), findings);
    }
    report.finish();
}

/// Lines as they are written, with names in their own case, in their own order.
const LINES: &[&[u8]] = &[
    b"X-OrGaNiZaTiOn: a",
    b"x-lower: 1",
    b"X-UPPER: 2",
    b"Set-Cookie: a=1; Path=/",
    b"X-Between: x",
    b"Set-Cookie: b=2",
    b"set-cookie: c=3",
    b"X-Twice: 1",
    b"x-Twice: 2",
    b"X-Twice: 1",
    b"X-Empty: ",
    b"X-Empty: ",
    b"X-Latin: caf\xe9 \xff\x80",
    b"X-Utf: caf\xc3\xa9",
    b"X-List: a, b,,c ,",
    b"X-Inner: a  b\tc",
    b"X-Quoted: \"a, \\\" b\"",
    b"Unknown-Field_1.2: a",
    b"!#$%&'*+-.^_`|~0: token",
    b"Cache-Control: no-cache",
    b"cache-control: max-age=0",
    b"Server: own/1",
    b"User-Agent: own/2",
    b"Warning: 199 a \"b\"",
    b"Accept-Encoding: gzip;q=0",
    b"Content-Type: text/plain;charset=X",
    b"WWW-Authenticate: Basic realm=\"a\"",
    b"www-authenticate: Bearer",
    b"Vary: *",
    b"Age: 0",
    b"Authorization: Basic eDp5",
    b"Cookie: a=1; b=2",
    b"Cookie: c=3",
    b"Range: bytes=0-4",
    b"If-Match: \"x\"",
    b"Priority: u=1, i",
    b"Sec-Fetch-Mode: cors",
    b"Content-MD5: x",
    b"Pragma: x",
];

#[tokio::test]
async fn h6_h7_h8_h9_heads_pass_both_ways() {
    let mut report = Report::new("H6-H9");
    let stand = Stand::new().await;
    let lines = LINES.join(&b"\r\n"[..]);
    let mut client = Talk::to(stand.front.addr()).await;
    let mark = stand.recorder.mark();
    client.send(&[b"GET / HTTP/1.1\r\nHost: A.b:1\r\n", &lines[..], b"\r\n\r\n"].concat()).await;
    let mut findings: Vec<String> = client.response(false).await.err().into_iter().collect();
    let seen = stand.recorder.since(mark);
    let expected: Vec<Vec<u8>> = std::iter::once(&b"Host: A.b:1"[..])
        .chain(LINES.iter().copied())
        .map(<[u8]>::to_vec)
        .collect();
    match seen.as_slice() {
        [(_, one)] => findings.extend(differences(&expected, &one.message, &ADDED)),
        other => findings.push(format!("{} requests", other.len())),
    }
    report.row("H6 H7 H8", "a request's fields: all, in order and case, nothing added", findings);

    for (id, start, date) in [
        ("H6 H7 H8 H9", &b"HTTP/1.1 200 Fine by me"[..], true),
        ("H8", b"HTTP/1.1 200 OK", false),
        ("H9", b"HTTP/1.1 404 caf\xe9", true),
        ("H9", b"HTTP/1.1 200 ", true),
        ("H9", b"HTTP/1.1 418 I'm a  teapot", true),
    ] {
        let mut fields: Vec<Vec<u8>> = LINES.iter().map(|line| line.to_vec()).collect();
        if date {
            fields.insert(3, b"dAtE: Thu, 01 Jan 1970 00:00:00 GMT".to_vec());
        }
        let response =
            [start, b"\r\n", &fields.join(&b"\r\n"[..]), b"\r\nContent-Length: 2\r\n\r\nhi"]
                .concat();
        let upstream = Upstream::always(vec![Act::Send(response)]).await;
        let front = Front::before(upstream.addr, |_| {});
        let mut client = Talk::to(front.addr()).await;
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let findings = match client.response(false).await {
            Ok(got) => {
                let added: &[&str] = if date { &[] } else { &["date"] };
                let mut findings = differences(&fields, &got, added);
                if got.start != start {
                    findings.push(strict::shown(&got.start));
                }
                findings
            }
            Err(error) => vec![error],
        };
        let what = format!("a response's fields, its reason; Date of its own: {date}");
        report.row(id, format!("{what}: {}", strict::shown(start)), findings);
    }
    report.finish();
}

/// What a proxy adds to a request.
const ADDED: [&str; 4] = ["via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"];

/// How what passed differs from what was sent, but for these fields, once each.
fn differences(expected: &[Vec<u8>], got: &Message, added: &[&str]) -> Vec<String> {
    let mut findings = Vec::new();
    for name in added {
        if got.values(name).len() != 1 {
            findings.push(format!("{name} {:?}", got.values(name)));
        }
    }
    let is_added = |name: &[u8]| {
        added.iter().chain(&["content-length"]).any(|a| name.eq_ignore_ascii_case(a.as_bytes()))
    };
    let passed = got.fields.iter().filter(|(name, _)| !is_added(name));
    let passed: Vec<Vec<u8>> = passed.map(|(n, v)| [n, &b": "[..], v].concat()).collect();
    for i in 0..expected.len().max(passed.len()) {
        let (was, is) = (expected.get(i), passed.get(i));
        if was != is {
            let shown = |line: Option<&Vec<u8>>| line.map(|line| strict::shown(line));
            findings.push(format!("line {i}: {:?} is {:?}", shown(was), shown(is)));
            break;
        }
    }
    findings
}
