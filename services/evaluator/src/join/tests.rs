//! The join under aborts and restarts, against the same join undisturbed.

use super::*;
use proptest::prelude::*;

const HORIZON: i64 = 10;
const SLACK: i64 = 2;

fn awaiting(event_time: i64) -> Awaiting {
    Awaiting {
        event_time,
        offset: 0,
        entities: Box::new([]),
        score: 0.5,
        decision: "review".into(),
        route: "default".into(),
        model: Arc::default(),
        trace: None,
    }
}

fn label(offset: i64, label: f64, label_time: i64) -> Label {
    Label { label, label_time, source: Source { topic: "p.labels".into(), partition: 0, offset }, payload: Box::new([]), trace: None }
}

fn id(number: u8) -> CompactString {
    CompactString::from(format!("e{number}"))
}

/// What became of a label, by its offset, or of an event without one.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Told {
    Joined(i64),
    Refused(i64, Refusal),
    Defaulted(u8),
}

impl Told {
    fn label(self) -> Option<i64> {
        match self {
            Told::Joined(offset) | Told::Refused(offset, _) => Some(offset),
            Told::Defaulted(_) => None,
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Arrival {
    Prediction(u8, i64),
    Label(u8, bool, i64),
}

fn arrive(join: &mut Join, arrival: Arrival, offset: i64) -> Vec<Told> {
    join.restored();
    let fate = match arrival {
        Arrival::Prediction(n, time) => join.predicted(&id(n), awaiting(time), Passing::default()),
        Arrival::Label(n, value, time) => join.labelled(&id(n), label(offset, f64::from(value), time)),
    };
    let mut fates: Vec<_> = fate.into_iter().map(|fate| (id(0), fate)).collect();
    fates.extend(std::iter::from_fn(|| join.due()));
    let told = fates.into_iter().map(|(id, fate)| match fate {
        Fate::Joined(_, label) => Told::Joined(label.source.offset),
        Fate::Refused(refusal, label) => Told::Refused(label.source.offset, refusal),
        Fate::Defaulted(_) => Told::Defaulted(id[1..].parse().unwrap()),
    });
    told.collect()
}

/// Predictions of different events in any order, and any labels.
fn arrivals() -> impl Strategy<Value = Vec<Arrival>> {
    let predictions = prop::collection::btree_map(0..12u8, 0..60i64, 0..12);
    let labels = prop::collection::vec((0..12u8, any::<bool>(), 0..80i64), 0..24);
    (predictions, labels)
        .prop_map(|(predictions, labels)| {
            let predictions = predictions.into_iter().map(|(n, time)| Arrival::Prediction(n, time));
            predictions.chain(labels.into_iter().map(|(n, value, time)| Arrival::Label(n, value, time))).collect::<Vec<_>>()
        })
        .prop_shuffle()
}

#[derive(Debug, Clone, Copy)]
enum After {
    Nothing,
    Commit,
    Abort,
    Crash,
    /// The transaction of another partition fails before the successor has seen a record.
    CrashAndAbort,
}

fn afters() -> impl Strategy<Value = Vec<After>> {
    let one = prop_oneof![3 => Just(After::Nothing), 3 => Just(After::Commit), 1 => Just(After::Abort), 1 => Just(After::Crash), 1 => Just(After::CrashAndAbort)];
    prop::collection::vec(one, 40)
}

/// A join that has folded what is done: the first `done` arrivals and what was told of them.
fn restore(slack: Option<i64>, arrivals: &[Arrival], done: usize, told: &[Told]) -> Join {
    let mut join = Join::new(HORIZON, slack);
    let decided: Vec<i64> = told.iter().filter_map(|t| t.label()).collect();
    let times: HashMap<u8, i64> =
        arrivals.iter().filter_map(|a| if let Arrival::Prediction(n, time) = a { Some((*n, *time)) } else { None }).collect();
    for told in told {
        match *told {
            Told::Joined(offset) => {
                let Arrival::Label(n, value, _) = arrivals[offset as usize] else { panic!("no label at {offset}") };
                join.restore_outcome(&id(n), f64::from(value), times[&n]);
            }
            Told::Defaulted(n) => join.restore_defaulted(&id(n), times[&n]),
            Told::Refused(..) => {}
        }
    }
    for arrival in &arrivals[..done] {
        if let Arrival::Prediction(n, time) = arrival {
            join.restore_prediction(&id(*n), awaiting(*time), Passing::default());
        }
    }
    for (offset, arrival) in arrivals[..done].iter().enumerate() {
        if let Arrival::Label(n, value, time) = arrival {
            join.restore_label(id(*n), label(offset as i64, f64::from(*value), *time), decided.contains(&(offset as i64)));
        }
    }
    join
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]
    #[test]
    fn aborts_and_restarts_change_nothing(arrivals in arrivals(), afters in afters(), slack in slack()) {
        let mut calm = Join::new(HORIZON, slack);
        let wanted: Vec<Told> = arrivals.iter().enumerate().flat_map(|(i, a)| arrive(&mut calm, *a, i as i64)).collect();

        let mut join = Join::new(HORIZON, slack);
        let (mut next, mut done, mut told, mut open) = (0, 0, Vec::new(), Vec::new());
        let mut afters = afters.into_iter();
        while next < arrivals.len() {
            open.extend(arrive(&mut join, arrivals[next], next as i64));
            next += 1;
            match afters.next().unwrap_or(After::Commit) {
                After::Nothing => {}
                After::Commit => {
                    join.commit();
                    told.append(&mut open);
                    done = next;
                }
                After::Abort => {
                    join.abort();
                    open.clear();
                    next = done;
                }
                crash @ (After::Crash | After::CrashAndAbort) => {
                    join = restore(slack, &arrivals, done, &told);
                    if matches!(crash, After::CrashAndAbort) {
                        join.abort();
                    }
                    open.clear();
                    next = done;
                }
            }
        }
        told.append(&mut open);
        prop_assert_eq!(told, wanted);
    }

    #[test]
    fn a_label_ends_once_and_an_event_has_one_outcome(mut arrivals in arrivals(), slack in slack()) {
        // a last label, after every horizon
        arrivals.push(Arrival::Label(99, true, 1_000));
        let mut join = Join::new(HORIZON, slack);
        let told: Vec<Told> = arrivals.iter().enumerate().flat_map(|(i, a)| arrive(&mut join, *a, i as i64)).collect();
        let held = join.waiting().1;
        let labels = arrivals.iter().filter(|a| matches!(a, Arrival::Label(..))).count();
        let mut ended: Vec<i64> = told.iter().filter_map(|t| t.label()).collect();
        prop_assert_eq!(ended.len() + held, labels);
        ended.sort_unstable();
        ended.dedup();
        prop_assert_eq!(ended.len() + held, labels, "a label was told twice");
        let event = |t: &Told| match *t {
            Told::Joined(offset) => match arrivals[offset as usize] {
                Arrival::Label(n, ..) | Arrival::Prediction(n, _) => Some(n),
            },
            Told::Defaulted(n) => Some(n),
            Told::Refused(..) => None,
        };
        let mut outcomes: Vec<u8> = told.iter().filter_map(event).collect();
        let count = outcomes.len();
        outcomes.sort_unstable();
        outcomes.dedup();
        prop_assert_eq!(outcomes.len(), count, "an event has two outcomes");
        if slack.is_some() {
            let predicted = arrivals.iter().filter(|a| matches!(a, Arrival::Prediction(..))).count();
            prop_assert_eq!(outcomes.len(), predicted, "an event has none");
        }
    }
}

fn slack() -> impl Strategy<Value = Option<i64>> {
    // more than a horizon: then what waits is kept longer, too
    prop_oneof![Just(None), Just(Some(0)), Just(Some(SLACK)), Just(Some(2 * HORIZON))]
}

#[test]
fn each_fate() {
    let mut join = Join::new(HORIZON, None);
    let mut told = Vec::new();
    let story = [
        Arrival::Label(1, true, 5),  // 0: waits
        Arrival::Prediction(1, 3),   // joins 0
        Arrival::Label(1, true, 6),  // 2: again
        Arrival::Label(1, false, 6), // 3: otherwise
        Arrival::Prediction(2, 4),
        Arrival::Label(2, true, 15), // 5: more than 10 after
        Arrival::Label(2, true, 14), // 6: in time
        Arrival::Label(9, true, 8),  // 7: of nobody
        Arrival::Prediction(3, 18),  // 7 may still find its event
        Arrival::Prediction(4, 19),  // now no more
    ];
    for (offset, arrival) in story.into_iter().enumerate() {
        told.extend(arrive(&mut join, arrival, offset as i64));
    }
    let wanted = [
        Told::Joined(0),
        Told::Refused(2, Refusal::Duplicate),
        Told::Refused(3, Refusal::Conflict),
        Told::Refused(5, Refusal::Late),
        Told::Joined(6),
        Told::Refused(7, Refusal::UnknownEvent),
    ];
    assert_eq!(told, wanted);
    assert_eq!(join.waiting(), (2, 0));
}

#[test]
fn a_prediction_waits_for_two_horizons_of_labels() {
    let mut join = Join::new(HORIZON, None);
    arrive(&mut join, Arrival::Prediction(1, 0), 0);
    arrive(&mut join, Arrival::Label(8, true, 20), 1);
    assert_eq!(join.waiting(), (1, 1));
    arrive(&mut join, Arrival::Label(9, true, 21), 2);
    assert_eq!(join.waiting(), (0, 2));
}

#[test]
fn an_event_without_a_label_gets_the_default_when_labels_have_gone_by() {
    let mut join = Join::new(HORIZON, Some(SLACK));
    let mut told = Vec::new();
    let story = [
        Arrival::Prediction(1, 0),
        Arrival::Label(8, true, 12), // the horizon and the slack are over at 12
        Arrival::Prediction(2, 0),
        Arrival::Label(2, true, 10), // 3: out of order, and in time
        Arrival::Label(9, true, 13), // now 1 has waited long enough
        Arrival::Label(1, true, 10), // 5: too late, though known in time
        Arrival::Label(1, true, 11), // 6: known too late
        Arrival::Prediction(3, 1),   // 13 is not after 13
        Arrival::Prediction(4, 0),   // comes when its labels have gone by
    ];
    for (offset, arrival) in story.into_iter().enumerate() {
        told.extend(arrive(&mut join, arrival, offset as i64));
    }
    let wanted =
        [Told::Joined(3), Told::Defaulted(1), Told::Refused(5, Refusal::Defaulted), Told::Refused(6, Refusal::Late), Told::Defaulted(4)];
    assert_eq!(told, wanted);
}
