//! The join under aborts and restarts, against the same join undisturbed.

mod clock;
mod rooms;
mod turns;

use super::*;
use proptest::prelude::*;
use std::collections::HashMap;
use std::path::Path;
use std::sync::LazyLock;
use tidemill_events::Source;

const HORIZON: i64 = 10;
const SLACK: i64 = 2;

/// Everything stays in memory.
fn wide() -> Arc<Room> {
    static WIDE: LazyLock<Arc<Room>> = LazyLock::new(|| Arc::new(Room::new(usize::MAX, Path::new("never used")).unwrap()));
    WIDE.clone()
}

/// Nothing does, between two transactions.
fn narrow() -> Arc<Room> {
    static NARROW: LazyLock<(tempfile::TempDir, Arc<Room>)> = LazyLock::new(|| {
        let folder = tempfile::tempdir().unwrap();
        let room = Room::new(0, &folder.path().join("scratch")).unwrap();
        (folder, Arc::new(room))
    });
    NARROW.1.clone()
}

impl Join {
    /// Predictions without a label, and labels without a prediction, where nothing is on disk.
    fn waiting(&self) -> (usize, usize) {
        assert!(!self.entries.has_shelf());
        let count = |wanted: fn(&Entry) -> bool| self.entries.in_memory().filter(|entry| wanted(entry)).count();
        let waiting = (count(|e| matches!(e, Entry::Predicted(_))), count(|e| matches!(e, Entry::Held(_))));
        assert_eq!(self.entries.labels(), waiting.1);
        waiting
    }
}

fn awaiting(event_id: CompactString, event_time: i64) -> Awaiting {
    Awaiting {
        event_id,
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

fn label(event_id: CompactString, offset: i64, label: f64, label_time: i64) -> Label {
    let source = Source { topic: "p.labels".into(), partition: 0, offset };
    Label { event_id, label, label_time, source, payload: Box::new([7; 3]), trace: Some(Box::new([8])) }
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
    arrive_in_parts(join, arrival, offset, usize::MAX)
}

/// Of what the clocks bring about only so many are told.
fn arrive_in_parts(join: &mut Join, arrival: Arrival, offset: i64, most: usize) -> Vec<Told> {
    join.restored().unwrap();
    join.make_room().unwrap();
    let fate = match arrival {
        Arrival::Prediction(n, time) => join.predicted(awaiting(id(n), time), Passing::default()),
        Arrival::Label(n, value, time) => join.labelled(label(id(n), offset, f64::from(value), time)),
    };
    let mut fates: Vec<_> = fate.unwrap().into_iter().collect();
    fates.extend(std::iter::from_fn(|| join.due().unwrap()).take(most));
    fates.into_iter().map(told).collect()
}

fn told(fate: Fate) -> Told {
    match fate {
        Fate::Joined(prediction, label) => {
            assert_eq!(prediction.event_id, label.event_id);
            assert_eq!((&*label.payload, label.trace.as_deref()), (&[7; 3][..], Some(&[8][..])));
            Told::Joined(label.source.offset)
        }
        Fate::Refused(refusal, label) => Told::Refused(label.source.offset, refusal),
        Fate::Defaulted(prediction) => Told::Defaulted(prediction.event_id[1..].parse().unwrap()),
    }
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
fn restore(room: Arc<Room>, slack: Option<i64>, arrivals: &[Arrival], done: usize, told: &[Told]) -> Join {
    let mut join = Join::new(HORIZON, slack, room);
    let decided: Vec<i64> = told.iter().filter_map(|t| t.label()).collect();
    let times: HashMap<u8, i64> =
        arrivals.iter().filter_map(|a| if let Arrival::Prediction(n, time) = a { Some((*n, *time)) } else { None }).collect();
    for told in told {
        match *told {
            Told::Joined(offset) => {
                let Arrival::Label(n, value, time) = arrivals[offset as usize] else { panic!("no label at {offset}") };
                join.restore_outcome(&id(n), f64::from(value), times[&n], time);
            }
            Told::Defaulted(n) => join.restore_defaulted(&id(n), times[&n]),
            Told::Refused(..) => {}
        }
    }
    for arrival in &arrivals[..done] {
        if let Arrival::Prediction(n, time) = arrival {
            join.make_room().unwrap();
            join.restore_prediction(awaiting(id(*n), *time), Passing::default()).unwrap();
        }
    }
    for (offset, arrival) in arrivals[..done].iter().enumerate() {
        if let Arrival::Label(n, value, time) = arrival
            && !decided.contains(&(offset as i64))
        {
            join.make_room().unwrap();
            join.restore_label(label(id(*n), offset as i64, f64::from(*value), *time)).unwrap();
        }
    }
    join
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]
    #[test]
    fn aborts_and_restarts_change_nothing(arrivals in arrivals(), afters in afters(), slack in slack()) {
        disturbed_tells_the_same(&wide(), &arrivals, afters, slack)?;
    }

    #[test]
    fn a_label_ends_once_and_an_event_has_one_outcome(mut arrivals in arrivals(), slack in slack()) {
        // a last event and its label, after every horizon
        arrivals.extend([Arrival::Prediction(99, 1_000), Arrival::Label(99, true, 1_000)]);
        let mut join = Join::new(HORIZON, slack, wide());
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn nor_does_the_disk(arrivals in arrivals(), afters in afters(), slack in slack()) {
        disturbed_tells_the_same(&narrow(), &arrivals, afters, slack)?;
    }
}

/// A join in `room`, with aborts and restarts, against one in memory that is left in peace.
fn disturbed_tells_the_same(room: &Arc<Room>, arrivals: &[Arrival], afters: Vec<After>, slack: Option<i64>) -> Result<(), TestCaseError> {
    let mut calm = Join::new(HORIZON, slack, wide());
    let mut wanted: Vec<Vec<Told>> = Vec::new();
    for (i, arrival) in arrivals.iter().enumerate() {
        wanted.push(arrive(&mut calm, *arrival, i as i64));
        calm.commit();
    }

    let mut join = Join::new(HORIZON, slack, room.clone());
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
                join = restore(room.clone(), slack, arrivals, done, &told);
                if matches!(crash, After::CrashAndAbort) {
                    join.abort();
                }
                open.clear();
                next = done;
            }
        }
    }
    told.append(&mut open);
    prop_assert_eq!(told, wanted.concat());
    Ok(())
}

fn slack() -> impl Strategy<Value = Option<i64>> {
    // more than a horizon: then what waits is kept longer, too
    prop_oneof![Just(None), Just(Some(0)), Just(Some(SLACK)), Just(Some(2 * HORIZON))]
}

#[test]
fn each_fate() {
    let mut join = Join::new(HORIZON, None, wide());
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
