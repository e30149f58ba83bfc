//! The journal: the truth of the store. Append-only segment files of framed records; each record
//! carries its length, its position in an unbroken numbering, and a checksum that also covers
//! where it was written, so that torn, rotten, stale and misdirected writes are all noticed.
//! Knows nothing of the index: the same journal will be the spool of a shared database.
//!
//! A segment file: header (see [`segment`]), then frames (see [`frame`]) whose payloads are
//! records (see [`record`]). Every segment says with which number it begins: what an older
//! segment holds from that number on is the left-over of a failed write and is never read.

pub(crate) mod chain;
mod damaged;
pub(crate) mod frame;
pub(crate) mod managed;
pub(crate) mod reader;
pub(crate) mod record;
pub(crate) mod scan;
pub(crate) mod segment;
pub(crate) mod writer;

use serde::{Deserialize, Serialize};

/// Where a record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Location {
    /// The segment's number.
    pub(crate) segment: u64,
    /// First byte of the frame.
    pub(crate) offset: u64,
    /// Length of the whole frame.
    pub(crate) len: u32,
}

/// A point between two records: everything before it has been dealt with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Position {
    /// The segment's number.
    pub(crate) segment: u64,
    /// The byte behind the last record.
    pub(crate) offset: u64,
    /// The number of the next record.
    pub(crate) next_seq: u64,
}

#[cfg(test)]
mod tests;
