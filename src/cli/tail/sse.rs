//! Server-sent events (WHATWG HTML 9.2.6), as far as sidehook sends them: bytes in, messages out.

/// Largest message: far above one event of a list with the longest URL.
const MESSAGE_BYTES_MAX: usize = 4 << 20;

/// One message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) kind: String,
    pub(super) data: String,
}

/// A message is larger than any of sidehook's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what arrives is not sidehook's stream: a message of more than 4 MiB")]
pub(super) struct TooLarge;

/// Reads the stream of one connection.
#[derive(Debug, Default)]
pub(super) struct Parser {
    line: Vec<u8>,
    /// The last line ended with CR: a LF now belongs to it.
    after_cr: bool,
    kind: String,
    data: String,
    id: Option<String>,
    /// The id of what has been dispatched.
    last_id: Option<String>,
}

impl Parser {
    /// Where the stream stands, for `Last-Event-ID`.
    pub(super) fn last_id(&self) -> Option<&str> {
        self.last_id.as_deref()
    }

    /// The messages that these bytes complete.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<Vec<Message>, TooLarge> {
        let mut messages = Vec::new();
        for &byte in bytes {
            let is_second = std::mem::replace(&mut self.after_cr, byte == b'\r');
            match byte {
                b'\n' if is_second => {}
                b'\n' | b'\r' => {
                    let line = std::mem::take(&mut self.line);
                    messages.extend(self.line(&String::from_utf8_lossy(&line)));
                }
                _ => self.line.push(byte),
            }
            if self.line.len() + self.data.len() > MESSAGE_BYTES_MAX {
                return Err(TooLarge);
            }
        }
        Ok(messages)
    }

    fn line(&mut self, line: &str) -> Option<Message> {
        if line.is_empty() {
            return self.dispatch();
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.kind),
            "data" => {
                self.data.push_str(value);
                self.data.push('\n');
            }
            // An id that no header could carry back is none.
            "id" if value.chars().all(|c| c.is_ascii_graphic()) => {
                self.id = Some(value.to_owned());
            }
            _ => {}
        }
        None
    }

    fn dispatch(&mut self) -> Option<Message> {
        if let Some(id) = self.id.take() {
            self.last_id = (!id.is_empty()).then_some(id);
        }
        let kind = std::mem::take(&mut self.kind);
        let mut data = std::mem::take(&mut self.data);
        data.pop()?;
        Some(Message { kind, data })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: &str, data: &str) -> Message {
        Message { kind: kind.to_owned(), data: data.to_owned() }
    }

    #[test]
    fn messages_are_read_however_they_are_cut() {
        let stream = ": hello\n\nid: 1-2\nevent: event\ndata: {\"a\":\r\ndata: 1}\r\n\r\n: ping\n\n\
                      id:1-3\revent:delivery\rdata:x\r\rdata: unfinished";
        let expected = [message("event", "{\"a\":\n1}"), message("delivery", "x")];
        for n in 1..stream.len() {
            let mut parser = Parser::default();
            let mut read = Vec::new();
            for part in stream.as_bytes().chunks(n) {
                read.extend(parser.feed(part).expect("small"));
            }
            assert_eq!(read, expected, "in parts of {n}");
            assert_eq!(parser.last_id(), Some("1-3"));
        }
    }

    #[test]
    fn a_place_can_stand_without_a_message() {
        let mut parser = Parser::default();
        assert_eq!(parser.feed(b"id: 7-0\n\n"), Ok(Vec::new()));
        assert_eq!(parser.last_id(), Some("7-0"));
        assert_eq!(parser.feed(b"id: 7-1\ndata: x\n"), Ok(Vec::new()));
        assert_eq!(parser.last_id(), Some("7-0"), "not dispatched yet");
    }

    #[test]
    fn what_never_ends_is_refused() {
        let mut parser = Parser::default();
        assert_eq!(parser.feed(&vec![b'x'; MESSAGE_BYTES_MAX + 1]), Err(TooLarge));
    }
}
