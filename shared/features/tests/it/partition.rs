//! A partition's state under transactions: aborts leave no trace, features equal the model's in fold order.

use crate::model::{Made, assert_same, hop, made, naive};
use proptest::prelude::*;
use std::collections::BTreeMap;
use tidemill_events::{Event, Value};
use tidemill_features::{HopState, Packed};

fn everything(state: &mut HopState) -> BTreeMap<String, Vec<u8>> {
    let (all, next) = state.pack_from(0, usize::MAX).unwrap();
    assert_eq!(next, None);
    all.into_iter().map(|(key, bytes)| (key.to_string(), bytes)).collect()
}

/// Events in an order in which none is late beyond what is kept: merge times go up.
fn in_merge_order(mut made: Vec<Made>) -> Vec<Event> {
    made.sort_by_key(|m| m.event_time + m.behind);
    made.iter().enumerate().map(|(i, m)| m.event(i)).collect()
}

proptest! {
    #[test]
    fn features_are_those_of_the_events_folded_so_far(made in prop::collection::vec(made(3), 1..80)) {
        let hop = hop();
        let events = in_merge_order(made);
        let mut state = HopState::new(hop.clone());
        for (i, event) in events.iter().enumerate() {
            let mut row = Vec::new();
            state.process(event, &mut row);
            let key = &event.entities[0];
            let folded: Vec<Event> = events[..=i].iter().filter(|e| !key.is_empty() && e.entities[0] == *key).cloned().collect();
            assert_same(&hop, &row, &naive(&hop, &folded, event.event_time), &format!("event {i}"));
            if i % 5 == 0 {
                state.commit();
            }
        }
    }

    #[test]
    fn aborted_batches_leave_no_trace(batches in prop::collection::vec((prop::collection::vec(made(6), 0..20), any::<bool>()), 1..12)) {
        let (mut state, mut model) = (HopState::new(hop()), HopState::new(hop()));
        let mut offset = 0;
        for (batch, commits) in &batches {
            let before = everything(&mut state);
            for made in batch {
                let event = made.event(offset);
                offset += 1;
                state.process(&event, &mut Vec::new());
                if *commits {
                    model.restore(&event);
                }
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

    /// A store that is given the touched keys after some commits, and rebuilt in parts between others,
    /// ends equal to the state.
    #[test]
    fn touched_keys_and_rebuilds_carry_all_there_is(
        batches in prop::collection::vec((prop::collection::vec(made(20), 0..20), any::<bool>(), any::<bool>()), 1..12),
        part in 1..2_000usize,
    ) {
        let mut state = HopState::new(hop());
        let mut store = BTreeMap::new();
        let mut put = |entries: Vec<Packed>| store.extend(entries.into_iter().map(|(key, bytes)| (key.to_string(), bytes)));
        let (mut offset, mut rebuild) = (0, None);
        for (batch, commits, hands_over) in &batches {
            for made in batch {
                state.process(&made.event(offset), &mut Vec::new());
                offset += 1;
            }
            if *commits { state.commit() } else { state.abort() }
            match (hands_over, rebuild) {
                (false, _) => {}
                (true, Some(from)) => {
                    let (entries, next) = state.pack_from(from, part).unwrap();
                    put(entries);
                    rebuild = next;
                }
                (true, None) => {
                    put(state.pack_touched(usize::MAX).unwrap().0);
                    rebuild = Some(0);
                }
            }
        }
        while let Some(from) = rebuild {
            let (entries, next) = state.pack_from(from, part).unwrap();
            put(entries);
            rebuild = next;
        }
        put(state.pack_touched(usize::MAX).unwrap().0);
        prop_assert_eq!(store, everything(&mut state));
    }
}

#[test]
fn an_event_without_a_key_gets_the_features_of_an_empty_state() {
    let hop = hop();
    let mut state = HopState::new(hop.clone());
    let made = Made { key: 0, event_time: 7, behind: 0, partition: 0, amount: Some(1), distance: None, items: 1 };
    let mut row = Vec::new();
    assert_eq!(state.process(&made.event(0), &mut row), 0);
    assert_same(&hop, &row, &naive(&hop, &[], 7), "no key");
    assert_eq!(row[0], Value::Double(0.0));
    assert_eq!(row[1], Value::Null);
    state.commit();
    assert!(state.is_empty());
}

#[test]
fn nothing_uncommitted_is_handed_over() {
    let mut state = HopState::new(hop());
    let made = Made { key: 1, event_time: 7, behind: 0, partition: 0, amount: Some(1), distance: None, items: 1 };
    state.process(&made.event(0), &mut Vec::new());
    assert_eq!(state.pack_touched(usize::MAX), None);
    assert_eq!(state.pack_from(0, 1_000), None);
    state.commit();
    assert_eq!(state.pack_touched(usize::MAX).unwrap().0.len(), 1);
    assert_eq!(state.pack_touched(usize::MAX).unwrap().0.len(), 0, "each touch is handed over once");
}

#[test]
fn values_that_cannot_be_aggregated_are_counted() {
    let mut state = HopState::new(hop());
    let made = Made { key: 1, event_time: 7, behind: 0, partition: 0, amount: None, distance: Some(f64::NAN), items: 1 };
    assert_eq!(state.process(&made.event(0), &mut Vec::new()), 2);
}
