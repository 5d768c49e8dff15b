//! The join under aborts and restarts, against the same join undisturbed.

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
    join.restored().unwrap();
    join.make_room().unwrap();
    let fate = match arrival {
        Arrival::Prediction(n, time) => join.predicted(awaiting(id(n), time), Passing::default()),
        Arrival::Label(n, value, time) => join.labelled(label(id(n), offset, f64::from(value), time)),
    };
    let mut fates: Vec<_> = fate.unwrap().into_iter().collect();
    fates.extend(std::iter::from_fn(|| join.due().unwrap()));
    let told = fates.into_iter().map(|fate| match fate {
        Fate::Joined(prediction, label) => {
            assert_eq!(prediction.event_id, label.event_id);
            assert_eq!((&*label.payload, label.trace.as_deref()), (&[7; 3][..], Some(&[8][..])));
            Told::Joined(label.source.offset)
        }
        Fate::Refused(refusal, label) => Told::Refused(label.source.offset, refusal),
        Fate::Defaulted(prediction) => Told::Defaulted(prediction.event_id[1..].parse().unwrap()),
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
fn restore(room: Arc<Room>, slack: Option<i64>, arrivals: &[Arrival], done: usize, told: &[Told]) -> Join {
    let mut join = Join::new(HORIZON, slack, room);
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
            join.make_room().unwrap();
            join.restore_prediction(awaiting(id(*n), *time), Passing::default()).unwrap();
        }
    }
    for (offset, arrival) in arrivals[..done].iter().enumerate() {
        if let Arrival::Label(n, value, time) = arrival {
            join.make_room().unwrap();
            join.restore_label(label(id(*n), offset as i64, f64::from(*value), *time), decided.contains(&(offset as i64)));
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
        // a last label, after every horizon
        arrivals.push(Arrival::Label(99, true, 1_000));
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

#[test]
fn a_prediction_waits_for_two_horizons_of_labels() {
    let mut join = Join::new(HORIZON, None, wide());
    arrive(&mut join, Arrival::Prediction(1, 0), 0);
    arrive(&mut join, Arrival::Label(8, true, 20), 1);
    assert_eq!(join.waiting(), (1, 1));
    arrive(&mut join, Arrival::Label(9, true, 21), 2);
    assert_eq!(join.waiting(), (0, 2));
}

#[test]
fn an_event_without_a_label_gets_the_default_when_labels_have_gone_by() {
    let mut join = Join::new(HORIZON, Some(SLACK), wide());
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

#[test]
fn what_waits_on_disk_is_no_memory() {
    let folder = tempfile::tempdir().unwrap();
    let room = Arc::new(Room::new(1 << 20, &folder.path().join("scratch")).unwrap());
    let mut join = Join::new(i64::MAX / 4, None, room.clone());
    let name = |n: i64| CompactString::from(format!("event-{n}"));
    let count = 30_000;
    join.restored().unwrap();
    for n in 0..count {
        join.make_room().unwrap();
        assert_eq!(join.predicted(awaiting(name(n), n), Passing::default()).unwrap(), None);
        join.commit();
    }
    assert!(join.entries.has_shelf() && join.entries.in_memory().count() < count as usize / 2);
    for n in (0..count).rev() {
        let Some(Fate::Joined(prediction, _)) = join.labelled(label(name(n), n, 1.0, count)).unwrap() else { panic!("{n} is lost") };
        assert_eq!(*prediction, awaiting(name(n), n));
        join.commit();
        join.make_room().unwrap();
    }
    assert!(matches!(join.labelled(label(name(3), 0, 0.0, count)).unwrap(), Some(Fate::Refused(Refusal::Conflict, _))));
    drop(join);
    assert!(!room.is_short(usize::MAX), "what is gone takes no room");
}

/// What an entry costs; `cargo test --release -p tidemill-evaluator join_costs -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn join_costs() {
    use std::time::Instant;
    let resident = || {
        let status = std::fs::read_to_string("/proc/self/statm").unwrap();
        status.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 4096
    };
    let count = 4_000_000;
    let name = |n: i64| CompactString::from(format!("payment-{n:012}"));
    let model = Arc::<tidemill_events::records::ModelRef>::default();
    let prediction = |n: i64| Awaiting {
        entities: Box::new([
            CompactString::from(format!("customer-{}", n % 5000)),
            CompactString::from(format!("terminal-{}", n % 10_000)),
        ]),
        model: model.clone(),
        ..awaiting(name(n), n)
    };
    for limit in [usize::MAX, 256 << 20] {
        let folder = tempfile::tempdir().unwrap();
        let scratch = folder.path().join("scratch");
        let mut join = Join::new(i64::MAX / 4, None, Arc::new(Room::new(limit, &scratch).unwrap()));
        join.restored().unwrap();
        let (before, begin) = (resident(), Instant::now());
        for n in 0..count {
            join.make_room().unwrap();
            join.predicted(prediction(n), Passing::default()).unwrap();
            if n % 500 == 0 {
                join.commit();
            }
        }
        let each = |begin: Instant| begin.elapsed().as_secs_f64() * 1e6 / count as f64;
        let put = each(begin);
        let memory = resident().saturating_sub(before);
        let (estimate, disk) = join.entries.costs();
        let begin = Instant::now();
        for n in 0..count {
            join.make_room().unwrap();
            // as labels come: in another order than their events, but not in any
            let n = (n / 10_000) * 10_000 + (n * 7_919) % 10_000;
            assert!(matches!(join.labelled(label(name(n), n, 1.0, count)).unwrap(), Some(Fate::Joined(..))));
            if n % 500 == 0 {
                join.commit();
            }
        }
        let per = |bytes: usize| bytes / count as usize;
        eprintln!(
            "limit {limit}: {put:.2} us a prediction, {:.2} us a label; memory {} MiB ({} bytes an event; believed {}), disk {} bytes an event",
            each(begin),
            memory >> 20,
            per(memory),
            per(estimate),
            per(disk)
        );
    }
}
