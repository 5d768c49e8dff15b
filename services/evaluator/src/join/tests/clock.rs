//! What moves the clock of labels, and what it brings about.

use super::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn labels_of_no_event_change_nothing(
        arrivals in arrivals(),
        strangers in prop::collection::vec((any::<prop::sample::Index>(), 50..60u8, 0..10_000i64), 0..6),
        slack in slack(),
    ) {
        let mut join = Join::new(HORIZON, slack, wide());
        let wanted: Vec<Told> = arrivals.iter().enumerate().flat_map(|(i, a)| arrive(&mut join, *a, i as i64)).collect();
        // their offsets are beyond those of the others
        let mut mixed: Vec<(i64, Arrival)> = arrivals.iter().enumerate().map(|(i, a)| (i as i64, *a)).collect();
        for (i, (at, n, time)) in strangers.into_iter().enumerate() {
            mixed.insert(at.index(mixed.len() + 1), (1_000 + i as i64, Arrival::Label(n, true, time)));
        }
        let mut join = Join::new(HORIZON, slack, wide());
        let mut told: Vec<Told> = mixed.iter().flat_map(|(offset, a)| arrive(&mut join, *a, *offset)).collect();
        told.retain(|t| t.label().is_none_or(|offset| offset < 1_000));
        prop_assert_eq!(told, wanted);
    }
}

#[test]
fn one_label_timed_now_loses_no_history() {
    for slack in [None, Some(SLACK)] {
        let story = [
            Arrival::Prediction(1, 0),
            Arrival::Prediction(2, 1),
            Arrival::Label(99, true, 1_000_000), // of nobody
            Arrival::Label(1, true, 1_000_001),  // 3: of an event, but late
            Arrival::Label(1, true, 4),
            Arrival::Label(2, true, 5),
        ];
        let wanted = [Told::Refused(3, Refusal::Late), Told::Joined(4), Told::Joined(5)];
        let mut join = Join::new(HORIZON, slack, wide());
        let told: Vec<Told> = story.iter().enumerate().flat_map(|(i, a)| arrive(&mut join, *a, i as i64)).collect();
        assert_eq!(told, wanted);
        // and a successor that takes over before the labels in time
        let mut join = restore(wide(), slack, &story, 4, &wanted[..1]);
        assert_eq!([arrive(&mut join, story[4], 4), arrive(&mut join, story[5], 5)].concat(), wanted[1..]);
    }
}

#[test]
fn a_prediction_waits_for_two_horizons_of_labels() {
    let mut join = Join::new(HORIZON, None, wide());
    for (offset, arrival) in [Arrival::Prediction(1, 0), Arrival::Prediction(8, 15), Arrival::Prediction(9, 16)].into_iter().enumerate() {
        arrive(&mut join, arrival, offset as i64);
    }
    arrive(&mut join, Arrival::Label(8, true, 20), 3);
    assert_eq!(join.waiting(), (2, 0), "1 and 9");
    arrive(&mut join, Arrival::Label(9, true, 21), 4);
    assert_eq!(join.waiting(), (0, 0));
}

#[test]
fn an_event_without_a_label_gets_the_default_when_labels_have_gone_by() {
    let mut join = Join::new(HORIZON, Some(SLACK), wide());
    let mut told = Vec::new();
    let story = [
        Arrival::Prediction(1, 0),
        Arrival::Prediction(8, 5),
        Arrival::Prediction(9, 5),
        Arrival::Label(8, true, 12), // 3: the horizon and the slack are over at 12
        Arrival::Prediction(2, 0),
        Arrival::Label(2, true, 10), // 5: out of order, and in time
        Arrival::Label(9, true, 13), // 6: now 1 has waited long enough, and goes first
        Arrival::Label(1, true, 10), // 7: too late, though known in time
        Arrival::Label(1, true, 11), // 8: known too late
        Arrival::Prediction(3, 1),   // 13 is not after 13
        Arrival::Prediction(4, 0),   // comes when its labels have gone by
    ];
    for (offset, arrival) in story.into_iter().enumerate() {
        told.extend(arrive(&mut join, arrival, offset as i64));
    }
    let wanted = [
        Told::Joined(3),
        Told::Joined(5),
        Told::Defaulted(1),
        Told::Joined(6),
        Told::Refused(7, Refusal::Defaulted),
        Told::Refused(8, Refusal::Late),
        Told::Defaulted(4),
    ];
    assert_eq!(told, wanted);
}
