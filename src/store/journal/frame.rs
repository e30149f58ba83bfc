//! The frame around a record: length, checksum, kind, number.
//!
//! | bytes | field | |
//! |---|---|---|
//! | 0..4 | payload length | little endian, as all numbers here |
//! | 4..8 | CRC32C | over store id, segment, offset, length, then all that follows |
//! | 8 | kind | see [`Kind`] |
//! | 9..17 | number | contiguous over all segments |
//! | 17.. | payload | |

use super::Location;

/// Bytes before the payload.
pub(crate) const HEAD_BYTES: usize = 17;

const HEAD_BYTES_U32: u32 = 17;

/// What a record is. Numbers are for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An event with its deliveries.
    Event = 1,
    /// An attempt with its verdict.
    Attempt = 2,
    /// An attempt whose delivery was queued again by hand while it ran: it counts, its verdict
    /// does not.
    Overtaken = 3,
    /// A delivery's state, set by hand or carried forward.
    State = 4,
    /// How a webhook stands.
    Webhook = 5,
    /// A webhook created, changed or deleted at run time.
    Definition = 6,
    /// Deliveries added to a stored event.
    Added = 7,
    /// How far a recovery is.
    Recovery = 8,
}

/// The file a frame belongs to, as far as the checksum covers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) store_id: [u8; 16],
    pub(crate) segment: u64,
}

/// A verified frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame<'a> {
    pub(crate) kind: Kind,
    pub(crate) seq: u64,
    pub(crate) payload: &'a [u8],
    pub(crate) location: Location,
}

impl Kind {
    pub(crate) const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Event),
            2 => Some(Self::Attempt),
            3 => Some(Self::Overtaken),
            4 => Some(Self::State),
            5 => Some(Self::Webhook),
            6 => Some(Self::Definition),
            7 => Some(Self::Added),
            8 => Some(Self::Recovery),
            _ => None,
        }
    }
}

/// Reads the frame that begins at `bytes[0]`, which stands at `offset` of its file; `None` when
/// there is no whole, sound one.
pub(crate) fn parse(bytes: &[u8], offset: u64, origin: Origin) -> Option<Frame<'_>> {
    let payload_len = u32_at(bytes, 0)?;
    let crc = u32_at(bytes, 4)?;
    let kind = Kind::from_byte(*bytes.get(8)?)?;
    let seq = seq_at(bytes)?;
    let len = usize::try_from(len(bytes)?).ok()?;
    let covered = bytes.get(8..len)?;
    if !crate::sabotage::skip_checksum() && checksum(origin, offset, payload_len, covered) != crc {
        return None;
    }
    let location = Location { segment: origin.segment, offset, len: u32::try_from(len).ok()? };
    Some(Frame { kind, seq, payload: &bytes[HEAD_BYTES..len], location })
}

/// Fills in the head of a frame whose payload stands already behind the room for it. Returns the
/// length of the whole frame.
pub(crate) fn seal(frame: &mut [u8], kind: Kind, seq: u64, offset: u64, origin: Origin) -> u32 {
    let whole = u32::try_from(frame.len()).expect("records are bounded far below 4 GiB");
    let payload_len = whole - HEAD_BYTES_U32;
    frame[0..4].copy_from_slice(&payload_len.to_le_bytes());
    frame[8] = kind as u8;
    frame[9..17].copy_from_slice(&seq.to_le_bytes());
    let crc = checksum(origin, offset, payload_len, &frame[8..]);
    frame[4..8].copy_from_slice(&crc.to_le_bytes());
    whole
}

/// The length of the whole frame, unverified.
pub(crate) fn len(bytes: &[u8]) -> Option<u64> {
    Some(HEAD_BYTES as u64 + u64::from(u32_at(bytes, 0)?))
}

/// The number field, unverified.
pub(crate) fn seq_at(bytes: &[u8]) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(9..17)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn checksum(origin: Origin, offset: u64, payload_len: u32, covered: &[u8]) -> u32 {
    let mut place = [0; 36];
    place[..16].copy_from_slice(&origin.store_id);
    place[16..24].copy_from_slice(&origin.segment.to_le_bytes());
    place[24..32].copy_from_slice(&offset.to_le_bytes());
    place[32..].copy_from_slice(&payload_len.to_le_bytes());
    crc32c::crc32c_append(crc32c::crc32c(&place), covered)
}
