//! Frames of HTTP/2 made and read by hand (RFC 9113 4.1), for both sides, where they do what no
//! library would.

pub(super) const MAGIC: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// With SETTINGS that say nothing.
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const PRIORITY: u8 = 2;
pub(super) const RESET: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;

pub(super) const ACK: u8 = 1;
pub(super) const END_STREAM: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;

/// `:status: 200` of the static table (RFC 7541, Appendix A).
pub(super) const OK: u8 = 0x88;

/// The last stream of who only announces the end.
pub(super) const ANY: u32 = 0x7fff_ffff;

/// `GET / ` or `POST /` of `http://a`, from the static table and one literal.
pub(super) fn fields(method: u8) -> Vec<u8> {
    vec![method, 0x84, 0x86, 0x41, 1, b'a']
}
pub(super) const GET: u8 = 0x82;
pub(super) const POST: u8 = 0x83;

pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("small").to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend_from_slice(&[kind, flags]);
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// A whole frame.
pub(super) struct Frame {
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
    pub(super) payload: Vec<u8>,
}

/// The next whole frame.
pub(super) fn next(input: &mut Vec<u8>) -> Option<Frame> {
    let head: [u8; 9] = input.get(..9)?.try_into().ok()?;
    let number =
        |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    let length = (number(0) >> 8) as usize;
    let payload = input.get(9..9 + length)?.to_vec();
    input.drain(..9 + length);
    Some(Frame { kind: head[3], flags: head[4], stream: number(5) & ANY, payload })
}
