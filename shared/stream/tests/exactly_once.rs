//! The loop under crashes: a task that numbers the records of each key, on the in-memory broker. Every
//! number must be there exactly once, in order, whatever failed before or after it took effect.
#![expect(clippy::unwrap_used, reason = "what a helper of a test cannot do fails the test")]

use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use tidemill_stream::memory::{Cluster, MemoryBroker};
use tidemill_stream::task::Until;
use tidemill_stream::{Committed, Delivered, Error, Limits, Linger, Outputs, Record, Restore, Runner, Stage, Stats, Task};

/// Two topics that are read as one: who owns a partition owns it in both.
const INPUTS: [&str; 2] = ["in", "more"];

/// Numbers the records of each key, from 1, wherever they come from.
struct Numbering {
    counts: BTreeMap<Vec<u8>, u64>,
    overlay: BTreeMap<Vec<u8>, u64>,
    commits: u64,
    /// Records taken up of each input, and of those the committed.
    read: [u64; 2],
    read_then: [u64; 2],
}

/// How many records of one input may be read before as many of the other.
const AHEAD: u64 = 2;

impl Task for Numbering {
    fn restore(&mut self, record: &Record<'_>) -> Result<(), Error> {
        *self.counts.entry(record.key.unwrap().to_vec()).or_default() += 1;
        self.read_then[record.topic] += 1;
        self.read = self.read_then;
        Ok(())
    }

    fn process(&mut self, record: &Record<'_>, _now: i64, out: &mut Outputs) -> Result<(), Error> {
        let key = record.key.unwrap();
        let base = self.counts.get(key).copied().unwrap_or(0);
        let count = self.overlay.entry(key.to_vec()).or_insert(base);
        *count += 1;
        self.read[record.topic] += 1;
        out.push(0, record.partition, Some(key), None, |bytes| {
            bytes.extend_from_slice(format!("{}:{}:{}", record.topic, record.offset, count).as_bytes());
            Ok::<(), Error>(())
        })
    }

    /// A note now and then, as a window's counts are: there may be something to commit without any record.
    fn tick(&mut self, _now: i64, out: &mut Outputs) -> Result<(), Error> {
        out.push(1, 0, None, None, |bytes| {
            bytes.push(0);
            Ok::<(), Error>(())
        })
    }

    fn ahead(&mut self) -> Option<usize> {
        (0..INPUTS.len()).find(|input| self.read[*input] > self.read[1 - input] + AHEAD)
    }

    fn checkpoint(&mut self, _delivered: &Delivered) -> Vec<u8> {
        (self.commits + 1).to_le_bytes().to_vec()
    }

    fn commit(&mut self, seq: u64, _lagging: bool) {
        self.commits += 1;
        assert_eq!(self.commits, seq, "the commit number counts the partition's commits, whoever made them");
        self.counts.append(&mut self.overlay);
        self.read_then = self.read;
    }

    fn abort(&mut self) {
        self.overlay.clear();
        self.read = self.read_then;
    }
}

struct Numberer;

impl Stage for Numberer {
    type Task = Numbering;
    fn open(&mut self, partition: i32, committed: &[Committed], task_bytes: &[u8], _seq: u64) -> Result<(Numbering, Vec<Restore>), Error> {
        let commits = task_bytes.try_into().map_or(0, u64::from_le_bytes);
        let restore = |input: usize| {
            let until = Until::Before(committed[input].offset?);
            Some(Restore { input, topic: INPUTS[input].into(), partition, until })
        };
        let numbering = Numbering { counts: BTreeMap::new(), overlay: BTreeMap::new(), commits, read: [0; 2], read_then: [0; 2] };
        Ok((numbering, (0..INPUTS.len()).filter_map(restore).collect()))
    }
}

type Loop = Runner<MemoryBroker, Numberer>;

fn member(cluster: &Arc<Mutex<Cluster>>, name: &str, batch: usize) -> Loop {
    let limits = Limits { records: batch, linger: Linger::Paced(120_000), ..Limits::default() };
    member_by(40_000, limits, cluster, name)
}

/// A member whose clock goes on by `step` microseconds each time that it is looked at.
fn member_by(step: i64, limits: Limits, cluster: &Arc<Mutex<Cluster>>, name: &str) -> Loop {
    let now = AtomicI64::new(0);
    let clock = Box::new(move || now.fetch_add(step, Ordering::Relaxed));
    let broker = MemoryBroker::new(cluster.clone(), name, &INPUTS, &["out", "notes"]);
    let mut runner = Runner::new(broker, Numberer, limits, clock, Arc::new(Stats::default()));
    runner.recover(Error::Rebuild("start".into()), &|| false).unwrap();
    runner
}

fn turn(runner: &mut Loop) {
    if let Err(error) = runner.step() {
        runner.recover(error, &|| false).unwrap();
    }
}

/// Something that happens between two turns.
#[derive(Debug, Clone)]
enum Action {
    /// To this input, this partition, with this key.
    Publish(usize, i32, u8),
    Turn(usize),
    /// The operation after so many more fails; `true`: after it took effect.
    Fuse(u32, bool),
    /// The process dies and comes back: nothing of its memory is left.
    Crash(usize),
    /// Partition 0 and 1 go to these members.
    Rebalance(bool, bool),
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        4 => (0..2usize, 0..2i32, 0..4u8).prop_map(|(t, p, k)| Action::Publish(t, p, k)),
        6 => (0..2usize).prop_map(Action::Turn),
        2 => (0..6u32, any::<bool>()).prop_map(|(n, e)| Action::Fuse(n, e)),
        1 => (0..2usize).prop_map(Action::Crash),
        1 => (any::<bool>(), any::<bool>()).prop_map(|(a, b)| Action::Rebalance(a, b)),
    ]
}

fn rebalance(cluster: &Arc<Mutex<Cluster>>, first: bool, second: bool) {
    let owned = |by: bool| -> Vec<i32> { [(0, first), (1, second)].iter().filter(|(_, o)| *o == by).map(|(p, _)| *p).collect() };
    cluster.lock().unwrap().rebalance(&[("a", &owned(true)), ("b", &owned(false))]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]
    #[test]
    fn every_record_once_whatever_fails(actions in prop::collection::vec(action(), 1..150), batch in 1..5usize) {
        let cluster = Arc::new(Mutex::new(Cluster::default()));
        rebalance(&cluster, true, false);
        let mut members = [member(&cluster, "a", batch), member(&cluster, "b", batch)];
        let mut published: BTreeMap<(usize, i32), i64> = BTreeMap::new();
        for action in actions {
            match action {
                Action::Publish(t, p, k) => {
                    cluster.lock().unwrap().publish(INPUTS[t], p, &[k], b"");
                    *published.entry((t, p)).or_default() += 1;
                }
                Action::Turn(m) => turn(&mut members[m]),
                Action::Fuse(n, effective) => cluster.lock().unwrap().light_fuse(n, effective),
                Action::Crash(m) => members[m] = member(&cluster, ["a", "b"][m], batch),
                Action::Rebalance(a, b) => rebalance(&cluster, a, b),
            }
        }
        // then everything works, and all gets done
        let total: i64 = published.values().sum();
        for _ in 0..total + 20 {
            members.iter_mut().for_each(turn);
            members.iter_mut().for_each(turn);
            members.iter_mut().for_each(turn);
        }
        prop_assert!(!cluster.lock().unwrap().fuse_is_lit());
        for p in 0..2 {
            let mut offsets: BTreeMap<usize, Vec<i64>> = BTreeMap::new();
            let mut counts: BTreeMap<Vec<u8>, i64> = BTreeMap::new();
            for record in cluster.lock().unwrap().visible("out", p, 0) {
                let parts: Vec<i64> = std::str::from_utf8(&record.payload).unwrap().split(':').map(|n| n.parse().unwrap()).collect();
                offsets.entry(parts[0] as usize).or_default().push(parts[1]);
                let count = counts.entry(record.key.unwrap()).or_default();
                *count += 1;
                prop_assert_eq!(parts[2], *count, "partition {}", p);
            }
            for t in 0..INPUTS.len() {
                let wanted: Vec<i64> = (0..published.get(&(t, p)).copied().unwrap_or(0)).collect();
                prop_assert_eq!(offsets.remove(&t).unwrap_or_default(), wanted, "topic {} partition {}", t, p);
            }
        }
    }
}

/// A member that was away makes its clients anew. Until it hears what it owns, what it remembers may be another's.
#[test]
fn a_member_that_has_not_heard_its_assignment_commits_nothing() {
    let cluster = Arc::new(Mutex::new(Cluster::default()));
    rebalance(&cluster, true, true);
    let mut members = [member(&cluster, "a", 1), member(&cluster, "b", 1)];
    let publish = |n: u8| (0..n).for_each(|_| cluster.lock().unwrap().publish("in", 0, b"k", b""));
    publish(3);
    (0..20).for_each(|_| turn(&mut members[0]));
    rebalance(&cluster, false, false);
    publish(3);
    (0..20).for_each(|_| turn(&mut members[1]));
    // a wakes: its transaction is fenced; while it joins, the group gives it the partition back
    members[0].recover(Error::Rebuild("fenced".into()), &|| false).unwrap();
    rebalance(&cluster, true, true);
    (0..20).for_each(|_| turn(&mut members[0]));
    let seen: Vec<String> =
        cluster.lock().unwrap().visible("out", 0, 0).into_iter().map(|v| String::from_utf8(v.payload).unwrap()).collect();
    assert_eq!(seen, ["0:0:1", "0:1:2", "0:2:3", "0:3:4", "0:4:5", "0:5:6"]);
}

/// The in-memory broker gives what is there of the first input before the second, unless it is held back.
#[test]
fn an_input_waits_for_the_other_as_long_as_that_brings_something() {
    let cluster = Arc::new(Mutex::new(Cluster::default()));
    rebalance(&cluster, true, true);
    // it is held back between two batches, so these do not grow
    let limits = Limits { records: 1, growth: 1, linger: Linger::Paced(120_000), ..Limits::default() };
    let mut member = member_by(10_000, limits, &cluster, "a");
    let publish = |input: usize, n: u8| (0..n).for_each(|_| cluster.lock().unwrap().publish(INPUTS[input], 0, b"k", b""));
    publish(1, 1);
    (0..4).for_each(|_| turn(&mut member));
    publish(0, 20);
    publish(1, 10);
    (0..200).for_each(|_| turn(&mut member));
    let order: Vec<u8> = cluster.lock().unwrap().visible("out", 0, 0).into_iter().map(|v| v.payload[0] - b'0').collect();
    let read = |upto: usize, input: u8| order[..upto].iter().filter(|of| **of == input).count() as u64;
    let both = (1..=order.len()).take_while(|upto| read(*upto, 1) < 11);
    assert!(both.clone().all(|upto| read(upto, 0) <= read(upto, 1) + AHEAD + 1), "{order:?}");
    assert!(both.count() > 11, "{order:?}");
    assert_eq!(order.len(), 31, "the rest comes when the other brings nothing more");
}

#[test]
fn a_batch_of_all_partitions_waits_for_nobody_if_it_may() {
    // turns until a record of each of these partitions is visible
    let turns = |linger: Linger, partitions: &[i32]| {
        let cluster = Arc::new(Mutex::new(Cluster::default()));
        rebalance(&cluster, true, true);
        let mut member = member_by(1_000, Limits { records: 100, linger, ..Limits::default() }, &cluster, "a");
        (0..4).for_each(|_| turn(&mut member));
        partitions.iter().for_each(|partition| cluster.lock().unwrap().publish(INPUTS[0], *partition, b"k", b""));
        let visible = |partition: i32| cluster.lock().unwrap().visible("out", partition, 0).len();
        (1..100).find(|_| {
            turn(&mut member);
            partitions.iter().all(|partition| visible(*partition) == 1)
        })
    };
    assert_eq!(turns(Linger::UntilWhole(20_000), &[0, 1]), Some(1));
    let alone = turns(Linger::UntilWhole(20_000), &[0]);
    assert!(alone.is_some_and(|turns| turns > 3), "a partition may follow: {alone:?}");
    let paced = turns(Linger::Paced(20_000), &[0, 1]);
    assert!(paced.is_some_and(|turns| turns > 3), "the pace is kept: {paced:?}");
}
