//! The logs, the transactions and the group of the in-memory broker.

use crate::broker::{Committed, Delivered, Input, Record};
use crate::{Error, Outputs};
use std::collections::BTreeMap;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Committed,
    Aborted,
    Marker,
}

#[derive(Debug, Clone)]
struct Entry {
    state: State,
    writer: (String, u64),
    key: Option<Vec<u8>>,
    payload: Vec<u8>,
    origin: Option<Vec<u8>>,
}

/// A record that a read_committed reader sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visible {
    /// Its offset.
    pub offset: i64,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value.
    pub payload: Vec<u8>,
    /// Its origin.
    pub origin: Option<Vec<u8>>,
}

impl Visible {
    pub(super) fn record(&self, input: Input) -> Record<'_> {
        Record {
            topic: input.topic,
            partition: input.partition,
            offset: self.offset,
            timestamp: self.offset,
            key: self.key.as_deref(),
            payload: Some(&self.payload),
            traceparent: None,
        }
    }
}

/// Topics, one consumer group and its members' transactions.
#[derive(Debug, Default)]
pub struct Cluster {
    logs: BTreeMap<(String, i32), Vec<Entry>>,
    epochs: BTreeMap<String, u64>,
    offsets: BTreeMap<Input, Committed>,
    generation: u64,
    assignment: BTreeMap<String, Vec<i32>>,
    /// Operations until one fails, and whether it takes effect all the same.
    fuse: Option<(u32, bool)>,
}

impl Cluster {
    /// Writes a committed record, as an upstream would.
    pub fn publish(&mut self, topic: &str, partition: i32, key: &[u8], payload: &[u8]) {
        let entry =
            Entry { state: State::Committed, writer: (String::new(), 0), key: Some(key.to_vec()), payload: payload.to_vec(), origin: None };
        self.logs.entry((topic.to_owned(), partition)).or_default().push(entry);
    }

    /// Gives every named member its partitions; everybody else has none.
    pub fn rebalance(&mut self, assignment: &[(&str, &[i32])]) {
        self.generation += 1;
        self.assignment = assignment.iter().map(|(m, ps)| ((*m).to_owned(), ps.to_vec())).collect();
    }

    /// Makes the operation after `operations` more fail; with `effective`, after it took effect: the
    /// caller cannot know.
    pub fn light_fuse(&mut self, operations: u32, effective: bool) {
        self.fuse = Some((operations, effective));
    }

    /// Whether the lit fuse is still burning.
    #[must_use]
    pub fn fuse_is_lit(&self) -> bool {
        self.fuse.is_some()
    }

    /// What a read_committed reader sees from `from` on, up to the last stable offset.
    #[must_use]
    pub fn visible(&self, topic: &str, partition: i32, from: i64) -> Vec<Visible> {
        let Some(log) = self.logs.get(&(topic.to_owned(), partition)) else { return Vec::new() };
        let stable = log.iter().position(|e| e.state == State::Open).unwrap_or(log.len());
        (from.max(0) as usize..stable)
            .filter(|&i| log[i].state == State::Committed)
            .map(|i| (i as i64, &log[i]))
            .map(|(offset, e)| Visible { offset, key: e.key.clone(), payload: e.payload.clone(), origin: e.origin.clone() })
            .collect()
    }

    pub(super) fn committed(&self, input: Input) -> Option<&Committed> {
        self.offsets.get(&input)
    }

    pub(super) fn assigned(&self, member: &str) -> (u64, Vec<i32>) {
        (self.generation, self.assignment.get(member).cloned().unwrap_or_default())
    }

    /// Runs `operation`, unless the fuse has burnt down: then it fails, before or after.
    pub(super) fn blow<T>(&mut self, operation: impl FnOnce(&mut Self) -> T) -> Result<T, Error> {
        let blown = || Error::Rebuild("connection lost".into());
        match self.fuse.take() {
            Some((0, false)) => Err(blown()),
            Some((0, true)) => {
                operation(self);
                Err(blown())
            }
            Some((left, effective)) => {
                self.fuse = Some((left - 1, effective));
                Ok(operation(self))
            }
            None => Ok(operation(self)),
        }
    }

    /// Offsets are only told once no transaction is under way that may still move them. Transactions of
    /// members that are gone would be aborted by the broker's timeout: here at once.
    pub(super) fn settle_offsets(&mut self) -> Result<(), Error> {
        let alive: Vec<String> = self.assignment.keys().cloned().collect();
        let gone: Vec<String> = self.epochs.keys().filter(|m| !alive.contains(m)).cloned().collect();
        for member in gone {
            self.end(&member, State::Aborted);
        }
        Ok(())
    }

    pub(super) fn init(&mut self, member: &str) -> u64 {
        self.end(member, State::Aborted);
        let epoch = self.epochs.entry(member.to_owned()).or_default();
        *epoch += 1;
        *epoch
    }

    pub(super) fn append(&mut self, member: &str, epoch: u64, topics: &[String], outputs: &Outputs) -> Result<Delivered, Error> {
        self.check_epoch(member, epoch)?;
        let mut delivered = Delivered::default();
        for output in outputs.iter() {
            let log = self.logs.entry((topics[output.topic].clone(), output.partition)).or_default();
            delivered.0.insert((output.topic, output.partition), log.len() as i64);
            let entry = Entry {
                state: State::Open,
                writer: (member.to_owned(), epoch),
                key: output.key.map(<[u8]>::to_vec),
                payload: output.payload.to_vec(),
                origin: output.origin.map(<[u8]>::to_vec),
            };
            log.push(entry);
        }
        Ok(delivered)
    }

    pub(super) fn commit(
        &mut self,
        member: &str,
        epoch: u64,
        generation: u64,
        offsets: &BTreeMap<Input, (i64, String)>,
    ) -> Result<(), Error> {
        self.check_epoch(member, epoch)?;
        if generation != self.generation {
            self.end(member, State::Aborted);
            return Err(Error::Aborted("the group has a new generation".into()));
        }
        for (input, (offset, metadata)) in offsets {
            self.offsets.insert(*input, Committed { offset: Some(*offset), metadata: metadata.clone() });
        }
        self.end(member, State::Committed);
        Ok(())
    }

    fn check_epoch(&self, member: &str, epoch: u64) -> Result<(), Error> {
        if self.epochs.get(member) == Some(&epoch) { Ok(()) } else { Err(Error::Rebuild("fenced".into())) }
    }

    /// Ends the member's transaction and writes its markers, which take offsets.
    fn end(&mut self, member: &str, state: State) {
        for log in self.logs.values_mut() {
            let mut touched = false;
            for entry in log.iter_mut().filter(|e| e.state == State::Open && e.writer.0 == member) {
                entry.state = state;
                touched = true;
            }
            if touched {
                log.push(Entry { state: State::Marker, writer: (member.to_owned(), 0), key: None, payload: Vec::new(), origin: None });
            }
        }
    }
}
