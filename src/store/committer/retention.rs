//! Retention: whole segments, oldest first. What in one is not finished is copied forward with
//! its attempts before the file goes. Done in small slices between batches, so that no commit
//! waits for long; undelivered events are never evicted.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use serde::Deserialize;

use super::Committer;
use crate::clock;
use crate::model::{DeliveryState, EventId, WebhookId};
use crate::store::StoreError;
use crate::store::index::apply::{Applier, BecameDue};
use crate::store::index::rows::EventRow;
use crate::store::index::tallies::{SegmentRow, StandingRow};
use crate::store::index::{failed, get, keys};
use crate::store::journal::frame::{self, Kind, Origin};
use crate::store::journal::managed::DefinitionRecord;
use crate::store::journal::record::{Record, StateRecord, WebhookRecord, Why};
use crate::store::journal::segment::{self, HEADER_BYTES};
use crate::store::journal::{Location, Position, scan};

use super::recover::progress;
use super::staged::Staged;

/// Events looked at between two batches: about 256 rows of the index.
const N_EVENTS_PER_SLICE: usize = 32;
const CHUNK_BYTES: usize = 256 * 1024;
/// Definitions are large, and there may be many.
const CARRIED_BYTES_PER_SLICE: u64 = 1 << 20;

/// A segment that is being emptied.
#[derive(Debug)]
pub(crate) struct Purge {
    segment: u64,
    offset: u64,
    next_seq: u64,
    bytes: u64,
    file: File,
}

#[derive(Deserialize)]
struct IdOnly {
    id: EventId,
}

impl Committer {
    /// Does the next slice of what there is to remove.
    pub(super) fn retain(&mut self) {
        if self.is_down() {
            return;
        }
        if let Err(error) = self.try_retain() {
            self.purge = None;
            if matches!(error, StoreError::Index { .. }) {
                self.index_failed(&error);
            } else {
                self.note_journal_failure(&error);
            }
        }
    }

    /// The segment that can go next.
    pub(super) fn next_purge(&self) -> Option<u64> {
        let (&oldest, &bytes) = self.sizes.first_key_value()?;
        let settings = &self.shared.settings;
        let row = self.tallies.segments().get(&oldest).copied().unwrap_or_default();
        let is_aged = row.newest.plus(settings.retain) < clock::now();
        let is_pressed = self.total_bytes() > settings.max_bytes - 2 * self.margin_bytes();
        let is_open = oldest == self.writer.position().segment;
        if is_open && bytes <= settings.segment_bytes / 4 && !(is_aged && bytes > HEADER_BYTES) {
            return None;
        }
        let standing = self.standing_bytes(oldest);
        let live = live_bytes(&row) + standing;
        let goes = match (row.n_unfinished + standing, is_pressed) {
            (0, _) => is_aged || is_pressed,
            (_, true) => live * 2 <= bytes || self.reclaimable_bytes() > 2 * bytes,
            // What is kept for ever must not keep the rest.
            (_, false) if row.n_unfinished == 0 && !is_open => is_aged && live * 2 <= bytes,
            (_, false) => is_aged && live * 4 <= bytes,
        };
        goes.then_some(oldest)
    }

    /// Webhooks whose standing is written there.
    fn standings_in(&self, segment: u64) -> impl Iterator<Item = (WebhookId, &StandingRow)> {
        let standings = self.tallies.standings().iter().map(|(&id, row)| (id, row));
        standings.filter(move |(_, row)| row.location.segment == segment)
    }

    fn standing_bytes(&self, segment: u64) -> u64 {
        let standings = self.standings_in(segment).map(|(_, row)| row.location.len);
        let kept = self.kept_in(segment).map(|(_, at)| at.len);
        standings.chain(kept).map(u64::from).sum()
    }

    /// Definitions and recoveries that are written there.
    fn kept_in(&self, segment: u64) -> impl Iterator<Item = (Record, Location)> {
        let (kept, at) = (self.tallies.kept(), clock::now());
        let is_here = move |location: &Location| location.segment == segment;
        let definitions = kept.definitions().iter().filter(move |(_, row)| is_here(&row.location));
        // Of a deleted webhook it is kept while there are deliveries to it.
        let is_wanted =
            |id: WebhookId, is_deleted: bool| !is_deleted || self.tallies.n_of(id).0 > 0;
        let definitions = definitions.filter(move |(id, row)| is_wanted(**id, row.text.is_none()));
        let definitions = definitions.map(move |(&webhook_id, row)| {
            let text = row.text.clone();
            (Record::Definition(DefinitionRecord { webhook_id, text, at }), row.location)
        });
        let recoveries = kept.recoveries().values().filter(move |row| is_here(&row.location));
        let recoveries =
            recoveries.map(|row| (progress(&row.recovery, row.next, row.end), row.location));
        definitions.chain(recoveries)
    }

    /// What would be free if only live bytes were kept.
    pub(super) fn reclaimable_bytes(&self) -> u64 {
        let open = self.writer.position().segment;
        let live = |n: &u64| self.tallies.segments().get(n).map_or(0, live_bytes);
        self.sizes
            .iter()
            .filter(|&(&n, _)| n != open)
            .map(|(n, bytes)| bytes.saturating_sub(live(n)))
            .sum()
    }

    fn try_retain(&mut self) -> Result<(), StoreError> {
        if self.purge.is_none() {
            let Some(segment) = self.next_purge() else { return Ok(()) };
            if segment == self.writer.position().segment {
                self.writer.roll()?;
                let at = self.writer.position();
                self.sizes.insert(at.segment, at.offset);
            }
            self.purge = Some(self.start(segment)?);
        }
        self.catch_up();
        let Some(mut purge) = self.purge.take() else { return Ok(()) };
        let events = purge.next_events(self.store_id).map_err(|e| {
            StoreError::io("read", &segment::path(&self.journal_dir(), purge.segment), e)
        })?;
        if events.is_empty() && purge.offset >= purge.bytes {
            if self.carry_standings(purge.segment)? {
                return self.drop_segment(purge.segment);
            }
            self.purge = Some(purge);
            return Ok(());
        }
        self.empty_out(&events)?;
        self.purge = Some(purge);
        Ok(())
    }

    fn start(&self, number: u64) -> Result<Purge, StoreError> {
        let path = segment::path(&self.journal_dir(), number);
        let failed = |e| StoreError::io("open", &path, e);
        let file = File::open(&path).map_err(failed)?;
        let bytes = file.metadata().map_err(failed)?.len();
        Ok(Purge { segment: number, offset: HEADER_BYTES, next_seq: 0, bytes, file })
    }

    /// Copies the unfinished of these events forward and forgets the others.
    fn empty_out(&mut self, events: &[(EventId, Location)]) -> Result<(), StoreError> {
        let mut finished: Vec<(u64, EventRow)> = Vec::new();
        let mut unfinished: Vec<EventRow> = Vec::new();
        for &(id, at) in events {
            let Some((ordinal, row)) = self.shared.event_row(id)? else { continue };
            if row.location != at {
                continue; // Has been copied forward before.
            }
            if self.is_unfinished(&row)? {
                unfinished.push(row);
            } else {
                finished.push((ordinal, row));
            }
        }
        let estimate = unfinished.iter().map(|row| u64::from(row.location.len)).sum();
        let mut batch = self.writer.batch(estimate)?;
        let mut staged = Staged::default();
        for row in &unfinished {
            for record in self.records_of(row)? {
                staged.push(&mut batch, record);
            }
        }
        self.append(&batch)?;
        let position = (!batch.is_empty()).then(|| batch.end());
        let became_due = self.write_forgotten(&staged, &finished, position)?;
        self.shared.leases.added(&became_due);
        Ok(())
    }

    fn write_forgotten(
        &mut self,
        staged: &Staged,
        finished: &[(u64, EventRow)],
        position: Option<Position>,
    ) -> Result<BecameDue, StoreError> {
        let (tallies, store_id) = (&mut self.tallies, self.store_id);
        let written = self.shared.index.with(|tree| {
            let mut applier = Applier::new(tree, tallies);
            for (record, at) in &staged.records {
                applier.apply(record, *at)?;
            }
            for (ordinal, row) in finished {
                applier.forget(*ordinal, row)?;
            }
            applier.write(store_id, position)
        });
        written.map_err(|e| as_index_error(&e))
    }

    /// How webhooks stand and are defined is wanted for ever: what is written there is copied forward,
    /// some of it at a time. Whether that was the rest.
    fn carry_standings(&mut self, segment: u64) -> Result<bool, StoreError> {
        let at = clock::now();
        let standings = self.standings_in(segment).map(|(webhook_id, row)| {
            let state = row.state();
            (Record::Webhook(WebhookRecord { webhook_id, state, at }), row.location)
        });
        let (mut records, mut bytes, mut is_rest) = (Vec::new(), 0, true);
        for (record, location) in standings.chain(self.kept_in(segment)) {
            if bytes >= CARRIED_BYTES_PER_SLICE {
                is_rest = false;
                break;
            }
            bytes += u64::from(location.len);
            records.push(record);
        }
        let mut batch = self.writer.batch(bytes)?;
        let mut staged = Staged::default();
        for record in records {
            staged.push(&mut batch, record);
        }
        self.append(&batch)?;
        let became_due =
            self.write_forgotten(&staged, &[], (!batch.is_empty()).then(|| batch.end()))?;
        self.shared.leases.added(&became_due);
        Ok(is_rest)
    }

    fn is_unfinished(&self, row: &EventRow) -> Result<bool, StoreError> {
        for &(id, _) in &row.deliveries {
            let delivery = self.delivery_row(id)?;
            if delivery.is_some_and(|d| d.state == DeliveryState::Pending) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// An event, its attempts, and where its deliveries stand: all that a rebuild needs.
    fn records_of(&self, row: &EventRow) -> Result<Vec<Record>, StoreError> {
        let now = clock::now();
        let mut records = match self.shared.reader.read(row.location) {
            Ok(event) => vec![self.with_added(event, row)?],
            Err(StoreError::Damaged { detail }) => {
                self.shared.report_damage(&detail);
                return Ok(Vec::new());
            }
            Err(error) => return Err(error),
        };
        for &(id, _) in &row.deliveries {
            let Some(delivery) = self.delivery_row(id)? else { continue };
            let mut bytes = u64::from(delivery.share_bytes);
            for number in 1..=delivery.attempts {
                let at: Option<Location> =
                    self.shared.index.with(|tree| get(tree, keys::attempt(id, number)))?;
                bytes += at.map_or(0, |at| u64::from(at.len));
                match at.map(|at| self.shared.reader.read(at)) {
                    Some(Ok(attempt)) => records.push(attempt),
                    Some(Err(StoreError::Damaged { detail })) => self.shared.report_damage(&detail),
                    Some(Err(error)) => return Err(error),
                    None => {}
                }
            }
            records.push(Record::State(StateRecord {
                delivery_id: id,
                state: delivery.state,
                due: delivery.due,
                attempts: delivery.attempts,
                failures: delivery.failures,
                at: now,
                why: Why::Carried,
                error: None,
                carried_bytes: Some(bytes),
            }));
        }
        Ok(records)
    }

    /// An event's record with the deliveries that were added since.
    fn with_added(&self, record: Record, row: &EventRow) -> Result<Record, StoreError> {
        let Record::Event { mut event, committed_at, mut ordered } = record else {
            return Err(self.shared.reader.damaged(row.location, "it is another record"));
        };
        for &(id, webhook) in &row.deliveries {
            if event.deliveries.contains(&(id, webhook)) {
                continue;
            }
            let delivery = self.delivery_row(id)?;
            ordered.extend(delivery.filter(|d| d.chain.is_some()).map(|_| id));
            event.deliveries.push((id, webhook));
        }
        Ok(Record::Event { event, committed_at, ordered })
    }

    /// Everything in it has been dealt with: the index forgets it first and for sure, so that a
    /// missing file is never taken for a loss.
    fn drop_segment(&mut self, number: u64) -> Result<(), StoreError> {
        let (tallies, position, store_id) =
            (&mut self.tallies, self.writer.position(), self.store_id);
        self.shared
            .index
            .with(|tree| {
                let mut applier = Applier::new(tree, tallies);
                applier.drop_segment(number);
                applier.write(store_id, Some(position))?;
                tree.flush().map_err(failed)
            })
            .map_err(|e| as_index_error(&e))?;
        self.shared.reader.forget(number);
        self.sizes.remove(&number);
        tracing::debug!(segment = number, "removed a segment whose time has passed");
        segment::remove(&self.journal_dir(), number)?;
        self.look_at_size();
        Ok(())
    }

    pub(super) fn journal_dir(&self) -> std::path::PathBuf {
        self.shared.settings.path.join("journal")
    }
}

impl Purge {
    /// The next few events of the segment; empty and at its end when there are no more.
    fn next_events(&mut self, store_id: [u8; 16]) -> io::Result<Vec<(EventId, Location)>> {
        let origin = Origin { store_id, segment: self.segment };
        let mut events = Vec::new();
        let mut chunk = self.chunk(CHUNK_BYTES)?;
        let mut at = 0;
        while events.len() < N_EVENTS_PER_SLICE && self.offset < self.bytes {
            let Some(frame) = frame::parse(&chunk[at..], self.offset, origin) else {
                if at > 0 {
                    break; // Cut by the chunk's end: the next slice begins here.
                }
                chunk = self.chunk(usize::MAX)?;
                let found = scan::next_sound(&chunk, self.offset, origin, self.next_seq);
                self.offset = found.unwrap_or(self.bytes);
                at = usize::try_from(self.offset - (self.bytes - chunk.len() as u64))
                    .map_err(io::Error::other)?;
                continue;
            };
            if frame.kind == Kind::Event {
                let meta = frame.payload.get(4..).unwrap_or_default();
                let id = serde_json::Deserializer::from_slice(meta).into_iter::<IdOnly>().next();
                events.extend(id.and_then(Result::ok).map(|meta| (meta.id, frame.location)));
            }
            let len = frame.location.len;
            self.next_seq = frame.seq + 1;
            self.offset += u64::from(len);
            at += usize::try_from(len).map_err(io::Error::other)?;
        }
        Ok(events)
    }

    /// Bytes from the current offset on, at least one whole frame if `n_max` allows.
    fn chunk(&self, n_max: usize) -> io::Result<Vec<u8>> {
        let n_left = usize::try_from(self.bytes - self.offset).map_err(io::Error::other)?;
        let mut chunk = vec![0; n_left.min(n_max)];
        self.file.read_exact_at(&mut chunk, self.offset)?;
        Ok(chunk)
    }
}

/// What would have to be copied forward, estimated from above.
fn live_bytes(row: &SegmentRow) -> u64 {
    if row.n_unfinished == 0 { 0 } else { row.live_bytes.max(row.carried_bytes) }
}

/// Whatever failed here was the index's.
fn as_index_error(error: &StoreError) -> StoreError {
    StoreError::Index { detail: error.in_full() }
}
