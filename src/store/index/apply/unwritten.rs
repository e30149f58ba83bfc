//! Changes that are worked out and not yet in sled: several batches of the journal may share one of
//! sled's, because what that costs is more by the batch than by the row.

use std::collections::HashMap;

use super::{Applier, BecameDue};
use crate::model::{DeliveryId, EventId};
use crate::store::index::chains::Chains;
use crate::store::index::rows::{DeliveryRow, EventRow};
use crate::store::index::tallies::Tallies;
use crate::store::index::{blocks, ids, ordinals};
use crate::store::journal::Location;

/// What an [`Applier`] has gathered. The tallies are ahead of sled by the same: no other applier
/// may write before this is written.
#[derive(Debug, Default)]
pub(crate) struct Unwritten {
    batch: sled::Batch,
    events: HashMap<EventId, (u64, Option<EventRow>)>,
    ids: ids::Changes,
    deliveries: HashMap<DeliveryId, Option<DeliveryRow>>,
    chains: Chains,
    ordinals: ordinals::Changes,
    blocks: blocks::Changes,
    became_due: BecameDue,
    last: Option<Location>,
}

impl<'a> Applier<'a> {
    /// Goes on where another has paused.
    pub(crate) fn resume(
        tree: &'a sled::Tree,
        tallies: &'a mut Tallies,
        unwritten: Unwritten,
    ) -> Self {
        let Unwritten {
            batch,
            events,
            ids,
            deliveries,
            chains,
            ordinals,
            blocks,
            became_due,
            last,
        } = unwritten;
        Self {
            tree,
            tallies,
            batch,
            events,
            ids,
            deliveries,
            chains,
            ordinals,
            blocks,
            became_due,
            last,
        }
    }

    /// Writes nothing yet.
    pub(crate) fn pause(self) -> Unwritten {
        let Self {
            batch, events, ids, deliveries, chains, ordinals, blocks, became_due, last, ..
        } = self;
        Unwritten { batch, events, ids, deliveries, chains, ordinals, blocks, became_due, last }
    }
}
