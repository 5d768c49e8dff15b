//! Every feature at every readable moment equals the naive model's.

use crate::model::{LATENESS, Made, assert_same, hop, hop_with, made, naive};
use proptest::prelude::*;
use tidemill_events::time::HOUR;
use tidemill_events::{Event, Value};
use tidemill_features::{Hop, KeyState, Place};

fn insert(state: &mut KeyState, hop: &Hop, event: &Event) {
    let place = Place { event_time: event.event_time, partition: event.source.partition, offset: event.source.offset };
    let cells = hop.cells(event, &mut 0);
    state.insert(hop, place, event.merge_time, &cells);
}

fn folded<'a>(hop: &Hop, events: impl IntoIterator<Item = &'a Event>) -> KeyState {
    let mut state = KeyState::new(hop);
    for (i, event) in events.into_iter().enumerate() {
        insert(&mut state, hop, event);
        if i % 3 == 0 {
            state.compact();
        }
    }
    state
}

fn packed(state: &KeyState, hop: &Hop) -> Vec<u8> {
    let mut bytes = Vec::new();
    state.pack(hop, &mut bytes);
    bytes
}

fn events(made: &[Made]) -> Vec<Event> {
    made.iter().enumerate().map(|(i, m)| m.event(i)).collect()
}

proptest! {
    #[test]
    fn reads_equal_the_model_at_every_moment_from_merge_time_minus_lateness(
        made in prop::collection::vec(made(1), 1..60),
        ahead in prop::collection::vec(0..40 * HOUR, 1..6),
    ) {
        let hop = hop();
        let events = events(&made);
        let mut state = KeyState::new(&hop);
        for seen in 1..=events.len() {
            insert(&mut state, &hop, &events[seen - 1]);
            let earliest = state.merge_time().unwrap() - LATENESS;
            for t in ahead.iter().map(|a| earliest + a).chain([earliest, earliest + LATENESS]) {
                let mut row = Vec::new();
                state.read(&hop, t, &mut row);
                assert_same(&hop, &row, &naive(&hop, &events[..seen], t), &format!("after {seen} at {t}"));
            }
        }
    }

    #[test]
    fn the_order_of_events_leaves_no_trace(
        (made, order) in prop::collection::vec(made(1), 1..60).prop_flat_map(|made| {
            let order: Vec<usize> = (0..made.len()).collect();
            (Just(made), Just(order).prop_shuffle())
        }),
    ) {
        let hop = hop();
        let events = events(&made);
        let one = folded(&hop, &events);
        let other = folded(&hop, order.iter().map(|i| &events[*i]));
        prop_assert_eq!(packed(&one, &hop), packed(&other, &hop));
        prop_assert_eq!(one.last_event_time(), events.iter().map(|e| e.event_time).max());
    }

    #[test]
    fn taking_back_is_exact(before in prop::collection::vec(made(1), 0..40), after in prop::collection::vec(made(1), 1..40)) {
        let hop = hop();
        let events = events(&[before.clone(), after].concat());
        let mut state = folded(&hop, &events[..before.len()]);
        let want = packed(&state, &hop);
        let mut changes = Vec::new();
        for event in &events[before.len()..] {
            let place = Place { event_time: event.event_time, partition: event.source.partition, offset: event.source.offset };
            changes.push(state.insert(&hop, place, event.merge_time, &hop.cells(event, &mut 0)));
        }
        while let Some(change) = changes.pop() {
            state.undo(change);
        }
        prop_assert_eq!(packed(&state, &hop), want);
    }
}

#[test]
fn the_window_is_open_at_its_start_and_closed_at_its_end() {
    let hop = hop_with(&["items"], &[(HOUR, 6 * HOUR)]);
    let made = |event_time| Made { key: 1, event_time, behind: 0, partition: 0, amount: None, distance: None, items: 1 };
    let events = events(&[made(0), made(1), made(6 * HOUR), made(6 * HOUR + 1)]);
    let state = folded(&hop, &events);
    let mut row = Vec::new();
    state.read(&hop, 7 * HOUR, &mut row);
    assert_eq!(row[0], Value::Double(2.0), "(0, 6h] holds 1µs and 6h");
}

#[test]
fn sums_of_money_have_no_drift() {
    let hop = hop_with(&["amount"], &[(0, 24 * HOUR)]);
    let made = |i| Made { key: 1, event_time: i, behind: 0, partition: 0, amount: Some(10), distance: None, items: 0 };
    let state = folded(&hop, &events(&(0..1_000_000).map(made).collect::<Vec<_>>()));
    let mut row = Vec::new();
    state.read(&hop, 1_000_000, &mut row);
    assert_eq!(row[1], Value::Double(100_000.0), "a million times 0.10");
    assert_eq!(row[2], Value::Double(0.1));
}

#[test]
fn a_hot_key_keeps_no_more_than_its_horizon() {
    let hop = hop_with(&["items"], &[(0, HOUR)]);
    let made = |i| Made { key: 1, event_time: i * HOUR / 100, behind: 0, partition: 0, amount: None, distance: None, items: 1 };
    let state = folded(&hop, &events(&(0..100_000).map(made).collect::<Vec<_>>()));
    assert_eq!(state.len(), 300, "one hour and two hours' lateness, a hundred an hour");
}
