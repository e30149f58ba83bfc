use super::*;
use crate::model::REST_MAX;

const SECOND: Duration = Duration::from_secs(1);

const LIMITS: Limits = Limits {
    pause_after: 3,
    disable_after: 0,
    probe_first: Duration::from_secs(30),
    probe_max: Duration::from_secs(600),
    jitter: 0.0,
};

/// A webhook, and a clock that is told when to move.
struct Patient {
    health: Health,
    limits: Limits,
    now: Moment,
}

fn patient(limits: Limits) -> Patient {
    let now = Moment::now();
    Patient { health: Health::new(WebhookState::default(), 0, now.steady), limits, now }
}

fn failed(is_last: bool) -> Sign {
    Sign::Failed { reason: "the receiver answered 500".to_owned(), is_last }
}

impl Patient {
    fn note(&mut self, sign: &Sign) -> Option<Change> {
        self.health.note(sign, false, self.limits, self.now, 0.5)
    }

    /// Waits until it opens, and probes; gives how long that was.
    fn probe(&mut self, sign: &Sign) -> (Duration, Option<Change>) {
        let at = self.health.opens_at().expect("a probe is due some time");
        let wait = at.saturating_duration_since(self.now.steady);
        self.now = Moment { wall: self.now.wall.plus(wait), steady: self.now.steady + wait };
        self.health.probe();
        assert_eq!(self.health.opens_at(), None, "one at a time");
        self.health.probe_ended();
        (wait, self.health.note(sign, true, self.limits, self.now, 0.5))
    }

    fn pause(&mut self) {
        assert_eq!(self.note(&failed(false)), None);
        assert_eq!(self.note(&failed(false)), None);
        assert_eq!(self.note(&failed(false)), Some(Change::Paused));
    }

    fn status(&self) -> WebhookStatus {
        self.health.state().status
    }
}

#[test]
fn failed_attempts_in_a_row_pause_it() {
    let mut one = patient(LIMITS);
    one.note(&failed(false));
    one.note(&failed(true));
    one.note(&Sign::Accepted);
    one.pause();
    let state = one.health.state();
    assert_eq!(state.status, WebhookStatus::Paused);
    let reason = "3 failed attempts in a row; the last: the receiver answered 500";
    assert_eq!(state.reason.as_deref(), Some(reason));
    assert_eq!(state.since, one.now.wall);
}

#[test]
fn probes_are_further_and_further_apart() {
    let mut one = patient(LIMITS);
    one.pause();
    let waits = [30, 60, 120, 240, 480, 600, 600].map(|secs| SECOND * secs);
    for wait in waits {
        assert_eq!(one.probe(&failed(true)), (wait, None));
    }
    assert_eq!(one.probe(&Sign::Accepted), (SECOND * 600, Some(Change::Recovered)));
    assert_eq!(one.status(), WebhookStatus::Active);
    assert_eq!(one.health.state().reason, None);
    assert_eq!(one.health.opens_at(), Some(one.now.steady), "at once");
    one.pause();
    assert_eq!(one.probe(&failed(true)).0, SECOND * 30, "it begins anew");
}

#[test]
fn what_was_under_way_when_the_pause_began_just_ends() {
    let mut one = patient(LIMITS);
    one.pause();
    let at = one.health.opens_at();
    assert_eq!(one.note(&failed(false)), None);
    assert_eq!(one.note(&Sign::Accepted), None);
    assert_eq!((one.status(), one.health.opens_at()), (WebhookStatus::Paused, at));
}

#[test]
fn zero_is_never() {
    let mut one = patient(Limits { pause_after: 0, ..LIMITS });
    for _ in 0..1000 {
        assert_eq!(one.note(&failed(true)), None);
    }
    assert_eq!(one.status(), WebhookStatus::Active);
}

#[test]
fn failed_deliveries_in_a_row_disable_it() {
    let mut one = patient(Limits { pause_after: 0, disable_after: 2, ..LIMITS });
    assert_eq!(one.note(&failed(true)), None);
    assert_eq!(one.note(&Sign::Accepted), None);
    assert_eq!(one.note(&failed(true)), None);
    assert_eq!(one.note(&failed(false)), None, "this one is tried again");
    assert_eq!(one.note(&failed(true)), Some(Change::Disabled));
    assert_eq!(one.health.opens_at(), None);
    let reason = "2 failed deliveries in a row; the last: the receiver answered 500";
    assert_eq!(one.health.state().reason.as_deref(), Some(reason));
    assert_eq!(one.note(&failed(true)), None, "told once");
    assert_eq!(one.note(&Sign::Accepted), None, "only somebody can enable it");
    assert_eq!(one.status(), WebhookStatus::Disabled);
}

#[test]
fn deliveries_that_failed_before_the_start_count() {
    let now = Moment::now();
    let limits = Limits { disable_after: 3, ..LIMITS };
    let mut health = Health::new(WebhookState::default(), 2, now.steady);
    assert_eq!(health.note(&failed(true), false, limits, now, 0.5), Some(Change::Disabled));
}

#[test]
fn a_paused_one_can_still_be_disabled_by_its_probes() {
    let mut one = patient(Limits { disable_after: 2, ..LIMITS });
    one.pause();
    assert_eq!(one.probe(&failed(true)).1, None);
    assert_eq!(one.probe(&failed(true)).1, Some(Change::Disabled));
}

#[test]
fn gone_disables_at_once() {
    let mut one = patient(LIMITS);
    assert_eq!(one.note(&Sign::Gone), Some(Change::Disabled));
    assert_eq!(one.health.state().reason.as_deref(), Some("the receiver answered 410 Gone"));
    assert_eq!(one.note(&Sign::Gone), None);
}

#[test]
fn our_own_faults_are_not_held_against_it() {
    let mut one = patient(Limits { pause_after: 1, disable_after: 1, ..LIMITS });
    let ours = Sign::NotTheirs { reason: "no such key".to_owned() };
    for _ in 0..10 {
        assert_eq!(one.note(&ours), None);
    }
    assert_eq!(one.note(&failed(false)), Some(Change::Paused));
    assert_eq!(one.probe(&ours), (SECOND * 30, None));
    assert_eq!(one.probe(&Sign::Accepted), (SECOND * 30, Some(Change::Recovered)));
}

#[test]
fn enabling_by_hand_begins_anew() {
    let mut one = patient(Limits { disable_after: 2, ..LIMITS });
    one.note(&failed(true));
    one.note(&failed(true));
    assert_eq!(one.status(), WebhookStatus::Disabled);
    let enabled = WebhookState { since: one.now.wall, ..WebhookState::default() };
    let now = one.now.steady;
    assert_eq!(one.health.follow(&enabled, now), Some(Change::Recovered));
    assert_eq!(one.health.follow(&enabled, now), None, "that is known");
    assert_eq!(one.health.opens_at(), Some(now));
    assert_eq!(one.note(&failed(true)), None, "counted from one");
    assert_eq!(one.note(&failed(true)), Some(Change::Disabled));
}

#[test]
fn after_a_restart_a_paused_one_is_probed_at_once() {
    let now = Moment::now();
    let state = WebhookState { status: WebhookStatus::Paused, ..WebhookState::default() };
    let health = Health::new(state, 0, now.steady);
    let mut one = Patient { health, limits: LIMITS, now };
    assert_eq!(one.probe(&failed(false)), (Duration::ZERO, None));
    assert_eq!(one.probe(&failed(false)), (SECOND * 30, None));
    assert_eq!(one.probe(&Sign::Accepted), (SECOND * 60, Some(Change::Recovered)));
}

#[test]
fn enabling_what_the_configuration_switched_off_is_told_too_and_once() {
    let mut one = patient(LIMITS);
    let since = one.now.wall;
    let enabled = WebhookState { since, overrides_file: true, ..WebhookState::default() };
    let now = one.now.steady;
    assert_eq!(one.health.follow(&enabled, now), Some(Change::Recovered));
    assert_eq!(one.health.follow(&enabled, now), None);
    // The file says `active = true` now.
    assert_eq!(one.health.follow(&WebhookState::default(), now), None);
}

#[test]
fn a_rest_is_kept_whatever_it_stands_like_and_written_when_it_is_news() {
    let mut one = patient(LIMITS);
    let now = one.now.wall;
    let minute = now.plus(60 * SECOND);
    assert!(!one.health.rest_until(now.plus(SECOND), now), "over before a restart would be");
    assert!(one.health.rest_until(minute, now));
    assert!(!one.health.rest_until(minute.plus(SECOND), now), "as good as known");
    assert!(!one.health.rest_until(now.plus(10 * SECOND), now), "sooner");
    one.pause();
    assert_eq!(one.health.state().rests_until, Some(minute));
    assert_eq!(one.probe(&Sign::Accepted).1, Some(Change::Recovered));
    assert_eq!(one.health.state().rests_until, Some(minute));
    assert!(one.health.rest_until(minute.plus(10 * SECOND), minute));

    // Written by a clock that was years ahead: it is not believed, and the next one replaces it.
    one.health.state.rests_until = Some(now.plus(1000 * REST_MAX));
    assert_eq!(one.health.state().rest(now), None);
    assert!(one.health.rest_until(minute, now));
    assert_eq!(one.health.state().rest(now), Some(minute));

    // The store says so too, and nothing has happened.
    let state = WebhookState { rests_until: None, ..one.health.state().clone() };
    assert_eq!(one.health.follow(&state, one.now.steady), None);
    assert_eq!(one.health.state().rests_until, None);
}
