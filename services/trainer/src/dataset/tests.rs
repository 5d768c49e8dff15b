//! The join against a naive one, in whatever order its sides come.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;
use tidemill_events::Stage;
use tidemill_events::layout::FeatureColumn;
use tidemill_events::schema::RecordSchema;

fn layout() -> Layout {
    let column = |name: &str, ty| FeatureColumn { name: name.into(), ty };
    let event = r#"{"type": "record", "name": "E", "fields": [{"name": "id", "type": "string"}]}"#;
    Layout {
        pipeline: "p".into(),
        event: RecordSchema::parse(event).unwrap(),
        entities: vec!["card".into()],
        features: vec![column("a", FeatureType::Double), column("kind", FeatureType::String), column("b", FeatureType::Double)],
        hop_features: std::iter::once(0..2).collect(),
    }
}

#[derive(Debug, Clone)]
struct Event {
    id: u8,
    time: i64,
    offset: i64,
    a: Option<f64>,
}

fn vector(e: &Event) -> Vector {
    let a = e.a.map_or(Value::Null, Value::Double);
    Vector {
        event_id: format!("e{}", e.id).into(),
        event_time: e.time,
        source: Source { topic: "p.raw".into(), partition: 0, offset: e.offset },
        ingested_at: 0,
        from: Stage::default(),
        merge_time: 0,
        entities: vec![format!("c{}", e.id % 3).into()],
        features: vec![a, Value::String("x".into()), Value::Double(f64::from(e.id))],
        pipeline_version: 1,
    }
}

fn join(events: &[Event], outcomes: &[(u8, i64, bool, i64)], default: Option<(f64, i64)>) -> Rows {
    let mut set = Dataset::new(&layout(), Span { from: 10, to: 90 }, default);
    for (id, time, label, label_time) in outcomes {
        set.outcome(&format!("e{id}"), *time, f64::from(u8::from(*label)), *label_time);
    }
    events.iter().for_each(|e| set.vector(&vector(e)));
    set.finish()
}

#[test]
fn text_is_left_out_and_null_is_missing() {
    let (columns, text) = columns(&layout());
    assert_eq!((columns.features, text), (vec!["a".into(), "b".into()], vec!["kind".into()]));
    let rows = join(&[Event { id: 1, time: 20, offset: 0, a: None }], &[(1, 20, true, 50)], None);
    assert!(rows.features[0][0].is_nan());
    assert_eq!((rows.features[1][0], rows.label[0], rows.label_time[0], rows.entities[0][0].as_str()), (1.0, 1.0, 50, "c1"));
}

#[test]
fn an_event_without_a_label_is_left_out_unless_it_has_a_default() {
    let events = [Event { id: 1, time: 20, offset: 0, a: None }, Event { id: 2, time: 30, offset: 1, a: None }];
    assert_eq!(join(&events, &[(2, 30, true, 50)], None).event_id, ["e2"]);
    let rows = join(&events, &[(2, 30, true, 50)], Some((0.0, 7)));
    assert_eq!((rows.label, rows.label_time), (vec![0.0, 1.0], vec![27, 50]));
}

proptest! {
    #[test]
    fn the_rows_are_those_of_a_naive_join(
        events in prop::collection::vec((0u8..30, 0i64..100, prop::option::of(-5.0..5.0f64)), 0..60),
        outcomes in prop::collection::vec((0u8..30, 0i64..100, any::<bool>(), 0i64..200), 0..60),
        shuffle in any::<u64>(),
    ) {
        let events: Vec<Event> = events.into_iter().zip(0..).map(|((id, time, a), offset)| Event { id, time, offset, a }).collect();
        // what the line guarantees: an outcome has its event's time
        let times: BTreeMap<u8, i64> = events.iter().map(|e| (e.id, e.time)).collect();
        let outcomes: Vec<_> = outcomes.into_iter().map(|(id, t, l, lt)| (id, *times.get(&id).unwrap_or(&t), l, lt)).collect();

        let mut labels: BTreeMap<u8, (i64, bool)> = BTreeMap::new();
        for (id, time, label, label_time) in outcomes.iter().filter(|o| (10..90).contains(&o.1)) {
            let _ = time;
            let known = labels.entry(*id).or_insert((*label_time, *label));
            *known = (*known).min((*label_time, *label));
        }
        let mut expected: BTreeMap<u8, &Event> = BTreeMap::new();
        for e in events.iter().filter(|e| (10..90).contains(&e.time) && labels.contains_key(&e.id)) {
            let known = expected.entry(e.id).or_insert(e);
            if (e.time, e.offset) < (known.time, known.offset) { *known = e; }
        }
        let mut expected: Vec<&Event> = expected.into_values().collect();
        expected.sort_by_key(|e| (e.time, format!("e{}", e.id)));

        let rows = join(&events, &outcomes, None);
        prop_assert_eq!(rows.event_time.clone(), expected.iter().map(|e| e.time).collect::<Vec<_>>());
        prop_assert_eq!(rows.event_id.clone(), expected.iter().map(|e| format!("e{}", e.id)).collect::<Vec<_>>());
        prop_assert_eq!(rows.label.clone(), expected.iter().map(|e| f64::from(u8::from(labels[&e.id].1))).collect::<Vec<_>>());
        let bits = |v: Option<f64>| v.unwrap_or(f64::NAN).to_bits();
        prop_assert_eq!(rows.features[0].iter().map(|v| v.to_bits()).collect::<Vec<_>>(), expected.iter().map(|e| bits(e.a)).collect::<Vec<_>>());

        let (mut events, mut outcomes) = (events, outcomes);
        turn(&mut events, shuffle);
        turn(&mut outcomes, shuffle >> 7);
        let again = join(&events, &outcomes, None);
        prop_assert_eq!(tidemill_training_set::write(&again, 0..again.len()).unwrap(), tidemill_training_set::write(&rows, 0..rows.len()).unwrap());
    }
}

/// Another order: which one does not matter.
fn turn<T>(items: &mut [T], by: u64) {
    for i in (1..items.len()).rev() {
        items.swap(i, (by.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(i as u64) >> 33) as usize % (i + 1));
    }
}
