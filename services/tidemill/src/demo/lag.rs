//! How far each stage is behind its input, looked up every two seconds on a thread of its own.

use crate::connect::{Cluster, Flags};
use crate::stages::{Stage, Stand, stands};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

const EVERY: Duration = Duration::from_secs(2);
/// How soon the end is noticed.
const NAP: Duration = Duration::from_millis(100);

/// Offsets not done, by stage.
type Behind = Vec<(String, u64)>;

/// The last look; stops looking when dropped.
pub(super) struct Lag {
    latest: Arc<Mutex<Behind>>,
    stop: Arc<AtomicBool>,
}

impl Lag {
    /// Starts to look at `stages`.
    ///
    /// # Errors
    /// When no client or thread can be made.
    pub(super) fn watch(connection: &Flags, stages: Vec<Stage>) -> anyhow::Result<Self> {
        let lag = Self { latest: Arc::default(), stop: Arc::default() };
        let (latest, stop) = (lag.latest.clone(), lag.stop.clone());
        let cluster = Cluster::new(connection)?;
        let look = move || {
            let mut last: Option<Instant> = None;
            while !stop.load(Ordering::Relaxed) {
                if last.is_some_and(|last| last.elapsed() < EVERY) {
                    thread::sleep(NAP);
                    continue;
                }
                last = Some(Instant::now());
                // a broker that is away is told by the supervisor; the next look will do
                if let Ok(behind) = stages.iter().map(|stage| of(&cluster, stage)).collect::<anyhow::Result<Behind>>() {
                    *latest.lock().unwrap_or_else(PoisonError::into_inner) = behind;
                }
            }
        };
        thread::Builder::new().name("lag".into()).spawn(look)?;
        Ok(lag)
    }

    /// What the last look saw; empty before the first.
    pub(super) fn latest(&self) -> Behind {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Lag {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn of(cluster: &Cluster, stage: &Stage) -> anyhow::Result<(String, u64)> {
    Ok((stage.name.clone(), stands(cluster, stage)?.iter().map(Stand::behind).sum()))
}
