//! What exceeds in simulated windows, and how a window is held against references of other columns.

use super::*;
use crate::sim::{self, Draws, NAMES, QUIET, World};

fn names() -> Vec<CompactString> {
    NAMES.iter().map(|n| CompactString::from(*n)).collect()
}

fn exceeded(columns: &[ColumnDrift]) -> Vec<&str> {
    columns.iter().filter(|c| c.exceeded).map(|c| c.column.as_str()).collect()
}

#[test]
fn a_flag_of_weekends_is_far_from_its_mean_every_day_and_exceeds_never() {
    let mut draws = Draws::new(1);
    let training: Vec<_> = (0..28).map(|day| sim::day(&mut draws, day, 2_000, QUIET)).collect();
    let stored = sim::references(&training);
    let careless = Known::new(References::new(stored.columns.clone()), &names());
    let known = Known::new(stored, &names());
    for number in 28..42 {
        let rows = sim::day(&mut draws, number, 2_000, QUIET);
        assert_eq!(exceeded(&sim::drift(number, &rows, &known, &sim::thresholds()).columns), Vec::<&str>::new(), "day {number}");
        assert_eq!(exceeded(&sim::drift(number, &rows, &careless, &sim::thresholds()).columns), ["is_weekend"], "day {number}");
    }
}

#[test]
fn what_moves_exceeds_and_nothing_else_does() {
    let mut draws = Draws::new(2);
    let training: Vec<_> = (0..28).map(|day| sim::day(&mut draws, day, 4_000, QUIET)).collect();
    let known = Known::new(sim::references(&training), &names());
    let mut drift = |world| sim::drift(28, &sim::day(&mut draws, 28, 4_000, world), &known, &sim::thresholds()).columns;
    let dearer = drift(World { amounts: 2.0, ..QUIET });
    let moved = exceeded(&dearer);
    assert!(moved.contains(&"amount") && moved.iter().all(|c| c.contains("amount") || *c == SCORE), "{moved:?}");
    let missing = drift(World { missing: 0.3, ..QUIET });
    let features = |columns: &[ColumnDrift]| exceeded(columns).into_iter().filter(|c| *c != SCORE).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(features(&missing), ["amount"], "beside the score, which looks at it");
    let amount = &missing[12];
    assert!((amount.measures["missing"] - 0.3).abs() < 0.03 && amount.measures["excess"] > 2.0, "{amount:?}");
    let gone = drift(World { missing: 1.0, ..QUIET });
    assert_eq!(features(&gone), ["amount"]);
    assert!(!gone[12].measures.contains_key("psi"));
}

/// The order is that of the vector; a column that the vector has not is left out, one that the model does not know too.
#[test]
fn columns_are_found_by_name() {
    let reference = |name: &str, value: f64| ColumnReference {
        name: name.into(),
        reference: Reference::Number(tidemill_statistics::drift::Number::new(&[value; 50])),
    };
    let stored = References::new(vec![reference("score", 0.5), reference("b", 2.0), reference("gone", 0.0), reference("a", 1.0)]);
    let known = Known::new(stored, &["a".into(), "new".into(), "b".into()]);
    let mut window = Window::new(tidemill_events::control::Span { from: 0, to: 1 }, 3);
    for i in 0..2_000 {
        window.vector(&i.to_string(), &[1.0, 9.0, 3.0]);
        window.prediction(&i.to_string(), 0.5, &sim::MODEL);
    }
    let thresholds = Thresholds { features: vec![(Measure::Ks, 0.1), (Measure::Js, 0.1)], score: vec![] };
    let columns = measure(&mut window, &known, &thresholds).unwrap();
    assert_eq!(columns.iter().map(|c| c.column.as_str()).collect::<Vec<_>>(), ["a", "b", "score"]);
    assert_eq!(exceeded(&columns), ["b"]);
    assert_eq!(columns[1].measures["excess"], 10.0);
    assert_eq!((columns[1].measures["ks"], columns[1].measures["js"]), (1.0, 1.0));
    assert!(!columns[2].measures.contains_key("excess"), "the score has no threshold");
}

/// With a tiny threshold only chance stands between a small window and an alert.
#[test]
fn chance_does_not_exceed_even_a_tiny_threshold() {
    let mut draws = Draws::new(3);
    let training: Vec<_> = (0..7).map(|day| sim::day(&mut draws, day, 3_000, QUIET)).collect();
    let known = Known::new(References::new(sim::references(&training).columns), &names());
    let tiny = Thresholds { features: vec![(Measure::Ks, 0.001), (Measure::Psi, 0.001)], score: vec![(Measure::Ks, 0.001)] };
    let mut found = 0;
    for number in 7..67 {
        let rows = sim::day(&mut draws, number, 1_000, QUIET);
        let columns = sim::drift(number, &rows, &known, &tiny).columns;
        found += exceeded(&columns).iter().filter(|c| **c != "is_weekend").count();
    }
    assert!(found <= 1, "{found} of 900 columns; 0.06 are expected at most");
}
