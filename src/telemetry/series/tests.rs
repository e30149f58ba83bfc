use super::*;

const SECOND: u64 = 1000;
/// The beginning of a step of every range.
const START: u64 = 480 * SECOND * 3_000_000;

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(START + millis)
}

fn reading(millis: u64, calls: u64) -> Reading {
    let totals = Totals::default().with(Total::Calls, calls);
    Reading { at: at(millis), totals, waiting: Some(calls), ..Reading::default() }
}

/// The last steps of a chart, by their calls.
fn calls(series: &Series, range: Range, now: u64, n: usize) -> Vec<Option<u32>> {
    let chart = series.chart(range, at(now), &[]);
    assert_eq!(chart.steps.len(), N_STEPS);
    let calls = chart.steps.iter().map(|step| Some(step.as_ref()?.count(Total::Calls)));
    calls.collect::<Vec<_>>().split_off(N_STEPS - n)
}

#[test]
fn what_was_counted_belongs_to_its_step() {
    let series = Series::begin(at(0));
    // A little after the end of each step, as a sampler is.
    for n in 1..=10 {
        series.add(&reading(n * 5 * SECOND + 7, n * n));
    }
    series.add(&reading(52 * SECOND, 104));
    let now = 53 * SECOND;
    let grown = [1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 4].map(Some);
    let shown = calls(&series, Range::Quarter, now, 13);
    assert_eq!(shown[..2], [None, None], "before the start");
    assert_eq!(shown[2..], grown);
    assert_eq!(calls(&series, Range::Hour, now, 4), [None, Some(16), Some(48), Some(40)]);
    assert_eq!(calls(&series, Range::Day, now, 2), [None, Some(104)]);
    let chart = series.chart(Range::Quarter, at(now), &[]);
    assert_eq!((chart.since, chart.until), (at(0), at(55 * SECOND)));
    assert_eq!(chart.steps[N_STEPS - 1].expect("sampled").waiting, 104);
    assert_eq!(series.lately(Total::Calls), 104);
}

#[test]
fn samples_between_the_ticks_change_nothing() {
    let (one, other) = (Series::begin(at(0)), Series::begin(at(0)));
    for n in 1..=40 {
        let millis = n * 5 * SECOND + 20;
        other.add(&reading(millis - 3100, 10 * n - 6));
        other.add(&reading(millis - 900, 10 * n - 1));
        for series in [&one, &other] {
            series.add(&reading(millis, 10 * n));
        }
    }
    let now = 200 * SECOND + 30;
    assert_eq!(calls(&one, Range::Quarter, now, 40), calls(&other, Range::Quarter, now, 40));
    assert_eq!(calls(&one, Range::Quarter, now, 3), [Some(10), Some(10), None]);
}

#[test]
fn a_machine_that_slept_has_a_gap() {
    let series = Series::begin(at(0));
    series.add(&reading(5 * SECOND, 1));
    series.add(&reading(66 * SECOND, 3));
    let shown = calls(&series, Range::Quarter, 66 * SECOND, 14);
    assert_eq!((shown[0], shown[13]), (Some(1), Some(2)));
    assert!(shown[1..13].iter().all(Option::is_none), "{shown:?}");
    series.add(&reading(3600 * SECOND, 4));
    assert_eq!(series.lately(Total::Calls), 1, "the rest is older than a quarter of an hour");
}

#[test]
fn a_clock_that_is_set_back_begins_anew() {
    let series = Series::begin(at(7200 * SECOND));
    series.add(&reading(7205 * SECOND, 5));
    // A little is no matter.
    series.add(&reading(7203 * SECOND, 6));
    assert_eq!(series.lately(Total::Calls), 6);
    series.add(&reading(SECOND, 7));
    series.add(&reading(5 * SECOND, 9));
    assert_eq!(calls(&series, Range::Quarter, 5 * SECOND, 2), [Some(3), None]);
    assert_eq!(series.chart(Range::Quarter, at(6 * SECOND), &[]).since, at(SECOND));
}

fn webhook(n: u8) -> WebhookId {
    WebhookId::of_name(&format!("w{n}"))
}

fn of_webhook(millis: u64, id: WebhookId, delivered: u64, failed: u64, waiting: u64) -> Reading {
    let micros = 2000 * delivered + 30_000 * failed;
    let tally = Tally { delivered, failed, micros };
    let waiting = Some(waiting);
    Reading { webhooks: vec![(id, WebhookReading { tally, waiting })], ..reading(millis, 0) }
}

#[test]
fn a_webhook_has_its_own_steps() {
    let series = Series::begin(at(0));
    let id = webhook(1);
    series.add(&of_webhook(4 * SECOND, id, 0, 0, 0));
    assert!(series.lock().webhooks[&id].rings.is_none(), "nothing has happened");
    series.add(&of_webhook(9 * SECOND, id, 3, 1, 7));
    series.add(&of_webhook(14 * SECOND, id, 3, 1, 7));
    let chart = series.chart(Range::Quarter, at(14 * SECOND), &[webhook(2), id]);
    let [(shown, steps)] = chart.webhooks.as_slice() else { panic!("the other is not known") };
    assert_eq!((*shown, steps.len()), (id, N_STEPS));
    let [first, second, third] = &steps[N_STEPS - 3..] else { panic!("three") };
    let shown = |step: &Option<WebhookStep>| {
        let step = step.as_ref().expect("sampled");
        (step.delivered, step.failed, step.waiting, step.latency_ms())
    };
    assert_eq!(shown(first), (0, 0, 0, None));
    assert_eq!(shown(second), (3, 1, 7, Some(9.0)));
    assert_eq!(shown(third), (0, 0, 7, None));
    assert!(steps[..N_STEPS - 3].iter().all(Option::is_none));
}

#[test]
fn what_is_gone_or_idle_costs_nothing() {
    let series = Series::begin(at(0));
    let id = webhook(1);
    series.add(&of_webhook(5 * SECOND, id, 10, 0, 0));
    // Renamed, it counts from zero.
    series.add(&of_webhook(10 * SECOND, id, 2, 0, 0));
    let chart = series.chart(Range::Day, at(10 * SECOND), &[id]);
    let delivered: u32 = chart.webhooks[0].1.iter().flatten().map(|step| step.delivered).sum();
    assert_eq!(delivered, 12);
    series.add(&of_webhook(26 * 3600 * SECOND, id, 2, 0, 0));
    assert!(series.lock().webhooks[&id].rings.is_none(), "idle for longer than a day");
    series.add(&of_webhook(26 * 3600 * SECOND + 1, id, 3, 0, 0));
    let chart = series.chart(Range::Day, at(26 * 3600 * SECOND + 1), &[id]);
    assert_eq!(chart.webhooks[0].1.iter().flatten().map(|step| step.delivered).sum::<u32>(), 1);
    series.add(&reading(26 * 3600 * SECOND + 2, 0));
    assert!(series.lock().webhooks.is_empty(), "deleted");
}

#[test]
fn quantiles_are_those_of_the_step() {
    let metrics = crate::telemetry::Metrics::default();
    let series = Series::begin(at(0));
    let sample = |millis, commits: &[u64]| {
        commits.iter().for_each(|&ms| metrics.commit(Duration::from_millis(ms)));
        series.add(&Reading { commits: metrics.take_commits(), ..reading(millis, 0) });
    };
    sample(2 * SECOND, &[1, 1, 1]);
    sample(4 * SECOND, &[50]);
    sample(9 * SECOND, &[]);
    let near = |found: Option<f32>, ms: f32| (found.expect("there were") / ms - 1.0).abs() < 0.04;
    let step = |range: Range, back: usize| {
        series.chart(range, at(9 * SECOND), &[]).steps[N_STEPS - back].expect("sampled")
    };
    let first = step(Range::Quarter, 2);
    assert!(near(first.commit_p50_ms, 1.0) && near(first.commit_p99_ms, 50.0), "{first:?}");
    assert_eq!(step(Range::Quarter, 1).commit_p50_ms, None, "none in this step");
    assert!(near(step(Range::Hour, 1).commit_p99_ms, 50.0));
}

/// The docstring of the module says what a webhook costs.
#[test]
fn a_step_of_a_webhook_has_16_bytes() {
    assert_eq!(size_of::<WebhookStep>(), 16);
    assert!(size_of::<Option<Step>>() * N_STEPS * 3 < 50 * 1024);
}
