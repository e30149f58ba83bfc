//! Memory that one worker's calls use in turn: idle connections hold none, and calls allocate none.

use std::cell::RefCell;

use bytes::BytesMut;

use super::wire::Head;

/// Of each kind; more is given back to the system.
const KEPT_MAX: usize = 64;
/// What a read takes at least.
pub(super) const BUFFER_BYTES: usize = 8 << 10;
/// A buffer that has grown above this is not kept.
const KEPT_BYTES_MAX: usize = 64 << 10;

/// What is not in use at the moment.
#[derive(Default)]
pub(super) struct Spare {
    heads: RefCell<Vec<Head>>,
    buffers: RefCell<Vec<BytesMut>>,
    texts: RefCell<Vec<Vec<u8>>>,
}

impl Spare {
    /// An empty head.
    pub(super) fn head(&self) -> Head {
        self.heads.borrow_mut().pop().unwrap_or_else(Head::new)
    }

    pub(super) fn keep_head(&self, mut head: Head) {
        head.clear();
        keep(&self.heads, head);
    }

    /// An empty buffer with room for a read.
    pub(super) fn buffer(&self) -> BytesMut {
        let mut buffer = self.buffers.borrow_mut().pop().unwrap_or_default();
        buffer.reserve(BUFFER_BYTES);
        buffer
    }

    /// Takes a buffer back, if it holds nothing.
    pub(super) fn keep_buffer(&self, buffer: &mut BytesMut) {
        if buffer.is_empty() {
            let buffer = std::mem::take(buffer);
            if (1..=KEPT_BYTES_MAX).contains(&buffer.capacity()) {
                keep(&self.buffers, buffer);
            }
        }
    }

    /// An empty text.
    pub(super) fn text(&self) -> Vec<u8> {
        self.texts.borrow_mut().pop().unwrap_or_default()
    }

    /// Takes a text back, if it holds nothing.
    pub(super) fn keep_text(&self, text: &mut Vec<u8>) {
        if text.is_empty() {
            let text = std::mem::take(text);
            if (1..=KEPT_BYTES_MAX).contains(&text.capacity()) {
                keep(&self.texts, text);
            }
        }
    }
}

fn keep<T>(kept: &RefCell<Vec<T>>, one: T) {
    let mut kept = kept.borrow_mut();
    if kept.len() < KEPT_MAX {
        kept.push(one);
    }
}
