//! Writes hostile records into a raw topic while events are being published.

use crate::environment::Environment;
use crate::hostile::Hostile;
use crate::producer::{Outgoing, Producer};
use anyhow::{Result, anyhow};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Between two bursts.
const PAUSE: Duration = Duration::from_millis(500);

/// Where each record went (partition, offset), and the reason it must be rejected with.
pub type Written = BTreeMap<(i32, i64), &'static str>;

/// An injection under way.
pub struct Injector {
    /// Held while a burst is written.
    turns: Arc<Mutex<()>>,
    hurry: Sender<Infallible>,
    thread: JoinHandle<Result<Written>>,
}

impl Injector {
    /// Begins to write `count` records to the `partitions` of `topic`, `burst` at a time, each of `hostile` in turn.
    ///
    /// # Errors
    /// When the client cannot be set up.
    pub fn start(
        environment: &Environment,
        topic: String,
        partitions: i32,
        hostile: Vec<Hostile>,
        count: usize,
        burst: usize,
    ) -> Result<Self> {
        let brokers = environment.kafka.clone();
        let turns = Arc::new(Mutex::new(()));
        let (hurry, hurried) = channel::<Infallible>();
        let taken = turns.clone();
        let write = move || {
            let all: Vec<(Hostile, Outgoing)> =
                hostile.into_iter().cycle().take(count).zip((0..partitions).cycle()).map(|(h, p)| (h.clone(), h.outgoing(p))).collect();
            let mut written = Written::new();
            for part in all.chunks(burst) {
                let records: Vec<Outgoing> = part.iter().map(|(_, record)| record.clone()).collect();
                let turn = taken.lock().unwrap_or_else(PoisonError::into_inner);
                // of a client of its own: one that has seen its broker die may write to some partition never again
                let offsets = Producer::new(&brokers)?.write(&topic, &records)?;
                drop(turn);
                written.extend(part.iter().zip(offsets).map(|((h, record), offset)| ((record.partition, offset), h.reason)));
                // nothing is ever sent: once hurried, the channel is closed and this returns at once
                let _ = hurried.recv_timeout(PAUSE);
            }
            Ok(written)
        };
        Ok(Self { turns, hurry, thread: thread::Builder::new().name("injector".into()).spawn(write)? })
    }

    /// Waits for the burst under way, and holds back the next until what it gives is dropped: librdkafka may lose a record, or
    /// the word where it went, when a broker dies that it is on its way to (librdkafka #5430).
    pub fn hold(&self) -> MutexGuard<'_, ()> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what is left without pausing, and tells where all went.
    ///
    /// # Errors
    /// When a record was not acknowledged.
    pub fn finish(self) -> Result<Written> {
        drop(self.hurry);
        self.thread.join().map_err(|_| anyhow!("the injector panicked"))?
    }
}
