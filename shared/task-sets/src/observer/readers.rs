//! The threads that read an observer's inputs into its fold.

use super::Fold;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tidemill_kafka::reader::Follow;
use tidemill_service::background;
use tidemill_stream::Error;

const POLL: Duration = Duration::from_millis(100);
/// Records for which the fold is locked, at most: the other readers and the loop wait for a fraction of a millisecond.
const RUN: usize = 256;
/// Between two attempts when something is away.
const PAUSE: Duration = Duration::from_millis(500);

/// One thread for each input. Dropping it stops them.
pub(super) struct Readers {
    stop: Arc<AtomicBool>,
    /// Inputs that have not been read to their end yet.
    behind: Arc<AtomicUsize>,
    failed: Arc<Mutex<Option<Error>>>,
    threads: Vec<JoinHandle<()>>,
}

impl Readers {
    pub(super) fn start<F: Fold>(brokers: &str, inputs: &[String], fold: &Arc<Mutex<F>>) -> Result<Self, Error> {
        let mut readers =
            Self { stop: Arc::default(), behind: Arc::new(AtomicUsize::new(inputs.len())), failed: Arc::default(), threads: Vec::new() };
        for (index, topic) in inputs.iter().enumerate() {
            let reader = Reader {
                brokers: brokers.to_owned(),
                topic: topic.clone(),
                index,
                fold: fold.clone(),
                stop: readers.stop.clone(),
                behind: readers.behind.clone(),
                failed: readers.failed.clone(),
            };
            let thread = background::spawn(format!("read {topic}"), move || reader.run());
            readers.threads.push(thread.map_err(|e| Error::Fatal(format!("no thread to read {topic}: {e}")))?);
        }
        Ok(readers)
    }

    /// The first error that a reader could not go on from.
    pub(super) fn check(&self) -> Result<(), Error> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).clone().map_or(Ok(()), Err)
    }

    pub(super) fn have_caught_up(&self) -> bool {
        self.behind.load(Relaxed) == 0
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        for thread in self.threads.drain(..) {
            thread.thread().unpark();
            // it ends within POLL; a panic in it was reported when it happened
            let _ = thread.join();
        }
    }
}

struct Reader<F> {
    brokers: String,
    topic: String,
    index: usize,
    fold: Arc<Mutex<F>>,
    stop: Arc<AtomicBool>,
    behind: Arc<AtomicUsize>,
    failed: Arc<Mutex<Option<Error>>>,
}

impl<F: Fold> Reader<F> {
    fn run(self) {
        let there = Follow::when_there(&self.brokers, &self.topic, || self.stopped());
        if let Some(Err(error)) = there.map(|follow| self.follow(follow)) {
            self.failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        }
    }

    fn follow(&self, mut follow: Follow) -> Result<(), Error> {
        let mut behind = true;
        while !self.stopped() {
            self.run_of(&mut follow)?;
            if behind && follow.has_caught_up() {
                behind = false;
                self.behind.fetch_sub(1, Relaxed);
            }
        }
        Ok(())
    }

    /// Waits for a record and takes it with those at hand behind it: the fold is locked once for them, not once for each.
    fn run_of(&self, follow: &mut Follow) -> Result<(), Error> {
        let mut fold = None;
        for _ in 0..RUN {
            let patience = if fold.is_some() { Duration::ZERO } else { POLL };
            let Some(record) = follow.next(patience).map_err(|e| Error::Rebuild(e.to_string()))? else { break };
            let record = record.as_input(self.index);
            while !self.stopped() {
                let taken = fold.get_or_insert_with(|| self.fold.lock().unwrap_or_else(PoisonError::into_inner)).take(&record);
                match taken {
                    Err(Error::Unavailable(why)) => {
                        fold = None;
                        tracing::warn!(topic = self.topic, partition = record.partition, offset = record.offset, %why, "waiting");
                        thread::park_timeout(PAUSE);
                    }
                    Err(Error::Fatal(why)) => {
                        return Err(Error::Fatal(format!("{} partition {} offset {}: {why}", self.topic, record.partition, record.offset)));
                    }
                    Err(error) => return Err(error),
                    Ok(()) => break,
                }
            }
        }
        Ok(())
    }

    fn stopped(&self) -> bool {
        self.stop.load(Relaxed)
    }
}
