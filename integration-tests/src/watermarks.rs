//! Polls the online store's watermarks: they may only rise, except where Redis was emptied.

use crate::environment::Environment;
use crate::infrastructure::connect_redis;
use crate::pipeline::Pipeline;
use anyhow::{Result, anyhow};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

const POLL: Duration = Duration::from_millis(20);

/// What was seen of the watermarks.
#[derive(Debug, Default)]
pub struct Readings {
    /// Readings taken.
    pub polls: u64,
    /// Watermarks that went down, in words.
    pub faults: Vec<String>,
    /// The last reading, by key.
    pub last: BTreeMap<String, u64>,
}

/// A poller under way.
pub struct Poller {
    /// Goes up with each FLUSHALL.
    emptied: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<Readings>>,
}

impl Poller {
    /// Begins to poll the `count` watermarks of `pipeline`: one for each partition of each entity.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub fn start(environment: &Environment, pipeline: &Pipeline, count: usize) -> Result<Self> {
        let pattern = format!("tm:{{{}:*}}:wm", pipeline.name);
        let mut store = Store { connection: connect_redis(environment)?, pattern, count, keys: Vec::new() };
        let (emptied, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (emptied_seen, stopped) = (emptied.clone(), stop.clone());
        let poll = move || run(&mut store, &emptied_seen, &stopped);
        Ok(Self { emptied, stop, thread: thread::Builder::new().name("watermarks".into()).spawn(poll)? })
    }

    /// Empties Redis by `flush`; watermarks may start again from there.
    ///
    /// # Errors
    /// As `flush`.
    pub fn empty(&self, flush: impl FnOnce() -> Result<()>) -> Result<()> {
        // before and after: a reading that overlaps the flush belongs to neither side
        self.emptied.fetch_add(1, Ordering::SeqCst);
        let flushed = flush();
        self.emptied.fetch_add(1, Ordering::SeqCst);
        flushed
    }

    /// Ends it.
    ///
    /// # Errors
    /// When Redis stopped answering.
    pub fn finish(self) -> Result<Readings> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow!("the poller panicked"))?
    }
}

fn run(store: &mut Store, emptied: &AtomicU64, stop: &AtomicBool) -> Result<Readings> {
    let mut readings = Readings::default();
    let mut era = emptied.load(Ordering::SeqCst);
    while !stop.load(Ordering::Relaxed) {
        let before = emptied.load(Ordering::SeqCst);
        let now = store.read()?;
        let after = emptied.load(Ordering::SeqCst);
        let being_emptied = before != after || before % 2 == 1;
        if being_emptied {
            continue;
        }
        if era == before {
            readings.compare(&now);
        }
        (readings.last, era) = (now, before);
        readings.polls += 1;
        thread::sleep(POLL);
    }
    Ok(readings)
}

impl Readings {
    fn compare(&mut self, now: &BTreeMap<String, u64>) {
        for (key, then) in &self.last {
            match now.get(key) {
                Some(value) if value >= then => {}
                Some(value) => self.faults.push(format!("{key} went from {then} to {value}")),
                None => self.faults.push(format!("{key} was {then} and is gone")),
            }
        }
    }
}

struct Store {
    connection: redis::Connection,
    pattern: String,
    count: usize,
    /// Names of the watermarks found so far.
    keys: Vec<String>,
}

impl Store {
    fn read(&mut self) -> Result<BTreeMap<String, u64>> {
        if self.keys.len() < self.count {
            // they are hidden among the states, so they are looked for only until all are known
            self.keys = redis::cmd("KEYS").arg(&self.pattern).query(&mut self.connection)?;
        }
        if self.keys.is_empty() {
            return Ok(BTreeMap::new());
        }
        let values: Vec<Option<u64>> = redis::cmd("MGET").arg(&self.keys).query(&mut self.connection)?;
        Ok(self.keys.iter().cloned().zip(values).filter_map(|(key, value)| Some((key, value?))).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watermark_that_falls_or_goes_is_a_fault() {
        let reading = |values: &[(&str, u64)]| values.iter().map(|(k, v)| ((*k).to_owned(), *v)).collect();
        let mut readings = Readings { last: reading(&[("a", 3), ("b", 5), ("c", 7)]), ..Readings::default() };
        readings.compare(&reading(&[("a", 3), ("b", 4), ("d", 1)]));
        assert_eq!(readings.faults, ["b went from 5 to 4", "c was 7 and is gone"]);
    }
}
