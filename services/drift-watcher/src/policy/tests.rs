//! Quiet months raise nothing, what moves is told soon and once; and the rules one by one.

use super::*;
use crate::measure::Known;
use crate::sim::{self, Draws, NAMES, QUIET, World};
use proptest::prelude::*;
use tidemill_events::control::Span;
use tidemill_events::records::ModelRef;
use tidemill_events::time::DAY;

fn settings() -> Settings {
    Settings { pipeline: "payments-fraud".into(), retrain: true, window: DAY, horizon: 7 * DAY }
}

/// The alerts of `days` days after a training of `trained` days, with `rows` rows a day, of a stream that is `age` days old when
/// the training's data begin.
fn simulate(seed: u64, rows: usize, days: usize, (age, trained): (f64, usize), world: impl Fn(usize) -> World) -> Vec<Alert> {
    let mut draws = Draws::new(seed);
    let quiet = |day: usize| World { age: age + day as f64, ..QUIET };
    let training: Vec<_> = (0..trained).map(|day| sim::day(&mut draws, day, rows, quiet(day))).collect();
    let names: Vec<_> = NAMES.iter().map(|n| (*n).into()).collect();
    let known = Known::new(sim::references(&training), &names);
    let mut policy = Policy::new(settings());
    let mut alerts = Vec::new();
    for number in trained..trained + days {
        let today = World { age: quiet(number).age, ..world(number - trained) };
        let rows = sim::day(&mut draws, number, rows, today);
        alerts.extend(policy.take(&sim::drift(number, &rows, &known, &sim::thresholds()), 0));
    }
    alerts
}

/// A stream whose windows are all full, and a training of four weeks.
const OLD: (f64, usize) = (1_000.0, 28);

/// With 1,200 rows a day, near the least that are looked at, noise is greatest.
#[test]
fn a_hundred_quiet_months_raise_nothing() {
    for seed in 0..100 {
        let alerts = simulate(seed, 1_200, 30, OLD, |_| QUIET);
        assert!(alerts.is_empty(), "seed {seed}: {}", alerts[0].message);
    }
    for seed in 100..103 {
        let alerts = simulate(seed, 9_600, 30, OLD, |_| QUIET);
        assert!(alerts.is_empty(), "seed {seed}: {}", alerts[0].message);
    }
}

#[test]
fn what_moves_is_told_within_three_windows_and_columns_once() {
    let dearer = World { amounts: 2.0, ..QUIET };
    let lost = World { missing: 0.3, ..QUIET };
    for (seed, moved) in (0..20).flat_map(|seed| [(seed, dearer), (seed, lost)]) {
        let alerts = simulate(seed, 1_500, 20, OLD, |day| if day < 5 { QUIET } else { moved });
        let first = &alerts[0];
        assert_eq!((first.kind.as_str(), first.window.from / DAY - 28), ("data_drift", 6), "{}", first.message);
        assert!(first.subjects.iter().any(|s| s == "amount") && first.retrain && first.severity == "critical", "{}", first.message);
        assert!(alerts.len() <= 2 && alerts[1..].iter().all(|a| a.kind == "score_drift"), "{:?}", alerts.last());
    }
}

/// A training on the first 14 days of a stream: the windows of 30 days fill up for 16 days more.
#[test]
fn windows_that_fill_up_raise_no_storm() {
    for seed in 0..20 {
        let alerts = simulate(seed, 1_500, 40, (0.0, 14), |_| QUIET);
        // each of the two columns once, and once that it goes on
        assert!(alerts.len() <= 3, "seed {seed}: {:?}", alerts.iter().map(|a| &a.message).collect::<Vec<_>>());
    }
}

fn model(version: i32) -> ModelRef {
    ModelRef { name: "p".into(), version, digest: format!("sha256:{version}"), stage: "champion".into() }
}

/// A record of window `number` whose columns a, b, … are as many thresholds away as `excess` says.
fn record(number: i64, rows: i64, version: i32, excess: &[f64]) -> Drift {
    let column = |(name, excess): (char, &f64)| ColumnDrift {
        column: name.to_string(),
        measures: [("excess".to_owned(), *excess), ("psi".to_owned(), excess * 0.2)].into(),
        exceeded: *excess > 1.0,
    };
    Drift {
        kind: "data".into(),
        window: Span { from: number * DAY, to: (number + 1) * DAY },
        model: model(version),
        rows,
        sampled: rows,
        columns: ('a'..).zip(excess).map(column).collect(),
        errors: 0,
        outcomes: 0,
        concept_alarm: false,
    }
}

/// (window, subjects, severity, retrain) of the alerts that follow from one column's excesses.
fn told(policy: &mut Policy, records: impl IntoIterator<Item = Drift>) -> Vec<(i64, String, String, bool)> {
    let alerts = records.into_iter().flat_map(|r| policy.take(&r, 5)).collect::<Vec<_>>();
    assert!(alerts.iter().all(|a| a.raised_at == 5 && a.evidence.contains_key("rows")));
    alerts.into_iter().map(|a| (a.window.from / DAY, a.subjects.join(","), a.severity, a.retrain)).collect()
}

fn run(excess: &[f64]) -> Vec<(i64, String, String, bool)> {
    told(&mut Policy::new(settings()), excess.iter().zip(0..).map(|(e, n)| record(n, 5_000, 1, &[*e])))
}

fn one(window: i64, severity: &str, retrain: bool) -> (i64, String, String, bool) {
    (window, "a".into(), severity.into(), retrain)
}

#[test]
fn an_alert_needs_two_windows_in_a_row_and_an_episode_ends_after_two_quiet_ones() {
    assert!(run(&[9.0, 0.0, 9.0, 0.0, 9.0]).is_empty());
    assert_eq!(run(&[0.0, 1.5, 1.5, 1.5, 1.5]), [one(2, "warning", true)]);
    assert_eq!(run(&[1.5, 2.5]), [one(1, "critical", true)]);
    assert_eq!(run(&[1.5, 1.5, 0.0, 1.5, 1.5, 0.0, 1.5, 1.5]), [one(1, "warning", true)], "still the same episode");
    let mut twice = vec![1.5, 1.5, 0.0, 0.0, 1.5, 1.5];
    assert_eq!(run(&twice), [one(1, "warning", true), one(5, "warning", false)], "the second within the cool-down");
    twice.extend([1.5; 10]);
    assert_eq!(run(&twice)[2], one(8, "warning", true), "asks when the cool-down is over, as it still holds");
    assert_eq!(run(&twice).len(), 3);
}

#[test]
fn small_windows_say_nothing() {
    let windows = [(5_000, 1.5), (999, 0.0), (999, 0.0), (5_000, 1.5)];
    let records = windows.iter().zip(0..).map(|((rows, excess), n)| record(n, *rows, 1, &[*excess]));
    assert_eq!(told(&mut Policy::new(settings()), records), [one(3, "warning", true)]);
}

#[test]
fn columns_that_come_together_share_an_alert_the_farthest_first() {
    let records = (0..3).map(|n| record(n, 5_000, 1, &[1.1, 3.0, 0.5]));
    assert_eq!(told(&mut Policy::new(settings()), records), [(1, "b,a".into(), "critical".into(), true)]);
    let later = (0..4).map(|n| record(n, 5_000, 1, &[1.1, if n < 2 { 0.0 } else { 3.0 }]));
    let expected = [one(1, "warning", true), (3, "b".to_owned(), "critical".to_owned(), false)];
    assert_eq!(told(&mut Policy::new(settings()), later), expected);
}

#[test]
fn a_new_model_has_episodes_of_its_own_and_the_cool_down_goes_on() {
    let records = (0..6).map(|n| record(n, 5_000, if n < 3 { 1 } else { 2 }, &[1.5]));
    assert_eq!(told(&mut Policy::new(settings()), records), [one(1, "warning", true), one(4, "warning", false)]);
    let cured = (0..12).map(|n| record(n, 5_000, if n < 4 { 1 } else { 2 }, &[if n < 4 { 1.5 } else { 0.0 }]));
    assert_eq!(told(&mut Policy::new(settings()), cured), [one(1, "warning", true)]);
    let bootstrap = (0..5).map(|n| Drift { columns: vec![], ..record(n, 5_000, 0, &[]) });
    assert!(told(&mut Policy::new(settings()), bootstrap).is_empty());
}

#[test]
fn a_pipeline_that_does_not_train_on_drift_never_asks() {
    let mut policy = Policy::new(Settings { retrain: false, ..settings() });
    let records = (0..30).map(|n| record(n, 5_000, 1, &[1.5]));
    assert_eq!(told(&mut policy, records), [one(1, "warning", false)]);
}

fn errors(number: i64, errors: i64, alarm: bool) -> Drift {
    let measures = [("share".to_owned(), errors as f64 / 9_600.0), ("before".to_owned(), 0.004)].into();
    let columns = vec![ColumnDrift { column: "error".into(), measures, exceeded: alarm }];
    Drift {
        kind: "concept".into(),
        columns,
        rows: 0,
        sampled: 0,
        errors,
        outcomes: 9_600,
        concept_alarm: alarm,
        ..record(number, 0, 1, &[])
    }
}

#[test]
fn errors_are_told_once_an_episode() {
    let mut policy = Policy::new(settings());
    let mut take = |record: Drift| policy.take(&record, 7).pop().map(|a| (a.kind, a.severity, a.retrain, a.subjects));
    let alert = |severity: &str, retrain| Some(("concept_drift".to_owned(), severity.to_owned(), retrain, vec!["error".to_owned()]));
    assert_eq!(take(errors(0, 40, false)), None);
    assert_eq!(take(errors(1, 80, true)), alert("warning", true));
    assert_eq!(take(errors(2, 80, true)), None);
    assert_eq!(take(errors(3, 40, false)), None);
    assert_eq!(take(errors(4, 40, false)), None);
    assert_eq!(take(errors(5, 200, true)), alert("critical", false));
    // 1 + 7 days of labels + 7 of cool-down: data of the same days
    assert_eq!(policy.take(&record(12, 5_000, 1, &[1.5]), 0).len() + policy.take(&record(13, 5_000, 1, &[1.5]), 0).len(), 1);
    let asked: Vec<bool> = (14..18).flat_map(|n| policy.take(&record(n, 5_000, 1, &[1.5]), 0)).map(|a| a.retrain).collect();
    assert_eq!(asked, [true], "owed since, asked for when the cool-down of 9 + 7 days is over");
}

proptest! {
    /// Told exactly at each second window in a row of an episode, by a naive count; a restart in between changes nothing.
    #[test]
    fn alerts_are_those_of_a_naive_count(windows in prop::collection::vec((any::<bool>(), 900i64..1_300), 1..40), at in 0usize..40) {
        let records: Vec<Drift> =
            windows.iter().zip(0..).map(|((high, rows), n)| record(n, *rows, 1, &[if *high { 1.5 } else { 0.5 }])).collect();
        let seen: Vec<(i64, bool)> = windows.iter().zip(0..).filter(|((_, rows), _)| *rows >= 1_000).map(|((high, _), n)| (n, *high)).collect();
        let mut expected = Vec::new();
        let mut open = false;
        for (i, (n, high)) in seen.iter().enumerate() {
            let before = i.checked_sub(1).map(|b| seen[b].1);
            if !high && before == Some(false) {
                open = false;
            }
            if *high && before == Some(true) && !open {
                open = true;
                expected.push(*n);
            }
        }
        let mut policy = Policy::new(Settings { retrain: false, ..settings() });
        let alerts = told(&mut policy, records.clone());
        prop_assert_eq!(alerts.iter().map(|a| a.0).collect::<Vec<_>>(), expected);

        let at = at.min(records.len());
        let whole = told(&mut Policy::new(settings()), records.clone());
        let mut again = Policy::new(settings());
        let first: Vec<Alert> = records[..at].iter().flat_map(|r| again.take(r, 5)).collect();
        first.iter().for_each(|alert| again.written(alert));
        let rest = told(&mut again, records[at..].to_vec());
        prop_assert_eq!(&whole[first.len()..], &rest[..]);
    }
}
