use super::*;
use crate::model::*;

fn lane_of(webhook: Webhook, in_flight: usize, now: Moment) -> Lane {
    let health = Health::new(WebhookState::default(), 0, now.steady);
    Lane { in_flight, ..Lane::new(Arc::new(webhook), health, now.steady) }
}

fn webhook() -> Webhook {
    Webhook::new("w", url::Url::parse("https://example.com/").expect("a URL"))
}

fn lane(concurrency: usize, in_flight: usize, now: Moment) -> Lane {
    lane_of(Webhook { concurrency, ..webhook() }, in_flight, now)
}

fn later(now: Moment, by: Duration) -> Moment {
    Moment { wall: now.wall.plus(by), steady: now.steady + by }
}

#[test]
fn a_lane_takes_its_concurrency_but_not_the_last_places() {
    let now = Moment::now();
    let share = |concurrency, in_flight, free, kept| {
        lane(concurrency, in_flight, now).share(free, kept, now)
    };
    assert_eq!(share(8, 0, 256, 0), 8, "alone: all it may");
    assert_eq!(share(8, 5, 256, 10), 3, "what is left of its own limit");
    assert_eq!(share(8, 8, 256, 0), 0);
    assert_eq!(share(100, 0, 256, 0), N_AT_ONCE_MAX, "then it is the others' turn");
    assert_eq!(share(100, 0, 10, 4), 6, "some places are kept for the others");
    assert_eq!(share(100, 6, 4, 4), 0, "a busy lane leaves them");
    assert_eq!(share(100, 0, 4, 4), 1, "an idle one takes its own");
    assert_eq!(share(100, 0, 0, 0), 0, "nothing is free");
}

#[test]
fn a_lane_is_asked_when_something_may_be_due() {
    let now = Moment::now();
    let mut lane = lane(2, 0, now);
    assert!(lane.wants(now), "nobody asked yet");
    assert_eq!(lane.wakes_in(now), None, "it has its turn now");
    lane.is_stale = false;
    assert!(!lane.wants(now));
    assert_eq!(lane.wakes_in(now), None, "nothing waits");
    lane.next_due = Some(now.wall);
    assert!(lane.wants(now));
    assert_eq!(lane.wakes_in(now), Some(Duration::ZERO));
    let wait = Duration::from_millis(1);
    lane.next_due = Some(now.wall.plus(wait));
    assert!(!lane.wants(now));
    assert_eq!(lane.wakes_in(now), Some(wait));
    lane.in_flight = 2;
    lane.is_stale = true;
    assert!(!lane.wants(now), "full");
    assert_eq!(lane.wakes_in(now), None, "woken by its attempts");
}

#[test]
fn a_limited_lane_waits_for_its_tokens_and_keeps_no_place_meanwhile() {
    let now = Moment::now();
    let rate_limit = Some(RateLimit { n: 2, per: Duration::from_secs(1) });
    let mut lane = lane_of(Webhook { rate_limit, ..webhook() }, 0, now);
    assert_eq!(lane.share(256, 0, now), 2);
    lane.begin(2, now);
    lane.in_flight = 0;
    lane.next_due = Some(now.wall);
    for is_stale in [true, false] {
        lane.is_stale = is_stale;
        assert!(!lane.wants(now) && !lane.is_idle(now));
        let wait = lane.wakes_in(now).expect("it wakes by itself");
        assert_eq!(wait, Duration::from_millis(500));
        assert_eq!(lane.share(256, 0, later(now, wait)), 1);
        assert!(lane.wants(later(now, wait)));
    }
}

#[test]
fn a_limit_that_is_raised_does_not_leave_the_debt_of_the_old_one() {
    let now = Moment::now();
    let per = |n, secs| Some(RateLimit { n, per: Duration::from_secs(secs) });
    let limited = |rate_limit| Arc::new(Webhook { rate_limit, ..webhook() });
    let mut lane = lane_of(Webhook { rate_limit: per(1, 3600), ..webhook() }, 0, now);
    lane.begin(1, now);
    lane.in_flight = 0;
    lane = lane.with(limited(per(1, 3600)), now.steady);
    assert!(!lane.wants(later(now, Duration::from_secs(10))), "the same as before");
    lane = lane.with(limited(per(10, 1)), now.steady);
    assert!(lane.wants(later(now, Duration::from_secs(1))), "{:?}", lane.wakes_in(now));
}

#[test]
fn what_the_receiver_asks_for_holds_the_whole_lane() {
    let now = Moment::now();
    let mut lane = lane(8, 0, now);
    let wait = Duration::from_secs(60);
    lane.wait_until(now.wall.plus(wait), now);
    lane.wait_until(now.wall.plus(wait / 2), now);
    assert!(!lane.wants(now) && !lane.is_idle(now));
    assert_eq!(lane.wakes_in(now), Some(wait), "the later one counts");
    assert!(lane.wants(later(now, wait)));
    lane.wait_no_more(now.steady);
    assert!(lane.wants(now));
}

#[test]
fn a_paused_lane_makes_one_probe_at_a_time() {
    let now = Moment::now();
    let mut lane = lane(8, 3, now);
    let state = WebhookState { status: WebhookStatus::Paused, ..WebhookState::default() };
    lane.health = Health::new(state, 0, now.steady);
    assert!(lane.wants(now), "those of before do not count");
    assert_eq!(lane.share(256, 0, now), 1);
    assert!(lane.begin(1, now));
    assert!(!lane.wants(now) && lane.wakes_in(now).is_none());
    lane.health.probe_ended();
    assert!(lane.wants(now));
    lane.health = Health::new(WebhookState::default(), 0, now.steady);
    assert!(!lane.begin(1, now), "an ordinary one");
}

#[test]
fn a_lane_whose_webhook_is_gone_keeps_no_place_whoever_enabled_it() {
    let now = Moment::now();
    let mut lane = lane_of(Webhook { active: false, ..webhook() }, 0, now);
    let state = WebhookState { overrides_file: true, ..WebhookState::default() };
    lane.health = Health::new(state, 0, now.steady);
    assert!(lane.is_idle(now));
    assert!(!lane.closed().is_idle(now));
}
