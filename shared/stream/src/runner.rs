//! The loop itself.

use crate::limits::{CommitTime, Size};
use crate::spans::Watch;
use crate::task::{Restore, Stage};
use crate::{Broker, Committed, Error, Input, Limits, Linger, Metadata, Outputs, Stats, Task};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// Microseconds between two ticks.
const TICK: i64 = 100_000;
/// Microseconds after which a topic that brings nothing is not waited for by those that are ahead of it.
const SILENT: i64 = 1_000_000;

/// A stage on a broker: one consumer, one transactional producer, one task per owned partition.
pub struct Runner<B, S: Stage> {
    broker: B,
    stage: S,
    limits: Limits,
    clock: Box<dyn Fn() -> i64 + Send>,
    stats: Arc<Stats>,
    slots: BTreeMap<i32, Slot<S::Task>>,
    outputs: Outputs,
    batch: Batch,
    watch: Watch,
    /// When each input topic brought its last record.
    heard: Vec<i64>,
    next_tick: i64,
    commit_time: CommitTime,
    size: Size,
    /// The slots are those of the present clients' assignment. Not so from a reconnect until the group has
    /// assigned anew: what is remembered then may be another member's by now, and committing it would move
    /// the group's offsets back.
    synced: bool,
}

/// A task and where it stands.
struct Slot<T> {
    task: T,
    /// First offset not processed, of each input topic.
    next: Vec<i64>,
    /// First offset not committed, of each input topic.
    committed: Vec<i64>,
    /// Commit number of the committed state.
    seq: u64,
    /// The partition rests until then: a record of it could not be processed.
    resting: Option<i64>,
}

/// The open batch.
#[derive(Default)]
struct Batch {
    records: usize,
    /// When its first record was processed.
    opened: Option<i64>,
    /// Partitions that have brought something.
    brought: BTreeSet<i32>,
    /// The one that brought the last record: they come in runs.
    last: Option<i32>,
    /// The last poll stopped because the batch was full, not because nothing more was at hand.
    full: bool,
}

impl<B: Broker, S: Stage> Runner<B, S> {
    /// A loop over `stage` on `broker`, at the time that `clock` tells (microseconds since 1970).
    pub fn new(broker: B, stage: S, limits: Limits, clock: Box<dyn Fn() -> i64 + Send>, stats: Arc<Stats>) -> Self {
        Self {
            watch: Watch::new(broker.spans(), broker.topics()),
            heard: vec![i64::MIN; broker.topics()],
            broker,
            stage,
            size: Size::new(&limits),
            limits,
            clock,
            stats,
            slots: BTreeMap::new(),
            outputs: Outputs::default(),
            batch: Batch::default(),
            next_tick: 0,
            commit_time: CommitTime::default(),
            synced: false,
        }
    }

    /// Runs until `stopped` says so, then finishes the open batch. Aborted and unknown transactions are
    /// recovered from here; a broker that is away is waited for.
    ///
    /// # Errors
    /// [`Error::Fatal`] only.
    pub fn run(&mut self, stopped: &dyn Fn() -> bool) -> Result<(), Error> {
        self.reconnect(stopped)?;
        while !stopped() {
            if let Err(error) = self.step() {
                self.recover(error, stopped)?;
            }
        }
        // a last commit spares the next owner the work; if it fails, the records are simply done again
        if let Err(error) = self.commit() {
            tracing::info!(%error, "the last batch was not committed and will be done again");
        }
        Ok(())
    }

    /// One turn: take what is at hand, tick, commit if the batch is due.
    ///
    /// # Errors
    /// [`Error`]; give it to [`Runner::recover`].
    pub fn step(&mut self) -> Result<(), Error> {
        let now = (self.clock)();
        self.watch.polling(now);
        let failed = self.take(self.wait(now))?;
        if let Some(error) = failed {
            return Err(error);
        }
        let now = (self.clock)();
        if !self.synced {
            // the next poll waits, too
            self.next_tick = now + TICK;
            return Ok(());
        }
        self.wake(now)?;
        if now >= self.next_tick {
            self.next_tick = now + TICK;
            for slot in self.slots.values_mut() {
                slot.task.tick(now, &mut self.outputs)?;
            }
        }
        if self.batch_is_due(now) { self.commit() } else { Ok(()) }
    }

    /// Goes back to a state from which [`Runner::step`] may go on.
    ///
    /// # Errors
    /// [`Error::Fatal`] only.
    pub fn recover(&mut self, error: Error, stopped: &dyn Fn() -> bool) -> Result<(), Error> {
        self.watch.undone(&error.to_string());
        match error {
            Error::Fatal(_) => Err(error),
            Error::Aborted(why) => {
                tracing::warn!(%why, "transaction aborted, its records are done again");
                Stats::add(&self.stats.aborts, 1);
                self.resync().or_else(|error| self.recover(error, stopped))
            }
            Error::Unavailable(why) | Error::Rebuild(why) => {
                tracing::warn!(%why, "making the Kafka clients anew");
                Stats::add(&self.stats.rebuilds, 1);
                self.reconnect(stopped)
            }
        }
    }

    /// Makes the clients (anew), as often as it takes. The group then assigns partitions, and
    /// [`Runner::resync`] keeps the states that are still right.
    fn reconnect(&mut self, stopped: &dyn Fn() -> bool) -> Result<(), Error> {
        self.stats.ready.store(false, Relaxed);
        self.synced = false;
        self.forget_batch();
        while !stopped() {
            match self.broker.connect() {
                Err(Error::Fatal(why)) => return Err(Error::Fatal(why)),
                Err(error) => tracing::warn!(%error, "the broker is away, trying again"),
                Ok(()) => break,
            }
        }
        Ok(())
    }

    /// The task at `partition`, if this member owns it.
    pub fn task(&self, partition: i32) -> Option<&S::Task> {
        self.slots.get(&partition).map(|slot| &slot.task)
    }

    /// How long the next poll may block.
    fn wait(&self, now: i64) -> Duration {
        let mut until = self.next_tick.max(now);
        if let Some(opened) = self.batch.opened {
            until = until.min(opened + self.linger());
        }
        for resting in self.slots.values().filter_map(|s| s.resting) {
            until = until.min(resting);
        }
        Duration::from_micros((until - now).clamp(0, TICK) as u64)
    }

    /// Polls and processes. `Ok(Some(_))` is a task's error, after which the batch must not be committed.
    fn take(&mut self, wait: Duration) -> Result<Option<Error>, Error> {
        let Self { broker, slots, outputs, batch, watch, heard, limits, size, clock, stats, .. } = self;
        let clock = &*clock;
        let mut failed = None;
        let mut now = None;
        batch.full = false;
        let polled = broker.poll(wait, &mut |record| {
            let now = *now.get_or_insert_with(clock);
            heard[record.topic] = now;
            let Some(slot) = slots.get_mut(&record.partition) else { return true };
            if slot.resting.is_some() || record.offset < slot.next[record.topic] {
                return true;
            }
            let mark = outputs.mark();
            match watch.process(record, now, outputs, |record, outputs| slot.task.process(record, now, outputs)) {
                Ok(()) => {
                    slot.next[record.topic] = record.offset + 1;
                    batch.opened.get_or_insert(now);
                    if batch.last != Some(record.partition) {
                        batch.last = Some(record.partition);
                        batch.brought.insert(record.partition);
                    }
                    batch.records += 1;
                }
                Err(Error::Unavailable(why)) => {
                    outputs.truncate(mark);
                    tracing::warn!(partition = record.partition, offset = record.offset, %why, "waiting");
                    Stats::add(&stats.waits, 1);
                    slot.resting = Some(now + limits.retry);
                }
                Err(error) => {
                    failed = Some(error.at(record));
                    return false;
                }
            }
            batch.full = batch.records >= size.most() || limits.are_reached_by(outputs);
            !batch.full
        })?;
        if let Some(started) = now {
            Stats::add(&stats.process_micros, ((self.clock)() - started).max(0) as u64);
        }
        if polled.rebalanced {
            self.resync()?;
        } else {
            self.balance()?;
        }
        Ok(failed)
    }

    /// Holds back what has been read too far ahead, as long as the other topics bring something.
    fn balance(&mut self) -> Result<(), Error> {
        let since = (self.clock)() - SILENT;
        let others_bring = |topic| self.heard.iter().enumerate().any(|(other, at)| other != topic && *at > since);
        let slots = self.slots.iter_mut();
        let ahead = slots.filter_map(|(partition, slot)| Some(Input { partition: *partition, topic: slot.task.ahead()? }));
        let held = ahead.filter(|input| others_bring(input.topic)).collect();
        self.broker.hold(&held)
    }

    /// Lets partitions that have rested long enough go on from where they stopped.
    fn wake(&mut self, now: i64) -> Result<(), Error> {
        if !self.slots.values().any(|s| s.resting.is_some_and(|until| until <= now)) {
            return Ok(());
        }
        for slot in self.slots.values_mut() {
            slot.resting = None;
        }
        let offsets = self.slots.iter().flat_map(|(partition, slot)| inputs(*partition, &slot.next)).collect();
        self.broker.resume(&offsets)
    }

    /// Nobody waits for a batch that writes nothing: it may gather for longer, and spares the broker transactions.
    fn linger(&self) -> i64 {
        let linger = self.limits.linger.micros(self.commit_time);
        if self.outputs.is_empty() { linger.max(TICK) } else { linger }
    }

    fn batch_is_due(&self, now: i64) -> bool {
        let Batch { records, opened, brought, full, .. } = &self.batch;
        let is_whole = matches!(self.limits.linger, Linger::UntilWhole(_)) && brought.len() >= self.slots.len();
        let has_lingered = opened.is_some_and(|opened| now - opened >= self.linger());
        *full || has_lingered || (!self.outputs.is_empty() && (is_whole || *records == 0))
    }

    /// Commits the open batch: outputs, then offsets with metadata of every owned partition, so that
    /// a member that lost its partitions is refused. After it returns the changes are the state.
    fn commit(&mut self) -> Result<(), Error> {
        if self.batch.records == 0 && self.outputs.is_empty() {
            return Ok(());
        }
        let started = (self.clock)();
        self.watch.send(&mut self.outputs);
        let delivered = self.broker.produce(&self.outputs)?;
        self.watch.sent();
        let mut offsets = BTreeMap::new();
        for (partition, slot) in &mut self.slots {
            // the task's bytes go with the first topic's offset
            let mut task = slot.task.checkpoint(&delivered);
            for (input, next) in inputs(*partition, &slot.next) {
                let metadata = Metadata { seq: slot.seq + 1, task: std::mem::take(&mut task) };
                offsets.insert(input, (next, metadata.encode()));
            }
        }
        self.broker.commit(&self.outputs, &offsets)?;
        self.watch.committed();
        for slot in self.slots.values_mut() {
            slot.seq += 1;
            slot.committed.clone_from(&slot.next);
            slot.task.commit(slot.seq, self.batch.full);
        }
        Stats::add(&self.stats.records, self.batch.records as u64);
        Stats::add(&self.stats.outputs, self.outputs.len() as u64);
        Stats::add(&self.stats.commits, 1);
        let took = ((self.clock)() - started).max(0);
        self.commit_time.took(took);
        Stats::add(&self.stats.commit_micros, took as u64);
        self.size.closed(self.batch.full);
        self.outputs.clear();
        self.batch = Batch::default();
        Ok(())
    }

    fn forget_batch(&mut self) {
        self.watch.undone("the partitions were assigned anew");
        for slot in self.slots.values_mut() {
            slot.task.abort();
            slot.next.clone_from(&slot.committed);
        }
        // what was lost may have been too much
        self.size = Size::new(&self.limits);
        self.outputs.clear();
        self.batch = Batch::default();
    }

    /// Throws the open batch away and goes on from what the group has committed: keeps the tasks whose
    /// state is exactly that, restores the others.
    fn resync(&mut self) -> Result<(), Error> {
        self.forget_batch();
        let assigned = self.broker.assignment();
        let committed = self.broker.committed(&assigned)?;
        let mut stands: BTreeMap<i32, Vec<Committed>> = BTreeMap::new();
        for input in assigned.iter().copied().collect::<BTreeSet<_>>() {
            let stand = committed.get(&input).cloned().unwrap_or_default();
            stands.entry(input.partition).or_default().push(stand);
        }
        if let Some((partition, _)) = stands.iter().find(|(_, topics)| topics.len() != self.broker.topics()) {
            return Err(Error::Rebuild(format!(
                "partition {partition} is not assigned in each of the input topics: do their counts differ?"
            )));
        }
        self.slots.retain(|partition, _| stands.contains_key(partition));
        let mut offsets = BTreeMap::new();
        for (partition, stands) in stands {
            offsets.extend(inputs(partition, &self.resync_partition(partition, &stands)?));
        }
        self.broker.resume(&offsets)?;
        self.synced = true;
        self.stats.partitions.store(self.slots.len() as u64, Relaxed);
        self.stats.ready.store(true, Relaxed);
        Ok(())
    }

    /// Returns the offsets to go on from, one for each input topic.
    fn resync_partition(&mut self, partition: i32, stands: &[Committed]) -> Result<Vec<i64>, Error> {
        let metadata = match stands {
            [Committed { offset: Some(_), metadata }, ..] => {
                Metadata::decode(metadata).map_err(|e| Error::Fatal(format!("partition {partition}: {e}")))?
            }
            _ => Metadata::default(),
        };
        let offsets: Vec<i64> = stands.iter().map(|stand| stand.offset.unwrap_or(0)).collect();
        if let Some(slot) = self.slots.get_mut(&partition)
            && slot.committed == offsets
            && slot.seq == metadata.seq
        {
            slot.resting = None;
            return Ok(offsets);
        }
        self.slots.remove(&partition);
        let (mut task, restores) = self.stage.open(partition, stands, &metadata.task, metadata.seq)?;
        for restore in restores {
            let mut folded = 0u64;
            let started = (self.clock)();
            self.broker.fold(&restore, &mut |record| {
                folded += 1;
                task.restore(record).map_err(|e| e.at(record))
            })?;
            Stats::add(&self.stats.restored, folded);
            let Restore { topic, until, .. } = &restore;
            tracing::info!(partition, topic, ?until, folded, millis = ((self.clock)() - started) / 1_000, "state restored");
        }
        self.slots.insert(partition, Slot { task, next: offsets.clone(), committed: offsets.clone(), seq: metadata.seq, resting: None });
        Ok(offsets)
    }
}

/// The offsets of a partition's input topics.
fn inputs(partition: i32, offsets: &[i64]) -> impl Iterator<Item = (Input, i64)> {
    offsets.iter().enumerate().map(move |(topic, offset)| (Input { partition, topic }, *offset))
}
