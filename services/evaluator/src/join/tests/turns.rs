//! Outcomes in the order in which they are known, told bit by bit: none comes when its window is closed.

use super::*;
use std::collections::BTreeMap;

const WINDOW: i64 = 6;

/// Events by time, predicted as late as the slack lets them; some have a label in time, as orderly as events.
fn history() -> impl Strategy<Value = Vec<Arrival>> {
    let event = (0..60i64, 0..SLACK, prop::option::of((0..=HORIZON, any::<bool>(), 0..SLACK)));
    (prop::collection::vec(event, 1..40), 1..30i64).prop_map(|(events, batch)| {
        let mut at: Vec<(i64, Arrival)> = Vec::new();
        for (n, (time, late, label)) in events.into_iter().enumerate() {
            let n = n as u8;
            at.push((time + late, Arrival::Prediction(n, time)));
            if let Some((delay, value, late)) = label {
                // labels of many events become known together, as by night
                let known = (time + delay).div_euclid(batch) * batch;
                let known = if known < time { time + delay } else { known };
                at.push((known + late, Arrival::Label(n, value, known)));
            }
        }
        // stable: of what comes at the same time the prediction of an event is first
        at.sort_by_key(|(time, _)| *time);
        at.into_iter().map(|(_, arrival)| arrival).chain([Arrival::Prediction(99, 1_000), Arrival::Label(99, true, 1_000)]).collect()
    })
}

/// Event and label time of an outcome.
fn times(told: Told, arrivals: &[Arrival], predicted: &BTreeMap<u8, i64>) -> Option<(u8, i64, i64)> {
    match told {
        Told::Defaulted(n) => Some((n, predicted[&n], predicted[&n] + HORIZON)),
        Told::Joined(offset) => {
            let Arrival::Label(n, _, known) = arrivals[offset as usize] else { panic!("no label at {offset}") };
            Some((n, predicted[&n], known))
        }
        Told::Refused(..) => None,
    }
}

fn none_is_late(room: &Arc<Room>, arrivals: &[Arrival], most: usize, afters: Vec<After>) -> Result<(), TestCaseError> {
    let predicted: BTreeMap<u8, i64> =
        arrivals.iter().filter_map(|a| if let Arrival::Prediction(n, time) = a { Some((*n, *time)) } else { None }).collect();
    let new = || Join::new(HORIZON, Some(SLACK), room.clone());
    let (mut join, mut next, mut done, mut all, mut open) = (new(), 0, 0, Vec::new(), Vec::new());
    let mut afters = afters.into_iter();
    while next < arrivals.len() {
        open.extend(arrive_in_parts(&mut join, arrivals[next], next as i64, most));
        next += 1;
        match afters.next().unwrap_or(After::Commit) {
            After::Nothing => continue,
            After::Commit => {
                join.commit();
                all.append(&mut open);
                done = next;
            }
            After::Abort => join.abort(),
            After::Crash | After::CrashAndAbort => join = restore(room.clone(), Some(SLACK), arrivals, done, &all),
        }
        open.clear();
        next = done;
    }
    all.append(&mut open);
    // what is left is told by ticks
    join.restored().unwrap();
    all.extend(std::iter::from_fn(|| join.due().unwrap()).map(told));

    let mut clock = i64::MIN;
    let mut seen = BTreeMap::new();
    for told in all {
        let Some((n, event_time, known)) = times(told, arrivals, &predicted) else { continue };
        prop_assert!(seen.insert(n, told).is_none(), "{} has two outcomes", n);
        let closes = (event_time.div_euclid(WINDOW) + 1) * WINDOW + HORIZON + SLACK;
        prop_assert!(clock < closes, "the outcome of {} at {} comes when {} is known", n, event_time, clock);
        clock = clock.max(known);
    }
    // all but the last, whose horizon is not over, have their label or the default
    prop_assert_eq!(seen.len(), predicted.len());
    for (n, told) in seen {
        let labelled = arrivals.iter().any(|a| matches!(a, Arrival::Label(m, ..) if *m == n));
        prop_assert_eq!(matches!(told, Told::Joined(_)), labelled, "{:?}", told);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]
    #[test]
    fn no_outcome_comes_when_its_window_is_closed(arrivals in history(), most in 0..4usize, afters in afters()) {
        none_is_late(&wide(), &arrivals, most, afters)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn nor_from_disk(arrivals in history(), most in 0..4usize, afters in afters()) {
        none_is_late(&narrow(), &arrivals, most, afters)?;
    }
}

#[test]
fn what_waits_for_its_turn_is_told_once_and_refuses_what_comes_after_it() {
    let mut join = Join::new(HORIZON, Some(SLACK), wide());
    let mut story: Vec<Arrival> = (0..5).map(|n| Arrival::Prediction(n, 0)).collect();
    story.extend([Arrival::Prediction(8, 20), Arrival::Label(8, true, 20), Arrival::Label(8, true, 21), Arrival::Label(8, false, 21)]);
    let mut told: Vec<Told> = story.iter().enumerate().flat_map(|(i, a)| arrive_in_parts(&mut join, *a, i as i64, 1)).collect();
    join.commit();
    let refused = [Told::Refused(7, Refusal::Duplicate), Told::Refused(8, Refusal::Conflict)];
    let early = [Told::Defaulted(0), Told::Defaulted(1), Told::Defaulted(2), Told::Defaulted(3), Told::Defaulted(4)];
    assert_eq!(told.iter().filter(|t| refused.contains(t)).count(), 2);
    assert_eq!(told.iter().filter(|t| early.contains(t)).count(), 3, "one with each label, and 6 waits");
    assert_eq!(told.len(), 5);
    let mut successor = restore(wide(), Some(SLACK), &story, story.len(), &told);
    successor.restored().unwrap();
    let rest: Vec<Told> = std::iter::from_fn(|| successor.due().unwrap()).map(super::told).collect();
    assert_eq!((rest.len(), rest.last()), (3, Some(&Told::Joined(6))));
    told.extend(rest);
    assert!(early.iter().all(|t| told.iter().filter(|known| *known == t).count() == 1));
}

/// Three steps of which nothing is told: 1 waits for the default of 0, though its label came before its event.
const BEHIND: [Arrival; 3] = [Arrival::Label(1, true, 13), Arrival::Prediction(0, 0), Arrival::Prediction(1, 5)];
/// And 8, which is known much later.
const NEXT: [Arrival; 2] = [Arrival::Prediction(8, 40), Arrival::Label(8, true, 40)];

#[test]
fn what_waited_goes_before_what_is_known_later() {
    let mut join = Join::new(HORIZON, Some(SLACK), wide());
    let quiet = |join: &mut Join, story: &[Arrival], from: i64| {
        let told: Vec<Told> = story.iter().zip(from..).flat_map(|(a, i)| arrive_in_parts(join, *a, i, 0)).collect();
        assert_eq!(told, []);
    };
    quiet(&mut join, &BEHIND, 0);
    assert_eq!(join.due().unwrap().map(told), Some(Told::Defaulted(0)));
    // no event is left that could get the default before 8
    quiet(&mut join, &NEXT, 3);
    let rest: Vec<Told> = std::iter::from_fn(|| join.due().unwrap()).map(told).collect();
    assert_eq!(rest, [Told::Joined(0), Told::Joined(4)]);
}

#[test]
fn what_waited_is_told_and_forgotten_when_the_file_has_no_default_any_more() {
    let story = [&BEHIND[..], &NEXT[..]].concat();
    let mut join = restore(wide(), None, &story, story.len(), &[]);
    join.restored().unwrap();
    let told: Vec<Told> = std::iter::from_fn(|| join.due().unwrap()).map(told).collect();
    assert_eq!(told, [Told::Joined(0), Told::Joined(4)]);
    assert_eq!(join.entries.in_memory().count(), 1, "of 8 alone: labels have gone by the others by two horizons");
}
