//! All events of a store, oldest first, as far as they can be read.

use std::ops::ControlFlow;

use super::{Anew, Offline, OnProgress, Progress, tell};
use crate::model::{Attempt, Delivery, DeliveryId, Event, Timestamp, WebhookId, WebhookStatus};
use crate::store::StoreError;
use crate::store::index::history;
use crate::store::index::rows::{DeliveryRow, EventRow};
use crate::store::index::{Tree, failed, get, keys, parse};
use crate::store::journal::Location;
use crate::store::journal::record::Record;

/// Events written between two reports.
const N_EVENTS_PER_REPORT: u64 = 500;

/// Which events to export; empty: all.
#[derive(Clone, Debug, Default)]
pub struct Within {
    /// Of this label.
    pub label: Option<String>,
    /// At this time or later.
    pub since: Option<Timestamp>,
    /// Before this time.
    pub until: Option<Timestamp>,
}

/// An event with all that came of it. A delivery that waits is shown as held where its webhook was
/// paused or disabled at run time, and as pending else: what the configuration switched off is not known
/// here.
#[derive(Clone, Debug)]
pub struct Story {
    /// The event.
    pub event: Event,
    /// Its deliveries with their attempts.
    pub deliveries: Vec<(Delivery, Vec<Attempt>)>,
}

/// What an export came to.
#[derive(Clone, Debug, Default)]
pub struct Exported {
    /// Events handed out.
    pub events: u64,
    /// What could not be read, and so is not among them.
    pub damage: Vec<String>,
}

impl Offline {
    /// Hands out each event with its deliveries and attempts, until `each` breaks off. Changes
    /// nothing.
    ///
    /// # Errors
    /// A file cannot be read, the temporary folder cannot be written, or it was broken off. Damage
    /// is no error but part of the answer.
    pub fn export(
        &self,
        within: &Within,
        on_progress: &OnProgress,
        mut each: impl FnMut(Story) -> ControlFlow<()>,
    ) -> Result<Exported, StoreError> {
        let anew = self.anew(on_progress)?;
        let damage = [anew.chain.damage.clone(), anew.opened.replayed.damage.clone()].concat();
        let mut exported = Exported { events: 0, damage };
        let (total, mut done) = (anew.opened.tallies.n_events(), 0);
        anew.index.with(|tree| {
            history::each(tree, |row| {
                done += 1;
                if done % N_EVENTS_PER_REPORT == 0 {
                    let step = "writing events";
                    tell(on_progress, Progress { step, done, total, is_bytes: false })?;
                }
                if !within.fits(&row) {
                    return Ok(ControlFlow::Continue(()));
                }
                let Some(story) = anew.story(tree, &row, &mut exported.damage)? else {
                    return Ok(ControlFlow::Continue(()));
                };
                exported.events += 1;
                Ok(each(story))
            })
        })?;
        Ok(exported)
    }
}

impl Within {
    fn fits(&self, row: &EventRow) -> bool {
        self.label.as_ref().is_none_or(|label| *label == row.label)
            && self.since.is_none_or(|since| row.time >= since)
            && self.until.is_none_or(|until| row.time < until)
    }
}

impl Anew {
    /// `None`: its record has become unreadable since it was indexed.
    fn story(
        &self,
        tree: &Tree,
        row: &EventRow,
        damage: &mut Vec<String>,
    ) -> Result<Option<Story>, StoreError> {
        let Some(Record::Event { event, .. }) = self.record(row.location, damage)? else {
            return Ok(None);
        };
        let mut deliveries = Vec::with_capacity(row.deliveries.len());
        for &(id, _) in &row.deliveries {
            let Some(found) = get::<DeliveryRow>(tree, keys::delivery(id))? else { continue };
            let places = places(tree, id)?;
            let mut attempts = Vec::with_capacity(places.len());
            for at in places {
                if let Some(Record::Attempt { attempt, .. }) = self.record(at, damage)? {
                    attempts.push(attempt);
                }
            }
            deliveries.push((found.shown(id, self.is_held(found.webhook_id)), attempts));
        }
        Ok(Some(Story { event, deliveries }))
    }

    /// As far as the store knows. Whatever the configuration says, a webhook that is not active here
    /// holds its deliveries.
    fn is_held(&self, webhook: WebhookId) -> bool {
        let standing = self.opened.tallies.standings().get(&webhook);
        standing.is_some_and(|row| row.state().status != WebhookStatus::Active)
    }

    fn record(&self, at: Location, damage: &mut Vec<String>) -> Result<Option<Record>, StoreError> {
        match self.reader.read(at) {
            Ok(record) => Ok(Some(record)),
            Err(StoreError::Damaged { detail }) => {
                damage.push(detail);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

/// Where the attempts of a delivery stand.
fn places(tree: &Tree, id: DeliveryId) -> Result<Vec<Location>, StoreError> {
    let rows = tree.scan_prefix(&keys::attempt(id, 0)[..17]).values();
    rows.map(|value| parse(&value.map_err(failed)?)).collect()
}
