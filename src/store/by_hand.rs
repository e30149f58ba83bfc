//! What somebody wants to go out now: a delivery queued again by hand does not wait for its lane
//! to open (a pause, a `Retry-After`, a webhook that is disabled), as others do.

use super::Store;
use super::error::StoreError;
use super::index::keys;
use super::index::rows::DeliveryRow;
use super::index::{failed, get};
use super::leases::Lease;
use super::shared::Shared;
use crate::model::{DeliveryId, DeliveryState, WebhookId};

impl Store {
    /// Deliveries queued again by hand that nobody holds yet, first first, with their webhooks.
    /// Asked for at the end of every attempt: so no disk is read for it. In memory only: after a
    /// restart they go out with their lanes.
    pub fn wanted_by_hand(&self) -> Vec<(DeliveryId, WebhookId)> {
        self.shared.leases.lock().wanted_by_hand()
    }

    /// A lease of one of them, whatever stands in its lane's way; `None`: it waits no more, or an
    /// older one of its chain goes first, and it is forgotten here.
    ///
    /// # Errors
    /// The index or the journal cannot be read.
    pub fn lease_by_hand(&self, id: DeliveryId) -> Result<Option<Lease>, StoreError> {
        self.shared.lease_by_hand(id)
    }

    /// It goes out with its lane.
    pub fn forget_by_hand(&self, id: DeliveryId) {
        self.shared.leases.lock().forget_by_hand(id);
    }
}

impl Shared {
    fn lease_by_hand(&self, id: DeliveryId) -> Result<Option<Lease>, StoreError> {
        if self.lease_room() == 0 {
            return Ok(None);
        }
        let mut held = self.leases.lock();
        if held.holds(id) {
            return Ok(None);
        }
        let Some(row) = self.waiting_row(id)? else {
            held.forget_by_hand(id);
            return Ok(None);
        };
        let place = (row.due, row.ordinal);
        let is_ordered = row.chain.is_some();
        let guard = self.leases.take(&mut held, row.webhook_id, place, id, is_ordered);
        drop(held);
        self.lease((guard, row.shown(id, false), row.failures))
    }

    /// The row of a delivery that stands in its lane.
    fn waiting_row(&self, id: DeliveryId) -> Result<Option<DeliveryRow>, StoreError> {
        self.index.with(|tree| {
            let row: Option<DeliveryRow> = get(tree, keys::delivery(id))?;
            let Some(row) = row.filter(|row| row.state == DeliveryState::Pending) else {
                return Ok(None);
            };
            let place = keys::lane(row.webhook_id, (row.due, row.ordinal));
            Ok(tree.contains_key(place).map_err(failed)?.then_some(row))
        })
    }
}
