//! Features on labels: outcomes mixed with events in any order, under transactions, packed and read later.

use crate::model::{LATENESS, Labelled, Made, assert_same, hop_with, hop_with_labels, labelled, made, naive_with};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use tidemill_events::time::HOUR;
use tidemill_events::{Event, Outcome, Value};
use tidemill_features::{Aggregate, Error, FeatureSpec, Hop, HopState, KeyState, Of};

const KEY: &str = "customer-1";

/// Label windows that reach less far back than one of the events', and farther than the others.
fn hop() -> Arc<Hop> {
    hop_with_labels(&["amount"], &[(0, 6 * HOUR), (4 * HOUR, 30 * HOUR)], &[(0, 5 * HOUR), (8 * HOUR, 12 * HOUR)])
}

#[derive(Debug, Clone)]
enum Step {
    Event(Made),
    Outcome(Labelled),
}

fn step(keys: u8) -> impl Strategy<Value = Step> {
    prop_oneof![made(keys).prop_map(Step::Event), labelled(keys).prop_map(Step::Outcome)]
}

fn process(state: &mut HopState, step: &Step, offset: usize) -> Vec<Value> {
    let mut row = Vec::new();
    match step {
        Step::Event(made) => state.process(&made.event(offset), &mut row),
        Step::Outcome(labelled) => state.process_outcome(&labelled.outcome(offset)),
    };
    row
}

fn restore(state: &mut HopState, step: &Step, offset: usize) {
    match step {
        Step::Event(made) => state.restore(&made.event(offset)),
        Step::Outcome(labelled) => state.restore_outcome(&labelled.outcome(offset)),
    }
}

fn everything(state: &mut HopState) -> BTreeMap<String, Vec<u8>> {
    let (all, _) = state.pack_from(0, usize::MAX).unwrap();
    all.into_iter().map(|(key, bytes)| (key.to_string(), bytes)).collect()
}

fn unpacked(state: &KeyState, hop: &Hop) -> KeyState {
    let mut bytes = Vec::new();
    state.pack(hop, &mut bytes);
    KeyState::unpack(&bytes, hop).unwrap()
}

fn split(steps: &[Step]) -> (Vec<Event>, Vec<Outcome>) {
    let (mut events, mut outcomes) = (Vec::new(), Vec::new());
    for (offset, step) in steps.iter().enumerate() {
        match step {
            Step::Event(made) => events.push(made.event(offset)),
            Step::Outcome(labelled) => outcomes.push(labelled.outcome(offset)),
        }
    }
    (events, outcomes)
}

proptest! {
    /// As it is, and as the online store gives it back at any later moment.
    #[test]
    fn reads_equal_the_model_at_every_moment_from_merge_time_minus_lateness(
        steps in prop::collection::vec(step(1), 1..50),
        ahead in prop::collection::vec(0..40 * HOUR, 1..5),
    ) {
        let hop = hop();
        let steps: Vec<Step> = steps.into_iter().map(|s| match s {
            Step::Event(made) => Step::Event(Made { key: 1, ..made }),
            Step::Outcome(labelled) => Step::Outcome(Labelled { key: 1, ..labelled }),
        }).collect();
        let mut state = HopState::new(hop.clone());
        for (seen, step) in steps.iter().enumerate() {
            process(&mut state, step, seen);
            if seen % 4 == 0 {
                state.commit();
            }
            let (events, outcomes) = split(&steps[..=seen]);
            let state = state.get(KEY).unwrap();
            let stored = unpacked(state, &hop);
            let earliest = state.merge_time().unwrap() - LATENESS;
            for t in ahead.iter().map(|a| earliest + a).chain([earliest, earliest + LATENESS]) {
                let want = naive_with(&hop, &events, &outcomes, t);
                for (state, what) in [(state, "folded"), (&stored, "stored")] {
                    let mut row = Vec::new();
                    state.read(&hop, t, &mut row);
                    assert_same(&hop, &row, &want, &format!("{what}, after {seen} at {t}"));
                }
            }
        }
    }

    #[test]
    fn the_order_of_events_and_outcomes_leaves_no_trace(
        (steps, order) in prop::collection::vec(step(3), 1..60).prop_flat_map(|steps| {
            let order: Vec<usize> = (0..steps.len()).collect();
            (Just(steps), Just(order).prop_shuffle())
        }),
    ) {
        let (mut one, mut other) = (HopState::new(hop()), HopState::new(hop()));
        for (offset, step) in steps.iter().enumerate() {
            restore(&mut one, step, offset);
        }
        for offset in order {
            process(&mut other, &steps[offset], offset);
            if offset % 3 == 0 {
                other.commit();
            }
        }
        other.commit();
        prop_assert_eq!(everything(&mut one), everything(&mut other));
    }

    #[test]
    fn aborted_batches_leave_no_trace(batches in prop::collection::vec((prop::collection::vec(step(5), 0..20), any::<bool>()), 1..12)) {
        let (mut state, mut model) = (HopState::new(hop()), HopState::new(hop()));
        let mut offset = 0;
        for (batch, commits) in &batches {
            let before = everything(&mut state);
            for step in batch {
                process(&mut state, step, offset);
                if *commits {
                    restore(&mut model, step, offset);
                }
                offset += 1;
            }
            if *commits {
                state.commit();
            } else {
                state.abort();
                prop_assert_eq!(&everything(&mut state), &before);
                prop_assert_eq!(state.len(), before.len());
            }
        }
        prop_assert_eq!(everything(&mut state), everything(&mut model));
    }

    #[test]
    fn what_was_packed_comes_back_and_every_truncation_is_an_error(steps in prop::collection::vec(step(3), 0..30)) {
        let hop = hop();
        let mut state = HopState::new(hop.clone());
        steps.iter().enumerate().for_each(|(offset, step)| restore(&mut state, step, offset));
        for bytes in everything(&mut state).into_values() {
            let mut again = Vec::new();
            KeyState::unpack(&bytes, &hop).unwrap().pack(&hop, &mut again);
            prop_assert_eq!(&again, &bytes);
            for end in 0..bytes.len() {
                prop_assert!(KeyState::unpack(&bytes[..end], &hop).is_err(), "{} of {}", end, bytes.len());
            }
        }
    }

    /// Either the damage is seen, or the bytes are those of another state: never a second form of one.
    #[test]
    fn damaged_bytes_are_refused_or_canonical(
        steps in prop::collection::vec(step(2), 1..20),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let hop = hop();
        let mut state = HopState::new(hop.clone());
        steps.iter().enumerate().for_each(|(offset, step)| restore(&mut state, step, offset));
        for mut bytes in everything(&mut state).into_values() {
            for (at, value) in &flips {
                let at = at.index(bytes.len());
                bytes[at] = *value;
            }
            if let Ok(other) = KeyState::unpack(&bytes, &hop) {
                let mut again = Vec::new();
                other.pack(&hop, &mut again);
                prop_assert_eq!(again, bytes);
            }
        }
    }

    #[test]
    fn outcomes_change_nothing_where_no_feature_looks_at_labels(steps in prop::collection::vec(step(4), 1..40)) {
        let hop = hop_with(&["amount"], &[(0, 6 * HOUR)]);
        let (mut state, mut model) = (HopState::new(hop.clone()), HopState::new(hop));
        for (offset, step) in steps.iter().enumerate() {
            process(&mut state, step, offset);
            if let Step::Event(made) = step {
                model.restore(&made.event(offset));
            }
        }
        state.commit();
        prop_assert_eq!(everything(&mut state), everything(&mut model));
    }
}

fn label(key: u8, event_time: i64, label: f64) -> Labelled {
    Labelled { key, event_time, after: HOUR, partition: 0, label }
}

#[test]
fn an_outcome_is_no_event_but_touches_its_key_and_moves_its_merge_time() {
    let hop = hop();
    let mut state = HopState::new(hop);
    assert_eq!(state.process_outcome(&label(1, 7, 1.0).outcome(0)), 0);
    assert_eq!(state.pack_touched(usize::MAX), None, "not before it is committed");
    state.commit();
    let one = state.get(KEY).unwrap();
    assert_eq!((one.merge_time(), one.last_event_time()), (Some(7 + HOUR), None));
    assert_eq!((one.len(), one.outcomes()), (0, 1));
    let touched: Vec<String> = state.pack_touched(usize::MAX).unwrap().0.into_iter().map(|(key, _)| key.to_string()).collect();
    assert_eq!(touched, [KEY]);
}

#[test]
fn an_outcome_drops_what_its_merge_time_makes_too_old() {
    let hop = hop();
    let mut state = HopState::new(hop.clone());
    let made = Made { key: 1, event_time: 0, behind: 0, partition: 0, amount: Some(1), distance: None, items: 1 };
    state.restore(&made.event(0));
    state.restore_outcome(&label(1, 0, 1.0).outcome(1));
    // beyond the label windows, which end 20 hours back, and within the events', which end 34 hours back
    let far = Labelled { after: hop.label_horizon(), ..label(1, 1, 0.0) };
    state.restore_outcome(&far.outcome(2));
    let one = state.get(KEY).unwrap();
    assert_eq!((one.len(), one.outcomes()), (1, 0), "the outcome at 0 is dropped, and so is the one that was too late itself");
    let farther = Labelled { after: hop.horizon(), ..label(1, 1, 0.0) };
    state.restore_outcome(&farther.outcome(3));
    assert_eq!(state.get(KEY).unwrap().len(), 0);
}

#[test]
fn an_outcome_without_a_key_changes_nothing() {
    let mut state = HopState::new(hop());
    assert_eq!(state.process_outcome(&label(0, 7, 1.0).outcome(0)), 0);
    state.restore_outcome(&label(0, 7, 1.0).outcome(1));
    let elsewhere = Outcome { entities: Vec::new(), ..label(1, 7, 1.0).outcome(2) };
    assert_eq!(state.process_outcome(&elsewhere), 0);
    state.commit();
    assert!(state.is_empty());
}

#[test]
fn a_label_that_is_no_number_is_null_and_counted() {
    let hop = hop();
    let mut state = HopState::new(hop.clone());
    assert_eq!(state.process_outcome(&label(1, 0, f64::NAN).outcome(0)), 1);
    assert_eq!(state.process_outcome(&label(1, 0, 1.0).outcome(1)), 0);
    let mut row = Vec::new();
    state.get(KEY).unwrap().read(&hop, HOUR, &mut row);
    let mean = hop.spec().features.iter().position(|f| f.of == Of::Label && f.aggregate == Aggregate::Mean).unwrap();
    assert_eq!(row[mean], Value::Double(1.0));
}

#[test]
fn a_state_with_outcomes_is_of_another_specification() {
    let (plain, labelled) = (hop_with(&["items"], &[(0, 6 * HOUR)]), hop_with_labels(&["items"], &[(0, 6 * HOUR)], &[(0, HOUR)]));
    let longer = hop_with_labels(&["items"], &[(0, 6 * HOUR)], &[(0, 2 * HOUR)]);
    assert!(labelled.reads_labels() && labelled.spec().reads_labels() && !plain.reads_labels() && !plain.spec().reads_labels());
    for (one, other) in [(&plain, &labelled), (&labelled, &plain), (&labelled, &longer)] {
        let mut bytes = Vec::new();
        KeyState::new(one).pack(one, &mut bytes);
        assert!(matches!(KeyState::unpack(&bytes, other), Err(Error::OtherSpec { .. })));
    }
}

#[test]
fn labels_cannot_be_counted() {
    let hop = hop();
    let mut spec = hop.spec().clone();
    spec.features.push(FeatureSpec { aggregate: Aggregate::Count, of: Of::Label, ..spec.features[0].clone() });
    let schema = tidemill_events::RecordSchema::parse(crate::model::SCHEMA).unwrap();
    assert!(matches!(Hop::new(spec, 0, &schema), Err(Error::Spec { .. })));
}
