//! What upstreams answer: rows as data. Each row's call is followed by another one, which has to
//! be as if the first had never been.

mod bodies;
mod floods;
mod heads;

use super::report::Report;
use super::stand::Front;
use super::strict::{self, Framing, Message, text};
use super::talk::Talk;
use crate::support::upstream::{Act, Upstream, ok};

/// One line of a checklist.
#[derive(Clone)]
struct Row {
    id: &'static str,
    method: &'static str,
    version: &'static str,
    acts: Vec<Act>,
    want: Want,
    /// The upstream connection may not be used again.
    is_last: bool,
}

/// What the client has to see.
#[derive(Clone)]
enum Want {
    /// An answer of the proxy's own with one of these statuses; no event.
    Bad(&'static [u16]),
    /// That, or a response that is visibly broken off; no event.
    Aborted,
    /// That, or a whole response of which nothing is asked but that it is one.
    Either,
    /// Exactly this.
    Reply(Reply),
}

#[derive(Clone)]
struct Reply {
    start: Vec<u8>,
    /// In their order and case, less framing, `date` and the connection's own.
    fields: Vec<Vec<u8>>,
    framing: Framing,
    body: Vec<u8>,
    trailers: Vec<Vec<u8>>,
    /// Where it matters although it frames nothing (HEAD, 304).
    length: Option<&'static str>,
    /// Whether it makes an event; `None`: either.
    event: Option<bool>,
    /// White space within values is not compared.
    is_folded: bool,
}

/// Sends this and goes on with the connection.
fn answers(id: &'static str, response: impl AsRef<[u8]>, want: Want) -> Row {
    let acts = vec![Act::Send(response.as_ref().to_vec())];
    let is_last = !matches!(want, Want::Reply(_) | Want::Either);
    Row { id, method: "GET", version: "HTTP/1.1", acts, want, is_last }
}

/// Sends this and closes.
fn closes(id: &'static str, response: impl AsRef<[u8]>, want: Want) -> Row {
    let mut row = answers(id, response, want);
    row.acts.push(Act::Close);
    row
}

/// Sends this and resets.
fn resets(id: &'static str, response: impl AsRef<[u8]>, want: Want) -> Row {
    let mut row = answers(id, response, want);
    row.acts.push(Act::Reset);
    row
}

fn bad() -> Want {
    Want::Bad(&[502])
}

impl Row {
    fn method(mut self, method: &'static str) -> Self {
        self.method = method;
        self
    }

    /// From a client of HTTP/1.0.
    fn old(mut self) -> Self {
        self.version = "HTTP/1.0";
        self
    }

    fn last(mut self) -> Self {
        self.is_last = true;
        self
    }

    fn what(&self) -> String {
        let mut sent = Vec::new();
        let mut end = "";
        for act in &self.acts {
            match act {
                Act::Send(bytes) => sent.extend_from_slice(bytes),
                Act::Close => end = " FIN",
                Act::Reset => end = " RST",
                _ => end = " ...",
            }
        }
        let (method, version) = (self.method, self.version);
        format!("{method} {version}: {}{end}", strict::shown(&sent)).replace('|', "\\x7c")
    }
}

impl Reply {
    fn new(start: impl AsRef<[u8]>, fields: impl AsRef<[u8]>) -> Self {
        let start = start.as_ref().to_vec();
        let fields = fields.as_ref().split(|&b| b == b'\n').map(<[u8]>::to_vec);
        let fields = fields.filter(|field| !field.is_empty()).collect();
        let event = Some(start.get(9) == Some(&b'2'));
        let (body, trailers, length) = (Vec::new(), Vec::new(), None);
        Self {
            start,
            fields,
            framing: Framing::None,
            body,
            trailers,
            length,
            event,
            is_folded: false,
        }
    }

    fn body(mut self, framing: Framing, body: impl AsRef<[u8]>) -> Self {
        self.framing = framing;
        self.body = body.as_ref().to_vec();
        self
    }

    fn trailers(mut self, lines: &str) -> Self {
        // Names of trailers arrive in lower case.
        let line = |(name, value): (&str, &str)| format!("{}:{value}", name.to_ascii_lowercase());
        let lines = lines.lines().filter_map(|it| it.split_once(':')).map(line);
        self.trailers = lines.map(String::into_bytes).collect();
        self
    }

    fn length(mut self, length: &'static str) -> Self {
        self.length = Some(length);
        self
    }

    fn event(mut self, event: Option<bool>) -> Self {
        self.event = event;
        self
    }

    fn folded(mut self) -> Self {
        self.is_folded = true;
        self
    }

    fn want(self) -> Want {
        Want::Reply(self)
    }

    /// What is different.
    fn against(&self, got: &Message) -> Vec<String> {
        let mut wrong = Vec::new();
        // The version is the connection's own (RFC 9112 2.3).
        if got.start[8..] != self.start[8..] {
            wrong.push(format!("{} is {}", strict::shown(&self.start), strict::shown(&got.start)));
        }
        let own = ["content-length", "transfer-encoding", "connection", "keep-alive"];
        let is_own = |n: &[u8]| own.iter().any(|o| n.eq_ignore_ascii_case(o.as_bytes()));
        let gives_date = self.fields.iter().any(|f| f.to_ascii_lowercase().starts_with(b"date:"));
        if got.values("date").len() != 1 {
            wrong.push(format!("date is {:?}", got.values("date")));
        }
        let passed = got.fields.iter().filter(|(name, _)| {
            !is_own(name) && (gives_date || !name.eq_ignore_ascii_case(b"date"))
        });
        let mut passed: Vec<Vec<u8>> = passed.map(|(n, v)| [n, &b": "[..], v].concat()).collect();
        if self.is_folded {
            for line in &mut passed {
                let words: Vec<String> = text(line).split_whitespace().map(str::to_owned).collect();
                *line = words.join(" ").into_bytes();
            }
        }
        let trailers = got.trailers.iter().map(|(n, v)| [n, &b": "[..], v].concat());
        let trailers: Vec<Vec<u8>> = trailers.collect();
        for (what, expected, is) in
            [("fields", &self.fields, &passed), ("trailers", &self.trailers, &trailers)]
        {
            if expected != is {
                let shown = |lines: &[Vec<u8>]| {
                    lines.iter().map(|l| strict::shown(l)).collect::<Vec<_>>().join(", ")
                };
                wrong.push(format!("{what} [{}] are [{}]", shown(expected), shown(is)));
            }
        }
        if (got.framing, &got.body) != (self.framing, &self.body) {
            let (is, was) = (strict::shown(&got.body), strict::shown(&self.body));
            wrong.push(format!("body {:?} {was} is {:?} {is}", self.framing, got.framing));
        }
        if self.length.is_some_and(|length| got.values("content-length") != [length]) {
            wrong.push(format!(
                "content-length {:?} is {:?}",
                self.length,
                got.values("content-length")
            ));
        }
        wrong
    }
}

/// The same in as many packets as it has bytes, where those are few.
fn bytewise(act: &Act) -> Vec<Act> {
    match act {
        Act::Send(bytes) if bytes.len() <= 1000 => {
            bytes.iter().map(|&byte| Act::Send(vec![byte])).collect()
        }
        other => vec![other.clone()],
    }
}

/// Runs all rows, each once in one packet and once in many.
async fn run(table: &'static str, rows: Vec<Row>) {
    let scripts: Vec<Vec<Act>> = rows.iter().map(|row| row.acts.clone()).collect();
    let upstream = Upstream::start(move |_, request| {
        let target = request.split(' ').nth(1).unwrap_or_default();
        let row = |way| target.strip_prefix(way).and_then(|n| n.parse::<usize>().ok());
        match (row("/row/"), row("/slowly/")) {
            (Some(n), _) => scripts[n].clone(),
            (_, Some(n)) => scripts[n].iter().flat_map(bytewise).collect(),
            _ => ok(target),
        }
    })
    .await;
    let front = Front::before(upstream.addr, |_| {});
    let mut report = Report::new(table);
    for (n, row) in rows.iter().enumerate() {
        let mut findings = run_one(&front, &upstream, &format!("/row/{n}"), row).await;
        let slowly = run_one(&front, &upstream, &format!("/slowly/{n}"), row).await;
        findings.extend(slowly.into_iter().map(|finding| format!("bytewise: {finding}")));
        report.row(row.id, row.what(), findings);
    }
    let events = front.events();
    for (n, row) in rows.iter().enumerate() {
        let own = [format!("/row/{n}"), format!("/slowly/{n}")];
        let of_it = events.iter().filter(|event| own.contains(&event.exchange.request.url)).count();
        let wanted = match &row.want {
            Want::Bad(_) | Want::Aborted => Some(0),
            Want::Either => None,
            Want::Reply(reply) => reply.event.map(|is_one| 2 * usize::from(is_one)),
        };
        if wanted.is_some_and(|wanted| wanted != of_it) {
            report.also(n, format!("{of_it} events, not {wanted:?}"));
        }
    }
    report.finish();
}

async fn run_one(front: &Front, upstream: &Upstream, target: &str, row: &Row) -> Vec<String> {
    let mut client = Talk::to(front.addr()).await;
    let (method, version) = (row.method, row.version);
    client.send(format!("{method} {target} {version}\r\nHost: a\r\n\r\n").as_bytes()).await;
    let mut findings = seen(&mut client, row).await;
    let before = upstream.connections();
    let target = format!("/next{target}");
    let mut other = Talk::to(front.addr()).await;
    other.send(format!("GET {target} HTTP/1.1\r\nHost: b\r\n\r\n").as_bytes()).await;
    match other.response(false).await {
        Ok(answer) if answer.status() == 200 && answer.body == target.as_bytes() => {}
        Ok(answer) => findings.push(format!(
            "the next call got {} {}",
            text(&answer.start),
            strict::shown(&answer.body)
        )),
        Err(error) => findings.push(format!("the next call: {error}")),
    }
    if row.is_last && upstream.connections() == before {
        findings.push("the upstream connection is used again".into());
    }
    let more = client.more();
    if !more.is_empty() && findings.is_empty() && !matches!(row.want, Want::Aborted) {
        findings.push(format!("the client got more: {}", strict::shown(&more)));
    }
    findings
}

/// What is wrong with what the client saw.
async fn seen(client: &mut Talk, row: &Row) -> Vec<String> {
    let got = client.response(row.method == "HEAD").await;
    match (&row.want, got) {
        (Want::Reply(reply), Ok(got)) => reply.against(&got),
        (Want::Bad(statuses), Ok(got)) => problem(&got, statuses).into_iter().collect(),
        (Want::Aborted, Ok(got)) => problem(&got, &[502]).into_iter().collect(),
        (Want::Either, Ok(_)) => Vec::new(),
        (Want::Aborted, Err(_)) if client.end.is_some() => Vec::new(),
        (_, Err(error)) => vec![error],
    }
}

fn problem(got: &Message, statuses: &[u16]) -> Option<String> {
    let is_own = got.values("proxy-status").iter().any(|s| s.starts_with("sidehook; error="));
    (!statuses.contains(&got.status()) || !is_own).then(|| {
        format!("not {statuses:?} but {} {}", strict::shown(&got.start), strict::shown(&got.body))
    })
}

#[tokio::test]
async fn p81_p87_p88_p92_heads() {
    run("P81 P87 P88 P92", heads::rows()).await;
}

#[tokio::test]
async fn p80_to_p85_p91_bodies() {
    run("P80-P85 P91 B5 B10 B14 B15 F2 F11 F12", bodies::rows()).await;
}
