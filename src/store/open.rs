//! Opening a store: lock, journal, index, committer. Also what of it happens again while the
//! store runs, when sled has failed.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use super::StoreError;
use super::backup;
use super::committer::Committer;
use super::index::Index;
use super::index::open::{Opened, Opening, is_out_of_space};
use super::journal::Position;
use super::journal::chain::{Chain, Replayed};
use super::journal::reader::Reader;
use super::journal::segment;
use super::journal::writer::Writer;
use super::lock::Lock;
use super::owner;
use super::shared::Shared;
use super::space::{self, Reserve};
use super::types::Settings;
use crate::telemetry::Metrics;

/// Opens everything; the committer is ready to run.
pub(crate) fn open(
    settings: Settings,
    metrics: Arc<Metrics>,
) -> Result<(Arc<Shared>, Committer, Lock), StoreError> {
    let dir = settings.path.clone();
    let (journal, quarantine) = (dir.join("journal"), dir.join("quarantine"));
    for made in [&dir, &journal, &quarantine] {
        owner::create_dir(made).map_err(|e| StoreError::io("create", made, e))?;
    }
    let lock = Lock::take(&dir)?;
    backup::before_migration(&dir)?;
    let known_id = read_id(&dir)?;
    let chain = Chain::survey(&journal, &quarantine, known_id)?;
    let store_id = chain.store_id();
    let reader = Reader::new(journal.clone(), store_id);
    let shared = Shared::new(settings, metrics, Index::new(dir.join("index")), reader);
    let opened = match make_room(&dir, known_id, store_id, || open_index(&shared, &chain, None)) {
        Ok(opened) => opened,
        Err(error) => {
            shared.index.close_db();
            return Err(error);
        }
    };
    for found in chain.damage.iter().chain(&opened.replayed.damage) {
        shared.report_damage(found);
    }
    let at = settle_end(&chain, &opened.replayed, &journal)?;
    let writer = Writer::open(&journal, store_id, shared.settings.segment_bytes, at)?;
    let reserve = Reserve::take(&dir, shared.settings.max_bytes);
    let mut sizes = chain.sizes()?;
    sizes.insert(writer.position().segment, writer.position().offset);
    for segment in opened.tallies.segments().values() {
        shared.clock_showed(segment.newest);
    }
    let standings = opened.tallies.standings();
    shared.states.load(standings.iter().map(|(&id, row)| (id, row.state())).collect());
    let definitions = opened.tallies.kept().definitions().iter();
    let defined = definitions.filter_map(|(&id, row)| Some((id, row.text.clone()?)));
    shared.definitions.store(Arc::new(defined.collect()));
    shared.show_recoveries(&opened.tallies);
    let shared = Arc::new(shared);
    let mut committer =
        Committer::new(Arc::clone(&shared), writer, opened.tallies, store_id, sizes, reserve);
    committer.begin()?;
    Ok((shared, committer, lock))
}

/// Opens or rebuilds the index. `limit`: where the journal ends, when it is open for writing.
pub(crate) fn open_index(
    shared: &Shared,
    chain: &Chain,
    limit: Option<Position>,
) -> Result<Opened, StoreError> {
    let dir = &shared.settings.path;
    Opening { index: &shared.index, chain, reader: &shared.reader, dir, limit }.run()
}

/// On a full disk the reserve is given up to be able to open at all.
fn make_room(
    dir: &Path,
    known_id: Option<[u8; 16]>,
    store_id: [u8; 16],
    open: impl Fn() -> Result<Opened, StoreError>,
) -> Result<Opened, StoreError> {
    let write_and_open = || {
        if known_id.is_none() {
            write_id(dir, store_id)?;
        }
        open()
    };
    match write_and_open() {
        Err(error) if is_out_of_space(&error) => {
            tracing::warn!("the disk is full; the reserve is used to open the store");
            // Best effort: without a reserve the second try tells.
            let _ = fs::remove_file(dir.join("reserve"));
            write_and_open()
        }
        result => result,
    }
}

/// Deals with what an interrupted write left, and says where writing goes on.
fn settle_end(chain: &Chain, replayed: &Replayed, journal: &Path) -> Result<Position, StoreError> {
    let mut at = replayed.end;
    if chain.is_empty() {
        return Ok(at);
    }
    if replayed.torn_bytes > 0 {
        chain.cut(replayed)?;
    }
    if chain.last_header_is_bad() {
        if at.offset <= segment::HEADER_BYTES {
            // Its creation was interrupted: its number is used again.
            segment::remove(journal, at.segment)?;
        } else {
            at.segment += 1;
        }
        at.offset = 0;
    }
    Ok(at)
}

/// The store's id is kept beside the journal too, for a journal whose headers are damaged.
pub(crate) fn read_id(dir: &Path) -> Result<Option<[u8; 16]>, StoreError> {
    let path = dir.join("store-id");
    match fs::read_to_string(&path) {
        Ok(text) => Ok(uuid::Uuid::parse_str(text.trim()).ok().map(|id| *id.as_bytes())),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(StoreError::io("read", &path, e)),
    }
}

fn write_id(dir: &Path, store_id: [u8; 16]) -> Result<(), StoreError> {
    let path = dir.join("store-id");
    let text = format!("{}\n", uuid::Uuid::from_bytes(store_id));
    space::replace_file(&path, text.as_bytes()).map_err(|e| StoreError::io("write", &path, e))
}
