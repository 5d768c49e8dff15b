//! Outcomes between the events of a hop's input: folded in their place, and counted for nothing else.

use super::*;
use tidemill_events::{Layout, Outcome};
use tidemill_features::Packed;

const LABELLED: &str = "
pipeline: p
source: { schema: e.avsc, id: id, time: at, lateness: 10m, dedupe: 1h, partitions: 2 }
labels: { horizon: 30m }
entities:
  terminal:
    key: terminal
    features:
      n: { aggregate: count, windows: [1h] }
      frauds: { aggregate: sum, of: label, windows: [1h, 2h], delay: 30m }
      rate: { aggregate: mean, of: label, windows: [2h], fill: 0 }
decision: { threshold: 0.5, above: review, below: accept }
bootstrap: 'terminal_rate_2h > 0.5 ? 1.0 : 0.0'
";

/// A record of `p.valid`, partition 0.
enum Input {
    Event(Event),
    Outcome(Outcome),
}

fn pipeline() -> Pipeline {
    compile("p.yaml", LABELLED, |_| Ok(SCHEMA.to_owned())).unwrap().0
}

/// Each event is labelled some events after it; `label` gives what it says.
fn input(label: impl Fn(usize) -> f64) -> Vec<Input> {
    let events: Vec<Event> = (0..EVENTS)
        .map(|i| {
            let (source, entities) = (Source { topic: RAW.into(), partition: 0, offset: i as i64 }, vec![format!("t{}", i % 4).into()]);
            Event { source, entities, ..event(i) }
        })
        .collect();
    let mut input = Vec::new();
    for (i, event) in events.iter().enumerate() {
        input.push(Input::Event(event.clone()));
        // the later of two is labelled first, now and then
        let Some(labelled) = i.checked_sub(3 + i % 3).map(|at| &events[at]) else { continue };
        input.push(Input::Outcome(Outcome {
            event_id: labelled.event_id.clone(),
            event_time: labelled.event_time,
            source: Source { topic: "p.labels".into(), partition: 1, offset: i as i64 },
            from: Stage::default(),
            merge_time: event.merge_time,
            entities: labelled.entities.clone(),
            fields: vec![Value::Null; 5],
            label: label(i),
            label_time: event.merge_time,
        }));
    }
    input
}

/// The vectors that a service makes of `input`, and its state at the end.
fn served(pipeline: &Pipeline, input: &[Input]) -> (Vec<(Source, Vec<Value>)>, Vec<Packed>) {
    let mut state = HopState::new(engine(pipeline, 0));
    let mut vectors = Vec::new();
    for record in input {
        match record {
            Input::Event(event) => {
                let mut features = Vec::new();
                state.process(event, &mut features);
                vectors.push((event.source.clone(), features));
            }
            Input::Outcome(outcome) => drop(state.process_outcome(outcome)),
        }
    }
    state.commit();
    (vectors, all(state))
}

fn all(mut state: HopState) -> Vec<Packed> {
    state.pack_from(0, usize::MAX).unwrap().0
}

/// What the fold of `input` says of `vectors`, and its state at the end.
fn folded(layout: &Layout, hop: Arc<Hop>, input: &[Input], vectors: &[(Source, Vec<Value>)]) -> (Found, Vec<Packed>) {
    let mut known = Vectors::new(layout.hop_features.clone(), &[Ends { start: 0, stable: 99, high: 99 }; 2]);
    for (offset, (source, features)) in (0..).zip(vectors) {
        known.put(source, offset, features, true);
    }
    let mut fold = Fold::new(layout, &known, 0, hop, &[]);
    for (offset, record) in (0..).zip(input) {
        match record {
            Input::Event(event) => {
                let key = Some(event.entities[0].as_bytes());
                fold.event(&Derived { topic: "p.valid", partition: 0, offset, key, source: &event.source }, event);
            }
            Input::Outcome(outcome) => fold.outcome(outcome),
        }
    }
    let (found, state) = fold.finish();
    (found, all(state))
}

fn frauds(i: usize) -> f64 {
    f64::from(u8::from(i.is_multiple_of(3)))
}

#[test]
fn vectors_and_states_made_of_outcomes_too_hold() {
    let pipeline = pipeline();
    let input = input(frauds);
    let (vectors, states) = served(&pipeline, &input);
    assert!(vectors.iter().any(|(_, features)| features[1] == Value::Double(1.0)), "some windows hold a fraud");
    let (found, folded) = folded(&pipeline.layout, engine(&pipeline, 0), &input, &vectors);
    assert_eq!((found.vectors.violations, found.values.violations), (0, 0), "{:?}", found.values.first);
    let events = EVENTS as u64;
    assert_eq!((found.vectors.checked, found.values.checked), (events, 4 * events), "label features are added up again, too");
    assert_eq!(folded, states);
}

#[test]
fn an_outcome_that_was_not_folded_is_seen_in_vectors_and_states() {
    let pipeline = pipeline();
    let input = input(frauds);
    let (vectors, states) = served(&pipeline, &input.iter().filter(|r| matches!(r, Input::Event(_))).map(copy).collect::<Vec<_>>());
    let (found, folded) = folded(&pipeline.layout, engine(&pipeline, 0), &input, &vectors);
    assert!(found.vectors.violations > 0);
    assert_ne!(folded, states);
}

fn copy(record: &Input) -> Input {
    match record {
        Input::Event(event) => Input::Event(event.clone()),
        Input::Outcome(outcome) => Input::Outcome(outcome.clone()),
    }
}

#[test]
fn an_outcome_folded_in_another_place_is_seen() {
    let pipeline = pipeline();
    let input = input(frauds);
    let (mut late, mut outcomes) = (Vec::new(), Vec::new());
    for record in &input {
        match record {
            Input::Event(event) => late.push(Input::Event(event.clone())),
            Input::Outcome(outcome) => outcomes.push(Input::Outcome(outcome.clone())),
        }
    }
    late.extend(outcomes);
    let (vectors, states) = served(&pipeline, &late);
    let (found, folded) = folded(&pipeline.layout, engine(&pipeline, 0), &input, &vectors);
    assert!(found.vectors.violations > 0, "the events did not see the labels");
    assert_eq!(folded, states, "and in the end it is the same set");
}

#[test]
fn label_features_that_do_not_add_up_are_seen() {
    let pipeline = pipeline();
    let mut recount = Recount::new(engine(&pipeline, 0));
    let features = [Value::Double(1.0), Value::Null, Value::Null, Value::Double(0.0)];
    let (mut at_fault, mut outcomes) = (Vec::new(), 0);
    for record in input(frauds) {
        match record {
            Input::Event(event) => at_fault.extend(recount.check(&event, &features).1.into_iter().map(|wrong| wrong.feature)),
            Input::Outcome(outcome) => {
                outcomes += 1;
                recount.outcome(&outcome);
            }
        }
    }
    assert!(outcomes > 10);
    for feature in 1..4 {
        assert!(at_fault.contains(&feature), "{feature}");
    }
}

#[test]
fn labels_that_are_no_whole_numbers_are_left_to_the_fold() {
    let pipeline = pipeline();
    let input = input(|i| i as f64 / 10.0);
    let (vectors, _) = served(&pipeline, &input);
    let (found, _) = folded(&pipeline.layout, engine(&pipeline, 0), &input, &vectors);
    assert_eq!((found.vectors.violations, found.values.violations), (0, 0));
    assert!(found.values.checked < 4 * EVENTS as u64, "{}", found.values.checked);
}
