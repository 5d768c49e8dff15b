//! A broker in memory, with what matters of Kafka's transactions: read_committed and the last stable
//! offset, markers that take offsets, fencing by transactional id, group generations, offsets committed
//! in the transaction. Its fuse makes any operation fail before or after it took effect.

mod cluster;

pub use cluster::{Cluster, Visible};

use crate::broker::{Broker, Committed, Delivered, Input, Polled, Record};
use crate::task::{Restore, Until};
use crate::{Error, Outputs};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// One member's clients on a [`Cluster`].
pub struct MemoryBroker {
    cluster: Arc<Mutex<Cluster>>,
    member: String,
    inputs: Vec<String>,
    outputs: Vec<String>,
    epoch: u64,
    /// 0 until the member has heard of its assignment.
    generation: u64,
    /// The member joins in the background: the next poll does not know its assignment yet.
    joining: bool,
    assignment: Vec<i32>,
    positions: BTreeMap<Input, i64>,
    held: BTreeSet<Input>,
}

impl MemoryBroker {
    /// Clients of group member (and transactional id) `member` that read `inputs` and write `outputs`.
    #[must_use]
    pub fn new(cluster: Arc<Mutex<Cluster>>, member: &str, inputs: &[&str], outputs: &[&str]) -> Self {
        Self {
            cluster,
            member: member.to_owned(),
            inputs: inputs.iter().map(|&i| i.to_owned()).collect(),
            outputs: outputs.iter().map(|&o| o.to_owned()).collect(),
            epoch: 0,
            generation: 0,
            joining: false,
            assignment: Vec::new(),
            positions: BTreeMap::new(),
            held: BTreeSet::new(),
        }
    }

    fn cluster(&self) -> MutexGuard<'_, Cluster> {
        self.cluster.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Broker for MemoryBroker {
    fn poll(&mut self, _wait: Duration, each: &mut dyn FnMut(&Record<'_>) -> bool) -> Result<Polled, Error> {
        let cluster = self.cluster.clone();
        let mut cluster = cluster.lock().unwrap_or_else(PoisonError::into_inner);
        let mut polled = Polled::default();
        cluster.blow(|_| ())?;
        if std::mem::take(&mut self.joining) {
            return Ok(polled);
        }
        let (generation, assignment) = cluster.assigned(&self.member);
        if generation != self.generation {
            (self.generation, self.assignment, polled.rebalanced) = (generation, assignment, true);
            self.positions.clear();
            return Ok(polled);
        }
        for (input, position) in self.positions.iter_mut().filter(|(input, _)| !self.held.contains(input)) {
            for entry in cluster.visible(&self.inputs[input.topic], input.partition, *position) {
                *position = entry.offset + 1;
                if !each(&entry.record(*input)) {
                    return Ok(polled);
                }
            }
        }
        Ok(polled)
    }

    fn topics(&self) -> usize {
        self.inputs.len()
    }

    fn assignment(&self) -> Vec<Input> {
        let topics = |partition: &i32| {
            let partition = *partition;
            (0..self.inputs.len()).map(move |topic| Input { partition, topic })
        };
        self.assignment.iter().flat_map(topics).collect()
    }

    fn committed(&mut self, partitions: &[Input]) -> Result<BTreeMap<Input, Committed>, Error> {
        let mut cluster = self.cluster();
        cluster.blow(|_| ())?;
        cluster.settle_offsets()?;
        Ok(partitions.iter().filter_map(|p| Some((*p, cluster.committed(*p)?.clone()))).collect())
    }

    fn resume(&mut self, offsets: &BTreeMap<Input, i64>) -> Result<(), Error> {
        self.positions = offsets.clone();
        self.held.clear();
        Ok(())
    }

    fn hold(&mut self, inputs: &BTreeSet<Input>) -> Result<(), Error> {
        self.held.clone_from(inputs);
        Ok(())
    }

    fn fold(&mut self, restore: &Restore, each: &mut dyn FnMut(&Record<'_>) -> Result<(), Error>) -> Result<(), Error> {
        let mut cluster = self.cluster();
        cluster.blow(|_| ())?;
        let end = match restore.until {
            Until::Before(offset) => offset,
            Until::Through(offset) => offset + 1,
        };
        let entries = cluster.visible(&restore.topic, restore.partition, 0);
        if let Until::Through(offset) = restore.until
            && !entries.iter().any(|e| e.offset == offset)
        {
            return Err(Error::Rebuild(format!("offset {offset} of {} is not there", restore.topic)));
        }
        entries
            .iter()
            .filter(|e| e.offset < end)
            .try_for_each(|e| each(&e.record(Input { partition: restore.partition, topic: restore.input })))
    }

    fn produce(&mut self, outputs: &Outputs) -> Result<Delivered, Error> {
        let (member, epoch, topics) = (self.member.clone(), self.epoch, self.outputs.clone());
        let mut cluster = self.cluster();
        cluster.blow(|c| c.append(&member, epoch, &topics, outputs))?
    }

    fn commit(&mut self, _outputs: &Outputs, offsets: &BTreeMap<Input, (i64, String)>) -> Result<(), Error> {
        let (member, epoch, mut generation) = (self.member.clone(), self.epoch, self.generation);
        let mut cluster = self.cluster();
        if generation == 0 {
            // the client has joined by itself: what it commits is taken before the loop has heard of its partitions
            generation = cluster.assigned(&member).0;
        }
        cluster.blow(|c| c.commit(&member, epoch, generation, offsets))?
    }

    fn connect(&mut self) -> Result<(), Error> {
        let epoch = self.cluster().init(&self.member);
        self.epoch = epoch;
        self.generation = 0;
        self.joining = true;
        self.assignment.clear();
        self.positions.clear();
        Ok(())
    }
}
