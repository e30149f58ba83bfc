//! A table of requests: each row runs alone, in front of a canary in the same packet, and between
//! the calls of another client over the upstream connection that they share.

use super::recorder::{Mark, Recorded};
use super::report::Report;
use super::stand::Stand;
use super::strict::{self, Framing, Message, text};
use super::talk::{Talk, holds};

/// One line of a checklist.
#[derive(Clone)]
pub(super) struct Row {
    pub(super) id: &'static str,
    /// Written in one go.
    pub(super) input: Vec<u8>,
    /// Of each request that is in it; after one that closes there is none.
    pub(super) want: Vec<Want>,
}

/// What has to come of a request.
#[derive(Clone)]
pub(super) enum Want {
    /// An answer with one of these statuses, the connection closed, no byte to the upstream.
    Refused(&'static [u16]),
    /// The same, but the mistake is in the body: the upstream may have seen the beginning of a
    /// request, and must see it broken off.
    Broken(&'static [u16]),
    /// Exactly this at the upstream, and its answer back.
    Forwarded(Box<Request>),
}

/// What the upstream has to get, besides what a proxy adds.
#[derive(Clone)]
pub(super) struct Request {
    pub(super) line: Vec<u8>,
    /// End-to-end fields in their order and case.
    pub(super) fields: Vec<Vec<u8>>,
    /// `connection`, `upgrade`, `te`, `expect`, in lower case; with `?`: may be there.
    pub(super) hop: Vec<String>,
    pub(super) framing: Framing,
    pub(super) body: Vec<u8>,
    pub(super) trailers: Vec<Vec<u8>>,
    /// The client's connection has to be closed after it.
    pub(super) closes: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Alone,
    Piped,
    Shared,
    /// Alone, each byte in a packet of its own.
    Bytewise,
}

const BYTEWISE_MAX: usize = 1000;
const CANARY: &str = "GET /canary HTTP/1.1\r\nHost: canary\r\n\r\n";
const HOP: [&str; 4] = ["connection", "upgrade", "te", "expect"];
const ADDED: [&str; 4] = ["via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"];

/// Runs all rows, every way, then holds the events to what the upstream got.
pub(super) async fn run(table: &'static str, rows: Vec<Row>) {
    let stand = Stand::new().await;
    let mut report = Report::new(table);
    let mut owners = Vec::new();
    for row in &rows {
        let from = stand.recorder.mark();
        let mut findings: Vec<(String, Vec<Way>)> = Vec::new();
        for way in [Way::Alone, Way::Piped, Way::Shared, Way::Bytewise] {
            for text in run_one(&stand, row, way).await {
                match findings.iter_mut().find(|(known, _)| *known == text) {
                    Some((_, ways)) => ways.push(way),
                    None => findings.push((text, vec![way])),
                }
            }
        }
        let findings = findings.into_iter().map(|(text, ways)| format!("{ways:?}: {text}"));
        let findings = findings.collect();
        let what = strict::shown(&row.input).replace('|', "\\x7c");
        let n = report.row(row.id, what, findings);
        owners.resize(owners.len() + stand.recorder.since(from).len(), n);
    }
    for (n, finding) in events_against(&stand) {
        report.also(owners.get(n).copied().unwrap_or(0), finding);
    }
    report.finish();
}

async fn run_one(stand: &Stand, row: &Row, way: Way) -> Vec<String> {
    if way == Way::Bytewise && row.input.len() > BYTEWISE_MAX {
        return Vec::new();
    }
    stand.recorder.keeps(way == Way::Shared);
    let mut findings = Vec::new();
    let mut other = Talk::to(stand.front.addr()).await;
    let mut shared = None;
    if way == Way::Shared {
        match neighbour(stand, &mut other, "/before").await {
            Ok(connection) => shared = Some(connection),
            Err(finding) => findings.push(finding),
        }
    }
    let mark = stand.recorder.mark();
    let (mut input, mut want) = (row.input.clone(), row.want.clone());
    if way == Way::Piped {
        input.extend_from_slice(CANARY.as_bytes());
        if want.iter().all(Want::goes_on) {
            want.push(Want::Forwarded(Box::new(Request::new("GET /canary", "Host: canary"))));
        }
    }
    let mut client = Talk::to(stand.front.addr()).await;
    match way {
        Way::Bytewise => client.send_bytewise(&input).await,
        _ => client.send(&input).await,
    }
    let answers = answers(&mut client, &want, &mut findings).await;
    // The proxy has one thread: when it has carried out this call, what the row made it write to
    // the upstream is written.
    if way != Way::Shared {
        stand.recorder.keeps(false);
    }
    findings.extend(neighbour(stand, &mut other, "/after").await.err());
    if want.iter().all(Want::goes_on) {
        let more = client.more();
        if !more.is_empty() || client.end.is_some() {
            let end = client.end;
            findings.push(format!("after the answers: {} {end:?}", strict::shown(&more)));
        }
    }
    at_the_upstream(stand, mark, &want, &answers, &mut findings).await;
    let first = stand.recorder.since(mark).first().map(|(_, first)| first.connection);
    if shared.is_some() && matches!(want[0], Want::Forwarded(_)) && first != shared {
        findings.push("the pooled connection was not shared".into());
    }
    findings
}

/// Another client's call, which has to be as if it were alone.
async fn neighbour(stand: &Stand, other: &mut Talk, path: &str) -> Result<usize, String> {
    let mark = stand.recorder.mark();
    let target = format!("/neighbour{path}");
    other
        .send(
            format!("POST {target} HTTP/1.1\r\nHost: b\r\nContent-Length: 2\r\n\r\nhi").as_bytes(),
        )
        .await;
    let answer = other.response(false).await.map_err(|error| format!("{target}: {error}"))?;
    let seen = stand.recorder.since(mark);
    let own = seen
        .iter()
        .find(|(_, r)| r.message.start.starts_with(format!("POST {target} ").as_bytes()));
    match own {
        Some((n, r))
            if answer.body == format!("answer {n}").as_bytes() && r.message.body == b"hi" =>
        {
            Ok(r.connection)
        }
        _ => Err(format!("{target} was answered {} {}", text(&answer.start), text(&answer.body))),
    }
}

/// Reads an answer for each request; the connection's end where it has to end.
async fn answers(client: &mut Talk, want: &[Want], findings: &mut Vec<String>) -> Vec<Message> {
    let mut answers = Vec::new();
    for want in want {
        let to_head = matches!(want, Want::Forwarded(r) if r.line.starts_with(b"HEAD "));
        match client.response(to_head).await {
            Ok(answer) => answers.push(answer),
            Err(error) => {
                findings.push(error);
                return answers;
            }
        }
        let answer = answers.last().expect("pushed");
        if let Want::Refused(statuses) | Want::Broken(statuses) = want {
            findings.extend(problem(answer, statuses));
        }
        if !want.goes_on() {
            match client.ended().await {
                Ok(rest) if rest.is_empty() => {}
                Ok(rest) => findings.push(format!("answered more: {}", strict::shown(&rest))),
                Err(error) => findings.push(format!("after {}: {error}", text(&answer.start))),
            }
        }
    }
    answers
}

/// What is wrong with an answer of the proxy's own (contract 5).
fn problem(answer: &Message, statuses: &[u16]) -> Option<String> {
    let status = answer.status();
    if !statuses.contains(&status) {
        return Some(format!("answered {} instead of {statuses:?}", text(&answer.start)));
    }
    let is_own = answer.values("content-type") == ["application/problem+json"]
        && answer.values("proxy-status").iter().all(|s| s.starts_with("sidehook; error="))
        && answer.values("proxy-status").len() == 1
        && answer.values("connection") == ["close"];
    (!is_own).then(|| {
        let fields = answer.fields.iter().map(|(name, value)| joined(name, value));
        format!("a {status} without its fields: {}", listed(&fields.collect::<Vec<_>>()))
    })
}

/// Holds what the upstream got to what it had to get.
async fn at_the_upstream(
    stand: &Stand,
    mark: Mark,
    want: &[Want],
    answers: &[Message],
    findings: &mut Vec<String>,
) {
    if want.iter().any(|want| matches!(want, Want::Broken(_))) {
        let is_over = || stand.recorder.partials().iter().all(|(_, closed)| *closed);
        if !holds(is_over).await {
            findings.push("a broken request is left open at the upstream".into());
        }
    } else {
        let partials = stand.recorder.partials();
        findings.extend(
            partials.iter().map(|(raw, _)| {
                format!("part of a request at the upstream: {}", strict::shown(raw))
            }),
        );
    }
    stand.recorder.forget_partials();
    findings.extend(stand.recorder.wrong_since(mark));
    let mut seen = stand.recorder.since(mark);
    seen.retain(|(_, r)| !r.message.start.starts_with(b"POST /neighbour/"));
    if seen.len() > answers.len() {
        findings.push(format!(
            "{} requests at the upstream, {} answers",
            seen.len(),
            answers.len()
        ));
    }
    let expected: Vec<_> = want
        .iter()
        .zip(answers.iter().map(Some).chain(std::iter::repeat(None)))
        .filter_map(|(want, answer)| match want {
            Want::Forwarded(request) => Some((request, answer)),
            _ => None,
        })
        .collect();
    for (_, recorded) in seen.iter().skip(expected.len()) {
        findings.push(format!("a request too many: {}", recorded.shown()));
    }
    for (i, (request, answer)) in expected.into_iter().enumerate() {
        let Some((n, recorded)) = seen.get(i) else {
            findings.push(format!("not forwarded: {}", text(&request.line)));
            continue;
        };
        findings.extend(request.against(&recorded.message));
        let body =
            if request.line.starts_with(b"HEAD ") { String::new() } else { format!("answer {n}") };
        if answer.is_some_and(|answer| answer.status() != 200 || answer.body != body.as_bytes()) {
            let answer = answer.expect("some");
            findings.push(format!("answered {} {}", text(&answer.start), text(&answer.body)));
        }
    }
}

/// Each event is of one request that the upstream got, and tells it as it got it.
fn events_against(stand: &Stand) -> Vec<(usize, String)> {
    let requests = stand.recorder.all();
    let mut wrong = Vec::new();
    let mut told = vec![0; requests.len()];
    for event in stand.front.events() {
        let exchange = &event.exchange;
        let number =
            exchange.response.headers.get("x-answer").and_then(|n| text(n).parse::<usize>().ok());
        let Some((n, recorded)) = number.and_then(|n| Some((n, requests.get(n)?))) else {
            wrong.push((
                0,
                format!(
                    "an event of no request: {} {}",
                    exchange.request.method, exchange.request.url
                ),
            ));
            continue;
        };
        told[n] += 1;
        let line = String::from_utf8_lossy(&recorded.message.start);
        let own = format!("{} {} HTTP/1.1", exchange.request.method, exchange.request.url);
        if own != line || exchange.request.body.bytes != recorded.message.body {
            let body = strict::shown(&exchange.request.body.bytes);
            wrong.push((n, format!("the event tells {own} {body} of {}", recorded.shown())));
        }
    }
    let not_once = told.iter().enumerate().filter(|&(_, &times)| times != 1);
    wrong.extend(
        not_once.map(|(n, times)| (n, format!("{times} events of {}", requests[n].shown()))),
    );
    wrong
}

impl Want {
    /// The connection goes on after it.
    fn goes_on(&self) -> bool {
        matches!(self, Self::Forwarded(request) if !request.closes)
    }
}

impl Recorded {
    fn shown(&self) -> String {
        format!("{} {}", text(&self.message.start), strict::shown(&self.message.body))
    }
}

impl Request {
    /// A request without a body, with these fields (separated by `\n`).
    pub(super) fn new(line: impl AsRef<[u8]>, fields: impl AsRef<[u8]>) -> Self {
        let line = [line.as_ref(), b" HTTP/1.1"].concat();
        let fields = fields.as_ref().split(|&b| b == b'\n').map(<[u8]>::to_vec);
        let fields = fields.filter(|field| !field.is_empty()).collect();
        let (hop, body, trailers) = (Vec::new(), Vec::new(), Vec::new());
        Self { line, fields, hop, framing: Framing::None, body, trailers, closes: false }
    }

    /// What is different.
    fn against(&self, got: &Message) -> Vec<String> {
        let mut wrong = Vec::new();
        if got.start != self.line {
            wrong.push(format!(
                "request line {} is {}",
                strict::shown(&self.line),
                strict::shown(&got.start)
            ));
        }
        let is_one =
            |name: &[u8], of: &[&str]| of.iter().any(|n| name.eq_ignore_ascii_case(n.as_bytes()));
        let framing = ["content-length", "transfer-encoding"];
        let passed = got
            .fields
            .iter()
            .filter(|(n, _)| !is_one(n, &HOP) && !is_one(n, &ADDED) && !is_one(n, &framing));
        let passed = passed.map(|(name, value)| match is_own_host(name, value) {
            true => b"host: <upstream>".to_vec(),
            false => joined(name, value),
        });
        let passed: Vec<Vec<u8>> = passed.collect();
        if passed != self.fields {
            wrong.push(format!("fields {} are {}", listed(&self.fields), listed(&passed)));
        }
        let hop = got.fields.iter().filter(|(n, _)| is_one(n, &HOP));
        let hop: Vec<String> = hop.map(|(n, v)| text(&joined(n, v)).to_ascii_lowercase()).collect();
        let is_allowed = |line: &String| self.hop.iter().any(|h| h.trim_start_matches('?') == line);
        let missing = self.hop.iter().any(|h| !h.starts_with('?') && !hop.contains(h));
        if missing || !hop.iter().all(is_allowed) {
            wrong.push(format!("hop-by-hop fields {:?} are {hop:?}", self.hop));
        }
        if (got.framing, &got.body) != (self.framing, &self.body) {
            let (is, was) = (strict::shown(&got.body), strict::shown(&self.body));
            wrong.push(format!("body {:?} {was} is {:?} {is}", self.framing, got.framing));
        }
        let trailers: Vec<Vec<u8>> = got.trailers.iter().map(|(n, v)| joined(n, v)).collect();
        if trailers != self.trailers {
            wrong.push(format!("trailers {} are {}", listed(&self.trailers), listed(&trailers)));
        }
        wrong.extend(added(got));
        wrong
    }
}

/// What is wrong with the fields that the proxy adds.
fn added(got: &Message) -> Vec<String> {
    let mut wrong = Vec::new();
    let is_the_clients = |host: &String| !is_own_host(b"host", host.as_bytes());
    let hosts = got.values("host").into_iter().filter(is_the_clients).collect();
    for (name, value) in [
        ("x-forwarded-for", vec!["127.0.0.1".to_owned()]),
        ("x-forwarded-proto", vec!["http".to_owned()]),
        ("x-forwarded-host", hosts),
    ] {
        if got.values(name) != value {
            wrong.push(format!("{name} {value:?} is {:?}", got.values(name)));
        }
    }
    let via = got.values("via");
    if !via.last().is_some_and(|via| via.ends_with(" sidehook-0badcafe")) {
        wrong.push(format!("via is {via:?}"));
    }
    wrong
}

/// Whether the client named no host, and the proxy has put the upstream's there.
fn is_own_host(name: &[u8], value: &[u8]) -> bool {
    let port = value.strip_prefix(b"127.0.0.1:").unwrap_or_default();
    // No port of ours is as short as those that clients name.
    name.eq_ignore_ascii_case(b"host") && port.len() > 2
}

fn joined(name: &[u8], value: &[u8]) -> Vec<u8> {
    [name, b": ", value].concat()
}

fn listed(lines: &[Vec<u8>]) -> String {
    let all: Vec<String> = lines.iter().map(|line| strict::shown(line)).collect();
    format!("[{}]", all.join(", "))
}
