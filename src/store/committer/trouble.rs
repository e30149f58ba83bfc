//! When the disk refuses: what is said, what is tried again, and how it becomes well by itself.

use super::Committer;
use super::Taken;
use crate::store::StoreError;
use crate::store::health::Trouble;
use crate::store::index::open::is_out_of_space;
use crate::store::journal::chain::Chain;
use crate::store::journal::segment;
use crate::store::open::open_index;
use crate::store::space::{dir_bytes, free_bytes};

/// sled grows by half a MiB at a time.
const MARGIN_BYTES_MIN: u64 = 1 << 20;

impl Committer {
    /// Whether nothing at all can be written now.
    pub(super) fn is_down(&self) -> bool {
        self.shared.health.has(Trouble::Journal) || self.shared.health.has(Trouble::Index)
    }

    /// Why events, and only they, are not written now. The low-water mark and the size limit
    /// stop new calls; those under way are still taken until half of the room behind is used.
    pub(super) fn blocked(&self) -> Option<StoreError> {
        let settings = &self.shared.settings;
        let is_blocked = self.free_bytes < settings.free_bytes_min / 2 || self.is_at_its_size();
        is_blocked.then(|| match self.shared.health.check() {
            Err(unhealthy) => StoreError::Refused { reason: unhealthy.reason },
            Ok(()) => StoreError::Refused { reason: self.size_reason() },
        })
    }

    /// Half of the room for calls under way is used.
    fn is_at_its_size(&self) -> bool {
        self.total_bytes() >= self.shared.settings.max_bytes - self.margin_bytes() / 2
    }

    /// All files of the store.
    pub(super) fn total_bytes(&self) -> u64 {
        self.sizes.values().sum::<u64>() + self.other_bytes
    }

    /// The room that is kept free below `max_bytes`, for calls under way.
    pub(super) fn margin_bytes(&self) -> u64 {
        let settings = &self.shared.settings;
        settings.segment_bytes.max(MARGIN_BYTES_MIN).min(settings.max_bytes / 8)
    }

    pub(super) fn look_at_space(&mut self) {
        let (settings, health) = (&self.shared.settings, &self.shared.health);
        let dir = &settings.path;
        self.other_bytes = dir_bytes(self.shared.index.dir())
            + dir_bytes(&dir.join("quarantine"))
            + self.reserve.held_bytes();
        match free_bytes(dir) {
            Ok(free) => self.free_bytes = free,
            Err(error) => tracing::debug!(%error, "cannot tell how much of the disk is free"),
        }
        let low = settings.free_bytes_min;
        if self.free_bytes < low {
            let reason = format!(
                "only {} MiB of the disk are free, {} MiB must stay free; delete something on the disk of {}",
                self.free_bytes >> 20,
                low >> 20,
                dir.display()
            );
            if health.set(Trouble::DiskLow, reason.clone()) {
                tracing::error!(reason, "matching calls are refused until there is space");
            }
        } else if health.clear(Trouble::DiskLow) {
            tracing::info!("the disk has space again");
        }
        if self.free_bytes > low.saturating_add(self.reserve.wanted_bytes()) {
            self.reserve.retake();
        }
        self.look_at_size();
        self.shared.set_bytes(self.total_bytes());
        self.shared.set_reclaimable_bytes(self.reclaimable_bytes());
    }

    /// After a write and before anyone is told of it: the call that comes next is refused before it
    /// reaches the upstream, and not when its response is on the way.
    pub(super) fn look_at_room_left(&mut self) {
        let (settings, health) = (&self.shared.settings, &self.shared.health);
        if self.free_bytes < settings.free_bytes_min && !health.has(Trouble::DiskLow) {
            // Counted, not seen: others may have made room.
            self.look_at_space();
        } else if !health.has(Trouble::SizeFull) {
            self.look_at_size();
        }
    }

    /// Full is a store with nothing to remove, and one where events come faster than the old ones
    /// can be removed.
    pub(super) fn look_at_size(&mut self) {
        let limit = self.shared.settings.max_bytes - self.margin_bytes();
        let is_over = self.total_bytes() > limit;
        let health = &self.shared.health;
        let is_stuck = || self.purge.is_none() && self.next_purge().is_none();
        if is_over && (self.is_at_its_size() || is_stuck()) {
            if health.set(Trouble::SizeFull, self.size_reason()) {
                let reason = self.size_reason();
                tracing::error!(reason, "matching calls are refused until there is room");
            }
        } else if !is_over && health.clear(Trouble::SizeFull) {
            tracing::info!("the store has room again");
        }
    }

    fn size_reason(&self) -> String {
        let why = if self.purge.is_some() || self.next_purge().is_some() {
            "faster than finished events are removed; it goes on by itself"
        } else if self.sizes.values().sum::<u64>() < self.other_bytes {
            "mostly with the index of its events; raise [store] max_size, or let receivers catch up \
             where deliveries wait"
        } else {
            "with undelivered events; let receivers catch up or raise [store] max_size"
        };
        let (bytes, max_bytes) = (self.total_bytes(), self.shared.settings.max_bytes);
        format!("the store has reached its size ({bytes} of {max_bytes} bytes) {why}")
    }

    /// An operator who deletes the files of a running store is told at once, not at the restart
    /// that finds nothing.
    pub(super) fn look_for_segment(&mut self) {
        if self.writer.is_deleted() {
            let path = segment::path(&self.journal_dir(), self.writer.position().segment);
            let error = std::io::Error::other("it was deleted while the store is open");
            self.note_journal_failure(&StoreError::io("write on in", &path, error));
        }
    }

    pub(super) fn note_journal_failure(&mut self, error: &StoreError) {
        let reason = format!("{}; it is tried again by itself", error.in_full());
        if self.shared.health.set(Trouble::Journal, reason) {
            tracing::error!(error = %error.in_full(), "the journal cannot be written");
        }
        self.purge = None;
    }

    pub(super) fn index_failed(&mut self, error: &StoreError) {
        let reason = format!("{}; the index is reopened by itself", error.in_full());
        if self.shared.health.set(Trouble::Index, reason) {
            tracing::warn!(error = %error.in_full(), "the index failed; nothing is lost");
        }
        self.purge = None;
        self.behind.forget();
        self.shared.index.close_db();
        self.shared.shown.all_told();
    }

    /// Tries to become well again.
    pub(super) fn probe(&mut self) {
        if self.shared.health.has(Trouble::Journal) {
            let repaired =
                if self.writer.is_broken() { self.writer.repair() } else { self.writer.roll() };
            match repaired {
                Ok(()) => {
                    let at = self.writer.position();
                    self.sizes.insert(at.segment, at.offset);
                    self.shared.health.clear(Trouble::Journal);
                    tracing::info!(segment = at.segment, "the journal is written again");
                }
                Err(error) => tracing::debug!(error = %error.in_full(), "still no journal"),
            }
        }
        if self.shared.health.has(Trouble::Index) {
            match self.reopen_index() {
                Ok(()) => tracing::info!("the index is back"),
                Err(error) => {
                    if is_out_of_space(&error) {
                        self.reserve.release();
                    }
                    self.shared.index.close_db();
                    tracing::debug!(error = %error.in_full(), "still no index");
                }
            }
        }
        if !self.is_down() {
            // What waited is taken up at once.
            self.commit(Taken::default());
        }
    }

    fn reopen_index(&mut self) -> Result<(), StoreError> {
        let dir = &self.shared.settings.path;
        let (journal, quarantine) = (dir.join("journal"), dir.join("quarantine"));
        self.shared.index.close_db();
        let chain = Chain::survey(&journal, &quarantine, Some(self.store_id))?;
        let opened = open_index(&self.shared, &chain, Some(self.writer.position()))?;
        for found in chain.damage.iter().chain(&opened.replayed.damage) {
            self.shared.report_damage(found);
        }
        self.tallies = opened.tallies;
        self.show_recoveries();
        self.walks = super::recover::Walks::default();
        // Attempts whose end was in the journal are in the index now.
        self.unsettled.clear();
        self.shared.leases.forget_marks();
        self.shared.leases.wake.notify_one();
        self.shared.health.clear(Trouble::Index);
        self.shared.changes.miss();
        Ok(())
    }
}
