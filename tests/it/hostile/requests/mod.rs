//! What clients send: rows as data.

mod chunks;
mod fields;
mod framing;
mod heads;

use super::strict::Framing;
use super::table::{Request, Row, Want, run};

/// Bytes as they stand.
fn raw(id: &'static str, input: impl AsRef<[u8]>, want: Want) -> Row {
    Row { id, input: input.as_ref().to_vec(), want: vec![want] }
}

/// `GET /` with these lines after `Host`.
fn get(id: &'static str, lines: impl AsRef<[u8]>, want: Want) -> Row {
    let input = [b"GET / HTTP/1.1\r\nHost: a\r\n", lines.as_ref(), b"\r\n"].concat();
    raw(id, input, want)
}

/// `POST /` with these lines after `Host`, and this behind the head.
fn post(id: &'static str, lines: impl AsRef<[u8]>, rest: impl AsRef<[u8]>, want: Want) -> Row {
    let head = [b"POST / HTTP/1.1\r\nHost: a\r\n", lines.as_ref(), b"\r\n"].concat();
    raw(id, [&head, rest.as_ref()].concat(), want)
}

fn refused(statuses: &'static [u16]) -> Want {
    Want::Refused(statuses)
}

fn bad() -> Want {
    Want::Refused(&[400])
}

fn broken() -> Want {
    Want::Broken(&[400])
}

/// `GET /` reaches the upstream with these fields after `Host`.
fn gets(fields: impl AsRef<[u8]>) -> Request {
    Request::new("GET /", [b"Host: a\n", fields.as_ref()].concat())
}

/// `POST /` reaches it with this body.
fn posts(framing: Framing, body: impl AsRef<[u8]>) -> Request {
    Request::new("POST /", "Host: a").body(framing, body)
}

impl Request {
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

    fn hop(mut self, lines: &[&str]) -> Self {
        self.hop = lines.iter().map(|&line| line.to_owned()).collect();
        self
    }

    fn closes(mut self) -> Self {
        self.closes = true;
        self
    }

    fn want(self) -> Want {
        Want::Forwarded(Box::new(self))
    }
}

#[tokio::test]
async fn p01_to_p19_request_lines_and_hosts() {
    run("P01-P19", heads::rows()).await;
}

#[tokio::test]
async fn p01_to_p19_every_control_byte() {
    run("P18 P38 F8 control bytes", heads::control_bytes()).await;
}

#[tokio::test]
async fn p30_to_p51_lengths_and_codings() {
    run("P30-P51", framing::rows()).await;
}

#[tokio::test]
async fn f9_f10_chunks() {
    run("F9 F10", chunks::rows()).await;
}

#[tokio::test]
async fn p57_trailers() {
    run("P57", chunks::trailers()).await;
}

#[tokio::test]
async fn p58_to_p62_and_h_fields() {
    run("P58-P62 H1-H10", fields::rows()).await;
}
