//! A writer brings every store to its owner's state, whatever happens to the store or to the owner.

use crate::redis_server::Redis;
use compact_str::{CompactString, format_compact};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tidemill_online_store::{
    Entry, FeatureStore, Lookup, Mark, MemoryStore, Outcome, Pace, Partition, PartitionWriter, Read, Source, Stats, Writer,
};
use tokio::runtime::{Handle, Runtime};

const KEYS: usize = 1_000;
const PACE: Pace = Pace {
    lagging: Duration::from_secs(3_600),
    check: Duration::from_millis(20),
    retry: Duration::from_millis(1),
    retry_at_most: Duration::from_millis(20),
};

/// A task with counters instead of windows: the state of a key is the commit that touched it last.
#[derive(Clone, Default)]
struct Owner {
    commit: u64,
    states: Vec<(CompactString, u64)>,
    touched: BTreeSet<usize>,
    uncommitted: bool,
    parts: usize,
    padding: usize,
}

impl Owner {
    /// Commits a change of some keys.
    fn commit(&mut self) {
        self.commit += 1;
        for i in 0..50 {
            let key = (self.commit as usize * 37 + i * 101) % KEYS;
            if self.states.len() <= key {
                let from = self.states.len();
                self.states.extend((from..=key).map(|k| (format_compact!("key-{k}"), self.commit)));
                self.touched.extend(from..=key);
            }
            self.states[key].1 = self.commit;
            self.touched.insert(key);
        }
    }

    fn state(&self, key: usize) -> Entry {
        let (name, commit) = &self.states[key];
        (name.clone(), format!("{commit} {}", "x".repeat(self.padding)).into_bytes())
    }
}

impl Source for Owner {
    fn touched(&mut self, _bytes: usize) -> Option<(Vec<Entry>, bool)> {
        if self.uncommitted {
            return None;
        }
        // a hundred at a time, so that updates have parts
        let some: Vec<usize> = self.touched.iter().copied().take(100).collect();
        self.touched.retain(|key| !some.contains(key));
        Some((some.into_iter().map(|key| self.state(key)).collect(), !self.touched.is_empty()))
    }

    fn all(&mut self, from: usize, bytes: usize) -> Option<(Vec<Entry>, Option<usize>)> {
        if self.uncommitted {
            return None;
        }
        self.parts += 1;
        let (mut part, mut size, mut key) = (Vec::new(), 0, from);
        while key < self.states.len() && size < bytes {
            part.push(self.state(key));
            size += part.last().map_or(0, |(_, state)| state.len());
            key += 1;
        }
        if key < self.states.len() {
            return Some((part, Some(key)));
        }
        let again = std::mem::take(&mut self.touched);
        part.extend(again.into_iter().filter(|key| *key < from).map(|key| self.state(key)));
        Some((part, None))
    }
}

struct Line<S> {
    runtime: Runtime,
    store: Arc<S>,
    partition: Partition,
}

impl<S: FeatureStore> Line<S> {
    fn new(partition: Partition, store: impl FnOnce() -> S) -> Self {
        let runtime = Runtime::new().unwrap();
        let entered = runtime.enter();
        let store = Arc::new(store());
        drop(entered);
        Self { runtime, store, partition }
    }

    fn assign(&self, commit: u64) -> (PartitionWriter, Arc<Stats>) {
        let stats = Arc::new(Stats::default());
        let writer = Writer::new(self.store.clone(), self.runtime.handle().clone(), PACE, stats.clone());
        (writer.assign(self.partition.clone(), commit), stats)
    }

    fn mark(&self) -> Mark {
        self.runtime.block_on(self.store.mark(&self.partition)).unwrap()
    }

    fn read_all(&self) -> Vec<Read> {
        read_all(self.runtime.handle(), &*self.store, &self.partition)
    }

    /// Offers until the store is where the owner is.
    fn settle(&self, writer: &mut PartitionWriter, owner: &mut Owner) {
        let whole = Mark { begun: Some(owner.commit), complete: Some(owner.commit), ready: true };
        until(|| {
            writer.offer(owner.commit, false, owner);
            self.mark() == whole
        });
        for (key, read) in self.read_all().into_iter().enumerate() {
            let want = (key < owner.states.len()).then(|| owner.state(key).1);
            assert_eq!(read.state, want, "key {key}");
        }
    }
}

fn read_all(runtime: &Handle, store: &impl FeatureStore, partition: &Partition) -> Vec<Read> {
    let keys: Vec<String> = (0..KEYS).map(|key| format!("key-{key}")).collect();
    let lookups: Vec<Lookup<'_>> = keys.iter().map(|key| Lookup { partition, key }).collect();
    runtime.block_on(store.read(&lookups)).unwrap()
}

/// Polls `condition`; fails after half a minute.
fn until(mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < deadline, "it did not come to pass");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn in_memory() -> Line<MemoryStore> {
    let partition = Partition::new("p", "customer", 0);
    Line::new(partition, MemoryStore::new)
}

fn follows<S: FeatureStore>(line: &Line<S>, empty: impl Fn()) {
    let mut owner = Owner::default();
    let (mut writer, stats) = line.assign(0);
    line.settle(&mut writer, &mut owner);
    for _ in 0..200 {
        owner.commit();
        writer.offer(owner.commit, false, &mut owner);
    }
    line.settle(&mut writer, &mut owner);
    assert_eq!((stats.losses.load(Relaxed), stats.rebuilds.load(Relaxed)), (0, 1));

    for round in 1..=5 {
        for commit in 0..40 {
            owner.commit();
            writer.offer(owner.commit, false, &mut owner);
            if commit == 20 {
                empty();
            }
        }
        line.settle(&mut writer, &mut owner);
        assert!(stats.losses.load(Relaxed) >= round, "emptied for the {round}. time");
    }
    let losses = stats.losses.load(Relaxed);
    empty();
    until(|| stats.losses.load(Relaxed) > losses);
    line.settle(&mut writer, &mut owner);
}

#[test]
fn a_store_in_memory_follows_and_is_rebuilt_when_emptied() {
    let line = in_memory();
    follows(&line, || line.store.clear());
}

#[test]
fn redis_follows_and_is_rebuilt_when_emptied() {
    let Some(redis) = Redis::start_own("follows") else { return };
    let line = Line::new(redis.partition(0), || redis.store());
    follows(&line, || redis.command(&redis::cmd("FLUSHALL")));
}

#[test]
fn while_lagging_updates_wait_and_come_together() {
    let line = in_memory();
    let mut owner = Owner::default();
    let (mut writer, stats) = line.assign(0);
    line.settle(&mut writer, &mut owner);
    for _ in 0..1_000 {
        owner.commit();
        writer.offer(owner.commit, true, &mut owner);
    }
    assert_eq!(stats.batches.load(Relaxed), 1, "the rebuild of nothing");
    line.settle(&mut writer, &mut owner);
    assert_eq!(stats.keys.load(Relaxed), KEYS as u64, "each key once, though touched fifty times");
}

#[test]
fn an_absent_store_stops_nobody_and_is_caught_up_with() {
    let line = in_memory();
    let mut owner = Owner::default();
    let (mut writer, stats) = line.assign(0);
    line.settle(&mut writer, &mut owner);
    line.store.set_away(true);
    owner.commit();
    until(|| {
        writer.offer(owner.commit, false, &mut owner);
        stats.retries.load(Relaxed) > 0
    });
    for _ in 0..1_000 {
        owner.commit();
        writer.offer(owner.commit, false, &mut owner);
    }
    let batches = stats.batches.load(Relaxed);
    line.store.set_away(false);
    line.settle(&mut writer, &mut owner);
    assert!(stats.batches.load(Relaxed) <= batches + 1 + KEYS as u64 / 100, "what piled up is one update");
    assert_eq!(stats.losses.load(Relaxed), 0);
}

#[test]
fn nothing_uncommitted_is_written() {
    let line = in_memory();
    let mut owner = Owner::default();
    let (mut writer, stats) = line.assign(0);
    owner.uncommitted = true;
    let looked = Instant::now();
    until(|| {
        writer.offer(0, false, &mut owner);
        looked.elapsed() > 3 * PACE.check
    });
    assert_eq!(stats.batches.load(Relaxed), 0);
    owner.uncommitted = false;
    line.settle(&mut writer, &mut owner);
}

#[test]
fn a_new_owner_at_the_same_commit_writes_nothing() {
    let line = in_memory();
    let mut owner = Owner::default();
    let (mut writer, _) = line.assign(0);
    (0..30).for_each(|_| owner.commit());
    line.settle(&mut writer, &mut owner);
    drop(writer);
    let (mut writer, stats) = line.assign(owner.commit);
    line.settle(&mut writer, &mut owner);
    assert_eq!(stats.batches.load(Relaxed), 0);
    owner.commit();
    line.settle(&mut writer, &mut owner);
    assert_eq!((stats.batches.load(Relaxed), stats.rebuilds.load(Relaxed)), (1, 0));
}

#[test]
fn a_new_owner_further_on_writes_everything_while_the_old_is_served() {
    let line = in_memory();
    let mut owner = Owner::default();
    let (mut writer, _) = line.assign(0);
    (0..30).for_each(|_| owner.commit());
    line.settle(&mut writer, &mut owner);
    drop(writer);
    owner.commit();
    let (mut writer, stats) = line.assign(owner.commit);
    until(|| {
        writer.offer(owner.commit, false, &mut owner);
        assert!(line.mark().ready, "what is there is right as of its commit");
        stats.rebuilds.load(Relaxed) == 1
    });
    line.settle(&mut writer, &mut owner);
}

#[test]
fn a_large_rebuild_comes_in_parts_and_the_stream_goes_on() {
    let line = in_memory();
    let mut owner = Owner { padding: 20_000, ..Owner::default() };
    (0..60).for_each(|_| owner.commit());
    let (mut writer, _) = line.assign(owner.commit);
    until(|| {
        owner.commit();
        writer.offer(owner.commit, false, &mut owner);
        assert!(!line.mark().ready || owner.parts >= 5);
        line.mark().ready
    });
    line.settle(&mut writer, &mut owner);
}

/// An owner that lost its partition still writes what it had, while the next one has begun.
fn two_owners_race<S: FeatureStore>(line: &Line<S>) {
    let mut old = Owner::default();
    let (mut old_writer, _) = line.assign(0);
    (0..60).for_each(|_| old.commit());
    line.settle(&mut old_writer, &mut old);
    let mut new = old.clone();
    (0..40).for_each(|_| new.commit());
    let (mut new_writer, new_stats) = line.assign(new.commit);

    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| watch(line, &done));
        scope.spawn(|| {
            // never beyond the commit that the new owner started from: Kafka refuses those
            while !done.load(Relaxed) && !old_writer.is_stale() {
                if old.commit < 100 {
                    old.commit();
                }
                old_writer.offer(old.commit, false, &mut old);
                std::thread::yield_now();
            }
        });
        for _ in 0..200 {
            new.commit();
            new_writer.offer(new.commit, false, &mut new);
            std::thread::sleep(Duration::from_micros(200));
        }
        line.settle(&mut new_writer, &mut new);
        done.store(true, Relaxed);
        assert!(reader.join().unwrap() > 0);
    });
    assert!(!new_writer.is_stale());
    assert_eq!(new_stats.stale.load(Relaxed), 0);
}

/// Reads over and over: neither watermark nor any state goes back to a lower commit. Returns how often.
fn watch<S: FeatureStore>(line: &Line<S>, done: &AtomicBool) -> usize {
    let mut highest: BTreeMap<usize, (u64, u64)> = BTreeMap::new();
    let mut reads = 0;
    while !done.load(Relaxed) {
        for (key, read) in line.read_all().into_iter().enumerate() {
            let state = read.state.map_or(0, |state| String::from_utf8(state).unwrap().trim().parse().unwrap());
            let now = (read.commit.unwrap(), state);
            let before = highest.insert(key, now).unwrap_or(now);
            assert!(now.0 >= before.0 && now.1 >= before.1, "key {key} went from {before:?} to {now:?}");
        }
        reads += 1;
    }
    reads
}

#[test]
fn of_two_owners_in_memory_the_later_wins() {
    two_owners_race(&in_memory());
}

#[test]
fn of_two_owners_on_redis_the_later_wins() {
    for round in 0..5 {
        let Some(redis) = Redis::start(&format!("race{round}")) else { return };
        two_owners_race(&Line::new(redis.partition(0), || redis.store()));
    }
}

#[test]
fn a_stale_owner_says_so_and_stops() {
    let line = in_memory();
    let mut owner = Owner::default();
    (0..10).for_each(|_| owner.commit());
    let (mut writer, _) = line.assign(10);
    line.settle(&mut writer, &mut owner);
    let batch = tidemill_online_store::Batch {
        commit: 12,
        start: tidemill_online_store::Start::After(10),
        end: tidemill_online_store::End::More,
        entries: Vec::new(),
    };
    assert_eq!(line.runtime.block_on(line.store.write(&line.partition, &batch)).unwrap(), Outcome::Applied);
    owner.commit();
    until(|| {
        writer.offer(owner.commit, false, &mut owner);
        writer.is_stale()
    });
    assert_eq!(line.mark().begun, Some(12));
    let (late, stats) = line.assign(11);
    until(|| late.is_stale());
    assert_eq!(stats.stale.load(Relaxed), 1);
}
