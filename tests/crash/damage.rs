//! One byte of a waiting event is changed on disk while sidehook is down.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::process::{Sidehook, Switch};
use crate::world::{self, World};

/// What came of it.
pub(crate) struct Found {
    /// Distinct calls delivered with their own bytes.
    pub(crate) delivered: usize,
    /// Calls whose record was not touched.
    pub(crate) undamaged: usize,
    /// Calls delivered with other bytes.
    pub(crate) altered: usize,
    /// Whether the log and `/v1/status` speak of damage.
    pub(crate) told: bool,
    /// The log.
    pub(crate) log: String,
}

/// Twenty events wait for a receiver that is down; one byte of one body is flipped and the index
/// removed, so that everything is read from the journal; then the receiver comes up.
pub(crate) fn flip_one_byte_of_a_waiting_event(switch: Switch) -> Found {
    let calls = 20;
    let world = World::new(700);
    world.receiver_refuses(true);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let sidehook = Sidehook::start(folder.path(), &world, switch);
    world.calls(&sidehook, calls);
    sidehook.kill();

    let data = folder.path().join("data");
    fs::remove_dir_all(data.join("index")).expect("the store has an index");
    flip_in_journal(&data.join("journal"), &world.marker(7));
    world.receiver_refuses(false);

    let sidehook = Sidehook::start(folder.path(), &world, switch);
    let patience = Duration::from_secs(20);
    // Not the first nineteen: an altered one may be the last.
    world::holds(patience, || sidehook.status().contains("\"pending\":0,\"held\":0"));
    let log = sidehook.log_text();
    let told = log.contains("damage") && sidehook.status().contains("\"damage\":[");
    sidehook.kill();
    Found {
        delivered: world.delivered(),
        undamaged: calls - 1,
        altered: world.altered(),
        told,
        log,
    }
}

fn flip_in_journal(journal: &Path, marker: &[u8]) {
    for entry in fs::read_dir(journal).expect("the store has a journal") {
        let path = entry.expect("readable folder").path();
        let mut bytes = fs::read(&path).expect("readable segment");
        if let Some(at) = bytes.windows(marker.len()).position(|window| window == marker) {
            let last = at + marker.len() - 2; // a letter of the padding: the JSON stays JSON
            bytes[last] ^= 1;
            fs::write(&path, bytes).expect("writable segment");
            return;
        }
    }
    panic!("the journal does not hold the call's body");
}
