//! Messages read strictly: nothing but what RFC 9112 lets a sender generate.

/// A message, complete.
#[derive(Clone, Debug)]
pub(super) struct Message {
    /// The first line.
    pub(super) start: Vec<u8>,
    /// Names in their case, values without outer white space.
    pub(super) fields: Vec<(Vec<u8>, Vec<u8>)>,
    pub(super) framing: Framing,
    /// Decoded.
    pub(super) body: Vec<u8>,
    pub(super) trailers: Vec<(Vec<u8>, Vec<u8>)>,
    /// Bytes on the wire.
    pub(super) length: usize,
}

/// How a body's end is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    None,
    Length,
    Chunked,
    UntilClose,
}

/// Why there is no message.
#[derive(Clone, Debug)]
pub(super) enum Fault {
    /// More bytes may make it one.
    Incomplete,
    /// Nothing can.
    Wrong(String),
}

type Read<T> = Result<T, Fault>;
type Field = (Vec<u8>, Vec<u8>);

impl Message {
    /// All values of a field, in order.
    pub(super) fn values(&self, name: &str) -> Vec<String> {
        let own = self.fields.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes()));
        own.map(|(_, value)| text(value)).collect()
    }

    pub(super) fn status(&self) -> u16 {
        text(&self.start).get(9..12).and_then(|s| s.parse().ok()).unwrap_or(0)
    }
}

/// Bytes as text that shows all of them.
pub(super) fn text(bytes: &[u8]) -> String {
    bytes.iter().map(|&b| char::from(b)).collect()
}

/// Bytes as one line, cut where it would be long.
pub(super) fn shown(bytes: &[u8]) -> String {
    const SHOWN_MAX: usize = 160;
    let cut = &bytes[..bytes.len().min(SHOWN_MAX)];
    let more =
        if bytes.len() > SHOWN_MAX { format!(" .. {} bytes", bytes.len()) } else { String::new() };
    format!("\"{}\"{more}", cut.escape_ascii())
}

/// A request as a proxy may send it.
pub(super) fn request(raw: &[u8]) -> Read<Message> {
    let (start, fields, head) = head(raw)?;
    let parts: Vec<&[u8]> = start.split(|&b| b == b' ').collect();
    let [method, target, version] = parts.as_slice() else {
        return wrong("request line", &start);
    };
    let is_target = |b: &u8| *b > b' ' && *b != 0x7f;
    if !is_token(method) || target.is_empty() || !target.iter().all(is_target) {
        return wrong("method or target", &start);
    }
    if *version != b"HTTP/1.1" {
        return wrong("version", &start);
    }
    let framing = framing(&fields)?.unwrap_or((Framing::None, 0));
    body(raw, head, framing, start, fields)
}

/// A response as a proxy may send it; `ended`: no byte follows, and that is no reset.
pub(super) fn response(raw: &[u8], to_head: bool, ended: bool) -> Read<Message> {
    let (start, fields, head) = head(raw)?;
    let digits = |s: &[u8]| s.len() == 3 && s.iter().all(u8::is_ascii_digit);
    let is_status = (start.starts_with(b"HTTP/1.1 ") || start.starts_with(b"HTTP/1.0 "))
        && start.get(9..12).is_some_and(digits)
        && start.get(12) == Some(&b' ');
    if !is_status {
        return wrong("status line", &start);
    }
    let status = &start[9..12];
    let framing = framing(&fields)?;
    let bodiless = to_head || status[0] == b'1' || status == b"204" || status == b"304";
    if bodiless {
        if status == b"204" && framing.is_some() {
            return wrong("204 with framing (RFC 9110 8.6)", &raw[..head]);
        }
        return body(raw, head, (Framing::None, 0), start, fields);
    }
    match framing {
        Some(framing) => body(raw, head, framing, start, fields),
        None if !ended => Err(Fault::Incomplete),
        None => {
            let rest = raw.len() - head;
            body(raw, head, (Framing::UntilClose, rest), start, fields)
        }
    }
}

fn wrong<T>(what: &str, bytes: &[u8]) -> Read<T> {
    Err(Fault::Wrong(format!("{what}: {}", shown(bytes))))
}

/// First line, fields, and where the head ends.
fn head(raw: &[u8]) -> Read<(Vec<u8>, Vec<Field>, usize)> {
    let (start, mut at) = line(raw, 0)?;
    let mut fields = Vec::new();
    loop {
        let (line, next) = line(raw, at)?;
        at = next;
        if line.is_empty() {
            return Ok((start.to_vec(), fields, at));
        }
        fields.push(field(line)?);
    }
}

/// A line, and where the next begins. Nothing ends it but CRLF.
fn line(raw: &[u8], at: usize) -> Read<(&[u8], usize)> {
    let rest = raw.get(at..).unwrap_or_default();
    let Some(end) = rest.windows(2).position(|w| w == b"\r\n") else {
        return match rest.iter().position(|&b| b == b'\n' || b == 0) {
            Some(_) => wrong("bare LF or NUL", rest),
            None => Err(Fault::Incomplete),
        };
    };
    let line = &rest[..end];
    let is_control = |b: &u8| (*b < b' ' && *b != b'\t') || *b == 0x7f;
    if line.iter().any(is_control) {
        return wrong("control byte in a line", line);
    }
    Ok((line, at + end + 2))
}

fn field(line: &[u8]) -> Read<Field> {
    let Some(colon) = line.iter().position(|&b| b == b':') else {
        return wrong("field without a colon", line);
    };
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    if !is_token(name) {
        return wrong("field name", line);
    }
    Ok((name.to_vec(), value.trim_ascii().to_vec()))
}

fn is_token(word: &[u8]) -> bool {
    let is_one = |b: &u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b);
    !word.is_empty() && word.iter().all(is_one)
}

/// What the head says about the body; `None`: nothing.
fn framing(fields: &[Field]) -> Read<Option<(Framing, usize)>> {
    let all = |name: &str| -> Vec<&Vec<u8>> {
        let own = fields.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes()));
        own.map(|(_, value)| value).collect()
    };
    match (all("content-length").as_slice(), all("transfer-encoding").as_slice()) {
        ([], []) => Ok(None),
        ([length], []) => {
            let plain =
                text(length).parse::<usize>().ok().filter(|n| n.to_string() == text(length));
            match plain {
                Some(n) => Ok(Some((Framing::Length, n))),
                None => wrong("content-length", length),
            }
        }
        ([], [coding]) if coding.eq_ignore_ascii_case(b"chunked") => {
            Ok(Some((Framing::Chunked, 0)))
        }
        _ => Err(Fault::Wrong(format!("contradicting framing: {fields:?}"))),
    }
}

fn body(
    raw: &[u8],
    head: usize,
    (framing, length): (Framing, usize),
    start: Vec<u8>,
    fields: Vec<Field>,
) -> Read<Message> {
    let (body, trailers, end) = match framing {
        Framing::Chunked => chunks(raw, head)?,
        _ => {
            let end = head.saturating_add(length);
            let body = raw.get(head..end).ok_or(Fault::Incomplete)?;
            (body.to_vec(), Vec::new(), end)
        }
    };
    Ok(Message { start, fields, framing, body, trailers, length: end })
}

fn chunks(raw: &[u8], mut at: usize) -> Read<(Vec<u8>, Vec<Field>, usize)> {
    let mut body = Vec::new();
    loop {
        let (size_line, next) = line(raw, at)?;
        let is_size = !size_line.is_empty()
            && size_line.len() <= 16
            && size_line.iter().all(u8::is_ascii_hexdigit);
        if !is_size {
            return wrong("chunk size", size_line);
        }
        let size = usize::from_str_radix(&text(size_line), 16).expect("at most 16 digits");
        at = next;
        if size == 0 {
            break;
        }
        let end = at.saturating_add(size);
        body.extend_from_slice(raw.get(at..end).ok_or(Fault::Incomplete)?);
        match raw.get(end..end + 2) {
            None => return Err(Fault::Incomplete),
            Some(b"\r\n") => at = end + 2,
            Some(other) => return wrong("end of a chunk", other),
        }
    }
    let mut trailers = Vec::new();
    loop {
        let (line, next) = line(raw, at)?;
        at = next;
        if line.is_empty() {
            return Ok((body, trailers, at));
        }
        trailers.push(field(line)?);
    }
}

#[test]
fn what_is_not_strict_is_found() {
    for good in [
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST / HTTP/1.1\r\ncontent-length: 2\r\n\r\nhi",
        "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nx: y\r\n\r\n",
    ] {
        let message = request(good.as_bytes()).expect(good);
        assert_eq!(message.length, good.len());
        for cut in 0..good.len() {
            assert!(matches!(request(&good.as_bytes()[..cut]), Err(Fault::Incomplete)), "{cut}");
        }
    }
    for bad in [
        "GET / HTTP/1.1\nHost: a\r\n\r\n",
        "GET  / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "GET / HTTP/1.1\r\nA : b\r\n\r\n",
        "GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n",
        "GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
        "GET / HTTP/1.1\r\nContent-Length: 01\r\n\r\nx",
        "GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2;x\r\nhi\r\n0\r\n\r\n",
        "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi0\r\n\r\n",
    ] {
        assert!(matches!(request(bad.as_bytes()), Err(Fault::Wrong(_))), "{bad:?}");
    }
}
