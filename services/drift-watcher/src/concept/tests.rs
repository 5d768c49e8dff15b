//! Errors by window against a count by hand, in any order of arrival, and when the alarm comes.

use super::*;
use crate::sim::Draws;
use proptest::prelude::*;
use tidemill_events::views::ModelView;

const DAY: i64 = 86_400_000_000;

fn settings(detector: Kind) -> Settings {
    Settings { length: DAY, horizon: 7 * DAY, slack: 0, threshold: 0.5, detector }
}

fn outcome<'a>(id: &'a str, time: i64, wrong: bool, version: i32) -> OutcomeView<'a> {
    let model = ModelView { name: "p", version, digest: "sha256:1", stage: "champion" };
    let score = if wrong { 0.9 } else { 0.1 };
    OutcomeView { event_id: id, event_time: time, label: 0.0, label_time: time + 7 * DAY, score, decision: "d", model }
}

/// Feeds `days` days of 9,600 outcomes with these shares of errors, of model `version(day)`.
fn run(seed: u64, shares: &[f64], detector: Kind, version: impl Fn(usize) -> i32) -> Vec<Errors> {
    let mut draws = Draws::new(seed);
    let mut concept = Concept::new(settings(detector));
    let mut told = Vec::new();
    for (day, share) in shares.iter().enumerate() {
        for i in 0..9_600 {
            let time = day as i64 * DAY + i * 9_000_000;
            let id = format!("{day}-{i}");
            concept.outcome((i % 4) as i32, &outcome(&id, time, draws.unit() < *share, version(day)));
        }
        concept.look(day as i64);
        told.extend(std::iter::from_fn(|| concept.closed(false)));
    }
    told
}

#[test]
fn a_rise_alarms_within_three_windows_and_noise_and_improvement_never() {
    for seed in 0..30 {
        let quiet = run(seed, &[0.004; 30], Kind::Adwin, |_| 1);
        assert!(quiet.len() == 29 && quiet.iter().all(|e| !e.alarm), "seed {seed}");
        let wave: Vec<f64> = (0..25).map(|day| if day < 18 { 0.004 } else { 0.012 }).collect();
        let alarms: Vec<i64> = run(seed, &wave, Kind::Adwin, |_| 1).iter().filter(|e| e.alarm).map(|e| e.span.from / DAY).collect();
        assert!(alarms.first().is_some_and(|day| (18..21).contains(day)), "seed {seed}: {alarms:?}");
        let better: Vec<f64> = (0..25).map(|day| if day < 10 { 0.02 } else { 0.004 }).collect();
        assert!(run(seed, &better, Kind::Adwin, |_| 1).iter().all(|e| !e.alarm), "seed {seed}");
    }
    let jump: Vec<f64> = (0..25).map(|day| if day < 18 { 0.02 } else { 0.2 }).collect();
    let alarms: Vec<i64> = run(1, &jump, Kind::PageHinkley, |_| 1).iter().filter(|e| e.alarm).map(|e| e.span.from / DAY).collect();
    assert_eq!(alarms.first(), Some(&18));
}

#[test]
fn a_new_model_starts_anew_and_the_bootstrap_is_not_watched() {
    let shares: Vec<f64> = (0..20).map(|day| if day < 10 { 0.004 } else { 0.02 }).collect();
    let told = run(3, &shares, Kind::Adwin, |day| if day < 10 { 0 } else { 1 });
    assert_eq!(told.len(), 9, "of the days 10 to 18; the last is still open");
    assert!(told.iter().all(|e| !e.alarm && e.model.version == 1));
    assert_eq!(told[0].before, None);
    let told = run(3, &shares, Kind::Adwin, |day| if day < 10 { 1 } else { 2 });
    assert!(told.iter().all(|e| !e.alarm), "the new model is worse, but it does not become worse");
}

#[test]
fn with_a_default_label_a_window_waits_for_the_lateness_as_well() {
    let lateness = DAY / 24;
    let mut concept = Concept::new(Settings { slack: lateness, ..settings(Kind::Adwin) });
    concept.outcome(0, &outcome("labelled", 1, true, 1));
    // an event known as late as the window's end and the horizon: the labels have not gone by the window's last yet
    concept.outcome(0, &outcome("next", DAY, false, 1));
    concept.look(0);
    assert_eq!(concept.closed(true), None);
    concept.outcome(0, &outcome("defaulted", DAY - 1, false, 1));
    concept.outcome(0, &outcome("passes", DAY + lateness, false, 1));
    concept.look(1);
    let closed = concept.closed(true).unwrap();
    assert_eq!((closed.span.to, closed.outcomes, closed.errors, concept.late()), (DAY, 2, 1, 0));
    concept.outcome(0, &outcome("late", DAY - 1, false, 1));
    assert_eq!(concept.late(), 1);
}

proptest! {
    #[test]
    fn the_order_of_arrival_does_not_matter(
        rows in prop::collection::vec((0i64..5 * DAY, any::<bool>(), 1i32..3), 1..80),
        seed: u64,
    ) {
        let outcomes: Vec<(String, i64, bool, i32)> =
            rows.iter().enumerate().map(|(i, (time, wrong, version))| (format!("e{i}"), *time, *wrong, *version)).collect();
        let told = |order: &[usize]| {
            let mut concept = Concept::new(settings(Kind::Adwin));
            for i in order {
                let (id, time, wrong, version) = &outcomes[*i];
                // a partition of its own: nothing is late by its own clock
                concept.outcome(*i as i32, &outcome(id, *time, *wrong, *version));
            }
            let end = ModelView { name: "p", version: 9, digest: "x", stage: "champion" };
            for i in 0..outcomes.len() as i32 {
                let last = OutcomeView { event_id: "end", event_time: 90 * DAY, label: 0.0, label_time: 97 * DAY, score: 0.0, decision: "d", model: end };
                concept.outcome(i, &last);
            }
            std::iter::from_fn(move || concept.closed(false)).collect::<Vec<_>>()
        };
        let mut order: Vec<usize> = (0..outcomes.len()).collect();
        let first = told(&order);
        let mut draws = Draws::new(seed);
        order.sort_by_cached_key(|_| (draws.unit() * 1e9) as u64);
        prop_assert_eq!(&first, &told(&order));
        for errors in &first {
            let mine = |(_, time, _, version): &&(String, i64, bool, i32)| window_of(*time, DAY) == errors.span && *version == errors.model.version;
            prop_assert_eq!(errors.outcomes, outcomes.iter().filter(mine).count() as u64);
            prop_assert_eq!(errors.errors, outcomes.iter().filter(mine).filter(|o| o.2).count() as u64);
        }
        prop_assert!(!first.is_empty());
    }
}
