//! The segments as one sequence: what is there, what is missing, and reading it all in order.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::damaged::Damaged;
use super::frame::{self, Frame, Origin};
use super::scan::{self, Hole};
use super::segment::{self, Found, HEADER_BYTES};
use super::{Position, record::Record};
use crate::store::{StoreError, owner};

/// All segments, oldest first.
#[derive(Debug)]
pub(crate) struct Chain {
    dir: PathBuf,
    /// Where damaged bytes are kept; `None`: nothing is touched.
    quarantine: Option<PathBuf>,
    store_id: [u8; 16],
    links: Vec<Link>,
    watch: Option<Watch>,
    /// What is wrong with the files as such.
    pub(crate) damage: Vec<String>,
}

/// Is told how many bytes have been read, and may break a long reading off.
#[derive(Clone)]
pub(crate) struct Watch(pub(crate) Arc<dyn Fn(u64) -> ControlFlow<()> + Send + Sync>);

/// How a replay ended.
#[derive(Debug)]
pub(crate) struct Replayed {
    /// The end of what is sound.
    pub(crate) end: Position,
    /// Records that could not be read.
    pub(crate) damage: Vec<String>,
    /// Bytes behind the end: a write that was under way when the process ended.
    pub(crate) torn_bytes: u64,
}

#[derive(Clone, Copy, Debug)]
struct Link {
    number: u64,
    has_sound_header: bool,
    /// `None`: neither its header nor its first record tells.
    first_seq: Option<u64>,
}

impl Chain {
    /// Looks at every segment's header. Files of another store are moved into quarantine.
    pub(crate) fn survey(
        dir: &Path,
        quarantine: &Path,
        known_id: Option<[u8; 16]>,
    ) -> Result<Self, StoreError> {
        Self::look(dir, Some(quarantine), known_id)
    }

    /// The same without touching anything, also later: damage is only told.
    pub(crate) fn look(
        dir: &Path,
        quarantine: Option<&Path>,
        known_id: Option<[u8; 16]>,
    ) -> Result<Self, StoreError> {
        let mut id = known_id;
        let mut links: Vec<Link> = Vec::new();
        let mut damage = Vec::new();
        for number in segment::list(dir)? {
            let path = segment::path(dir, number);
            let first_seq = match segment::header(dir, number)? {
                Found::Newer(found) => {
                    return Err(StoreError::NewerFormat { path, found, known: segment::FORMAT });
                }
                Found::Bad => None,
                Found::Sound(h)
                    if h.number == number && *id.get_or_insert(h.store_id) == h.store_id =>
                {
                    Some(h.first_seq)
                }
                Found::Sound(h) => {
                    let foreign = format!(
                        "{} is segment {} of store {}, not of this one",
                        path.display(),
                        h.number,
                        uuid::Uuid::from_bytes(h.store_id)
                    );
                    let Some(quarantine) = quarantine else {
                        damage.push(foreign);
                        continue;
                    };
                    damage.push(format!("{foreign}; moved to quarantine"));
                    let to = quarantine.join(format!("{number:08}.seg.foreign"));
                    fs::rename(&path, &to).map_err(|e| StoreError::io("move", &path, e))?;
                    continue;
                }
            };
            links.push(Link { number, has_sound_header: first_seq.is_some(), first_seq });
        }
        let (dir, quarantine) = (dir.to_owned(), quarantine.map(Path::to_owned));
        let mut chain = Self { dir, quarantine, store_id: [0; 16], links, watch: None, damage };
        chain.read_damaged_headers(id)?;
        chain.damage.extend(missing(&chain.links));
        Ok(chain)
    }

    /// Knows the store's id then, and of each segment what can be known.
    fn read_damaged_headers(&mut self, id: Option<[u8; 16]>) -> Result<(), StoreError> {
        let mut found = Vec::new();
        for (at, link) in self.links.iter().enumerate().filter(|(_, link)| !link.has_sound_header) {
            found.push((at, Damaged::read(&self.dir, link.number)?));
        }
        let told = || found.iter().find_map(|(at, it)| it.store_id(self.links[*at].number));
        self.store_id = id.or_else(told).unwrap_or_else(|| *uuid::Uuid::new_v4().as_bytes());
        for (at, header) in found {
            let is_last = at + 1 == self.links.len();
            if is_last && header.is_unfinished() {
                continue;
            }
            let number = self.links[at].number;
            let origin = Origin { store_id: self.store_id, segment: number };
            let first_seq = header.first_seq(origin);
            self.links[at].first_seq = first_seq;
            let path = segment::path(&self.dir, number);
            self.damage.push(header.describe(&path, origin, first_seq));
            self.keep(&format!("{number:08}.seg.0-{}", header.bytes.len()), &header.bytes);
        }
        Ok(())
    }

    /// Has a long reading watched.
    pub(crate) fn watched_by(mut self, watch: Watch) -> Self {
        self.watch = Some(watch);
        self
    }

    pub(crate) const fn store_id(&self) -> [u8; 16] {
        self.store_id
    }

    /// The number of the first record, where its segment's header or itself tells.
    pub(crate) fn first_seq(&self) -> Option<u64> {
        self.links.first()?.first_seq
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.links.is_empty()
    }

    pub(crate) fn has(&self, number: u64) -> bool {
        self.links.iter().any(|link| link.number == number)
    }

    /// The size of a segment's file.
    pub(crate) fn bytes(&self, number: u64) -> Result<u64, StoreError> {
        let path = segment::path(&self.dir, number);
        let meta = fs::metadata(&path).map_err(|e| StoreError::io("read", &path, e))?;
        Ok(meta.len())
    }

    /// All segments with their sizes.
    pub(crate) fn sizes(&self) -> Result<BTreeMap<u64, u64>, StoreError> {
        self.links.iter().map(|link| Ok((link.number, self.bytes(link.number)?))).collect()
    }

    /// Visits every record from `from` (or the beginning) to `limit` (or the end).
    ///
    /// # Errors
    /// Of reading files, and of `visit`; damage is no error but part of the answer.
    pub(crate) fn replay(
        &self,
        from: Option<Position>,
        limit: Option<Position>,
        mut visit: impl FnMut(Record, &Frame<'_>) -> Result<(), StoreError>,
    ) -> Result<Replayed, StoreError> {
        let start = from.unwrap_or(Position { segment: 1, offset: 0, next_seq: 1 });
        let mut replayed = Replayed { end: start, damage: Vec::new(), torn_bytes: 0 };
        let known = |link: &&Link| {
            from.is_none_or(|from| link.number >= from.segment)
                && limit.is_none_or(|limit| link.number <= limit.segment)
        };
        let links: Vec<&Link> = self.links.iter().filter(known).collect();
        let mut n_read = 0;
        for (i, link) in links.iter().enumerate() {
            let next = links.get(i + 1);
            let here = from.filter(|from| from.segment == link.number);
            let offset = here.map_or(HEADER_BYTES, |from| from.offset);
            let bytes = self.read(link.number, offset, limit)?;
            let is_first = i == 0 && from.is_none();
            if here.is_none() {
                self.enter(link, is_first, &bytes, &mut replayed.end);
            }
            let fence = next.and_then(|next| next.first_seq);
            let origin = Origin { store_id: self.store_id, segment: link.number };
            let mut unreadable = Vec::new();
            let walked =
                scan::walk(&bytes, offset, origin, replayed.end.next_seq, fence, |frame| {
                    self.tell(n_read + frame.location.offset)?;
                    match Record::decode(frame) {
                        Ok(record) => visit(record, frame),
                        Err(error) => {
                            unreadable.push((frame.location, frame.seq, error));
                            Ok(())
                        }
                    }
                })?;
            for (at, seq, error) in unreadable {
                let path = segment::path(&self.dir, at.segment);
                replayed.damage.push(format!(
                    "{}, byte {}: record {seq} makes no sense: {error}",
                    path.display(),
                    at.offset
                ));
            }
            n_read += offset + bytes.len() as u64;
            self.tell(n_read)?;
            let mut holes = walked.holes;
            replayed.end.segment = link.number;
            replayed.end.offset = walked.end;
            replayed.end.next_seq = walked.next_seq;
            if let Some(first) = fence.filter(|&first| first > walked.next_seq) {
                let to = walked.end + walked.tail_bytes;
                let next_seq = walked.next_seq;
                holes.push(Hole { from: walked.end, to, first_seq: next_seq, next_seq: first });
                replayed.end.next_seq = first;
            }
            if next.is_none() {
                replayed.torn_bytes = walked.tail_bytes;
            }
            for hole in holes {
                replayed.damage.push(self.report(link.number, hole, offset, &bytes));
            }
        }
        Ok(replayed)
    }

    /// Tells the watch how far a reading is.
    fn tell(&self, n_read: u64) -> Result<(), StoreError> {
        match self.watch.as_ref().map(|Watch(tell)| tell(n_read)) {
            Some(ControlFlow::Break(())) => Err(StoreError::Interrupted),
            _ => Ok(()),
        }
    }

    /// Cuts off what stands behind the end; what is not only zeros is kept in quarantine.
    pub(crate) fn cut(&self, replayed: &Replayed) -> Result<(), StoreError> {
        let end = replayed.end;
        let path = segment::path(&self.dir, end.segment);
        let tail = self.read(end.segment, end.offset, None)?;
        if tail.iter().any(|&byte| byte != 0) {
            let name = format!("{:08}.seg.tail-{}", end.segment, end.offset);
            self.keep(&name, &tail);
        }
        tracing::warn!(
            file = %path.display(), from = end.offset, bytes = tail.len(),
            "cut a write off that was not finished when the process ended"
        );
        let cut = OpenOptions::new().write(true).open(&path).and_then(|file| {
            file.set_len(end.offset)?;
            segment::sync(&file)
        });
        cut.map_err(|e| StoreError::io("cut", &path, e))
    }

    /// Whether the last segment has not even a sound header.
    pub(crate) fn last_header_is_bad(&self) -> bool {
        self.links.last().is_some_and(|link| !link.has_sound_header)
    }

    /// Takes up the numbering at the start of a segment.
    fn enter(&self, link: &Link, is_first: bool, bytes: &[u8], end: &mut Position) {
        let origin = Origin { store_id: self.store_id, segment: link.number };
        match link.first_seq {
            Some(first) => end.next_seq = first,
            // Its first record is lost as well: how many there were before the next, nobody knows.
            None if is_first => {
                let next = scan::next_sound(bytes, HEADER_BYTES, origin, 2);
                let seq = next.and_then(|at| frame::seq_at(&bytes[index(at, HEADER_BYTES)..]));
                end.next_seq = seq.map_or(1, |seq| seq - 1);
            }
            None => {}
        }
    }

    fn read(
        &self,
        number: u64,
        offset: u64,
        limit: Option<Position>,
    ) -> Result<Vec<u8>, StoreError> {
        let path = segment::path(&self.dir, number);
        let end = limit.filter(|limit| limit.segment == number).map_or(u64::MAX, |l| l.offset);
        let read = || -> io::Result<Vec<u8>> {
            let mut file = File::open(&path)?;
            file.seek(SeekFrom::Start(offset))?;
            let mut bytes = Vec::new();
            file.take(end.saturating_sub(offset)).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        read().map_err(|e| StoreError::io("read", &path, e))
    }

    fn report(&self, number: u64, hole: Hole, offset: u64, bytes: &[u8]) -> String {
        let index = |at| index(at, offset).min(bytes.len());
        let damaged = &bytes[index(hole.from)..index(hole.to)];
        if !damaged.is_empty() {
            self.keep(&format!("{number:08}.seg.{}-{}", hole.from, hole.to), damaged);
        }
        format!(
            "{}, bytes {} to {}: records {} to {} cannot be read",
            segment::path(&self.dir, number).display(),
            hole.from,
            hole.to,
            hole.first_seq,
            hole.next_seq.saturating_sub(1).max(hole.first_seq),
        )
    }

    /// Keeps a copy of damaged bytes; the bytes themselves stay where they are as well.
    fn keep(&self, name: &str, bytes: &[u8]) {
        let Some(quarantine) = &self.quarantine else { return };
        let path = quarantine.join(name);
        let kept = owner::create_dir(quarantine)
            .and_then(|()| owner::create_anew(&path)?.write_all(bytes));
        if let Err(error) = kept {
            tracing::warn!(path = %path.display(), %error, "could not keep damaged bytes");
        }
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watch")
    }
}

/// Where a byte of a file stands in what was read from `offset` on.
fn index(at: u64, offset: u64) -> usize {
    usize::try_from(at - offset).unwrap_or(usize::MAX)
}

fn missing(links: &[Link]) -> Vec<String> {
    let gaps = links.windows(2).filter(|pair| pair[1].number != pair[0].number + 1);
    gaps.map(|pair| {
        let [before, after] = [pair[0], pair[1]];
        let records = after.first_seq.map_or_else(
            || "their records are unknown".to_owned(),
            |first| format!("records before {first} are lost"),
        );
        format!("segments {} to {} are missing; {records}", before.number + 1, after.number - 1)
    })
    .collect()
}
