//! How the webhooks stand: what their attempts make of it goes to the store, what operators
//! decide comes from there.

use std::mem;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{Ended, Scheduler};
use crate::delivery::announce::{self, By};
use crate::delivery::deliver::{Context, Report, chance};
use crate::delivery::health::{Change, Health, Limits, Moment, Sign};
use crate::delivery::lane::Lane;
use crate::model::{Webhook, WebhookId, WebhookState};

/// A webhook whose requests cannot be built is told of so often.
const TELL_EVERY: Duration = Duration::from_secs(60);

impl Scheduler {
    /// An attempt has ended: its lane has a place again, and so have all together.
    pub(super) fn end(&mut self, ended: Ended) {
        // What an operator has decided meanwhile goes before what the attempt says.
        self.follow();
        self.in_flight -= 1;
        let Some(lane) = self.lanes.get_mut(&ended.webhook) else { return };
        lane.in_flight = lane.in_flight.saturating_sub(1);
        lane.is_stale = true;
        if ended.was_probe {
            lane.health.probe_ended();
        }
        let Some(report) = ended.report else { return };
        let now = Moment::now();
        tell_own_failure(lane, &report, now.steady);
        if let Some(until) = report.not_before {
            lane.wait_until(until, now);
            if lane.health.rest_until(until, now.wall) {
                let webhook = &lane.webhook.name;
                tracing::info!(webhook, %until, "the receiver asks for rest");
                self.context.store.rest_webhook(ended.webhook, until);
            }
        }
        let limits = limits(&self.context, &lane.webhook);
        let change = lane.health.note(&report.sign, ended.was_probe, limits, now, chance());
        if let Some(change) = change {
            let state = lane.health.state();
            announce::status(&self.context, &lane.webhook, change, state, By::Itself, now.wall);
            // Whoever hears that it is paused can be told until when.
            self.show_probes();
            self.save(ended.webhook);
        }
    }

    /// The status of a webhook is in the store now; it may have changed meanwhile, here or there.
    pub(super) fn saved(&mut self, id: WebhookId) {
        let Some(lane) = self.lanes.get_mut(&id) else { return };
        let Some(saved) = lane.saving.take() else { return };
        if saved.is_but_for_rest(lane.health.state()) {
            // What we know of the store may be older than our own change.
            self.states = Arc::default();
        } else {
            self.save(id);
        }
    }

    /// Tells when the paused webhooks may be probed.
    pub(super) fn show_probes(&self) {
        let open = |(&id, lane): (&WebhookId, &Lane)| Some((id, lane.probe_opens_at()?));
        self.context.in_force.probes.show(self.lanes.iter().filter_map(open).collect());
    }

    /// Brings the lanes in line with the webhooks of now and how they stand.
    pub(super) fn follow(&mut self) {
        let webhooks = self.context.store.webhooks();
        let states = self.context.store.webhook_states();
        let is_same_set = Arc::ptr_eq(&webhooks, &self.webhooks);
        if is_same_set && Arc::ptr_eq(&states, &self.states) {
            return;
        }
        self.states = states;
        self.refresh();
        if !is_same_set {
            self.follow_webhooks(webhooks);
        }
        for at in 0..self.order.len() {
            self.follow_state(self.order[at]);
        }
    }

    fn follow_webhooks(&mut self, webhooks: Arc<Vec<Arc<Webhook>>>) {
        let mut before = mem::take(&mut self.lanes);
        let now = Moment::now();
        for webhook in webhooks.iter() {
            let lane = match before.remove(&webhook.id) {
                Some(lane) => lane.with(Arc::clone(webhook), now.steady),
                None => self.lane(webhook, now),
            };
            self.lanes.insert(webhook.id, lane);
        }
        // One that is gone stays until its attempts have ended: it may come back before.
        let under_way = before.into_iter().filter(|(_, lane)| lane.in_flight > 0);
        self.lanes.extend(under_way.map(|(id, lane)| (id, lane.closed())));
        self.order = webhooks.iter().map(|webhook| webhook.id).collect();
        self.webhooks = webhooks;
    }

    /// Of a webhook that is new here. Its receiver may have asked for rest before a restart.
    fn lane(&self, webhook: &Arc<Webhook>, now: Moment) -> Lane {
        let health = self.health(webhook, now.steady);
        let rest = health.state().rest(now.wall);
        let mut lane = Lane::new(Arc::clone(webhook), health, now.steady);
        if let Some(until) = rest {
            lane.wait_until(until, now);
        }
        lane
    }

    /// What the store knows of a webhook that is new here.
    fn health(&self, webhook: &Webhook, now: Instant) -> Health {
        let state = self.states.get(&webhook.id).cloned().unwrap_or_default();
        let n_failed = self.context.store.failed_in_a_row(webhook.id, u32::MAX).unwrap_or_else(|error| {
            tracing::warn!(webhook = webhook.name, %error, "failed deliveries are counted anew");
            0
        });
        Health::new(state, n_failed, now)
    }

    /// Takes over what somebody else has set. While our own change is on its way there, what the
    /// store says is old.
    fn follow_state(&mut self, id: WebhookId) {
        let unset = WebhookState::default();
        let states = &self.states;
        let Some(lane) = self.lanes.get_mut(&id).filter(|lane| lane.saving.is_none()) else {
            return;
        };
        let now = Moment::now();
        let state = states.get(&id).unwrap_or(&unset);
        let is_roused = lane.health.state().rests_until.is_some() && state.rests_until.is_none();
        let change = lane.health.follow(state, now.steady);
        // Enabled, perhaps without having been anything else.
        if is_roused || change == Some(Change::Recovered) {
            lane.is_stale = true;
            lane.wait_no_more(now.steady);
        }
        let Some(change) = change else { return };
        lane.is_stale = true;
        announce::status(&self.context, &lane.webhook, change, state, By::Operator, now.wall);
    }

    /// Writes how a webhook stands to the store, one write at a time so that none overtakes.
    fn save(&mut self, id: WebhookId) {
        let Some(lane) = self.lanes.get_mut(&id).filter(|lane| lane.saving.is_none()) else {
            return;
        };
        let state = lane.health.state().clone();
        lane.saving = Some(state.clone());
        // In force from here on, so that whoever decides otherwise afterwards has the last word.
        let stored = self.context.store.set_webhook_state(id, state);
        let (saves, webhook) = (self.saves.clone(), Arc::clone(&lane.webhook));
        self.tasks.spawn(async move {
            if let Err(error) = stored.await {
                let webhook = webhook.name.as_str();
                tracing::warn!(webhook, %error, "its status is not stored yet");
            }
            // Closed: we stop.
            let _ = saves.send(id).await;
        });
    }
}

fn limits(context: &Context, webhook: &Webhook) -> Limits {
    let terms = context.in_force.terms();
    let settings = &terms.settings;
    Limits {
        pause_after: webhook.pause_after,
        disable_after: webhook.disable_after,
        probe_first: settings.probe_first,
        probe_max: settings.probe_max,
        jitter: settings.jitter,
    }
}

/// The configuration's fault or ours: an operator must hear of it, but not at every attempt.
fn tell_own_failure(lane: &mut Lane, report: &Report, now: Instant) {
    let Sign::NotTheirs { reason } = &report.sign else { return };
    if lane.told_at.is_some_and(|at| now.saturating_duration_since(at) < TELL_EVERY) {
        return;
    }
    lane.told_at = Some(now);
    tracing::error!(
        webhook = lane.webhook.name,
        reason,
        "attempts fail for a reason of ours, not the receiver's; told once a minute"
    );
}
