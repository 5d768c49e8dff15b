//! Trainings on threads of their own: one at a time per process, again and again while a part is away, until they are
//! called off.

use crate::artefact::{Made, Setup, Watch, make};
use crate::collect::{Read, Topics};
use crate::fold::{Ended, Job, Jobs, Outcome};
use crate::interrupted::Interrupted;
use crate::learner;
use crate::progress::{Live, Phase};
use crate::schedule::Plan;
use crate::split::{Lengths, Split};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;
use tidemill_artefacts::ArtefactStore;
use tidemill_events::control::Span;
use tidemill_kafka::registry::Blocking;
use tidemill_model::artefact::Manifest;
use tidemill_pipeline::Pipeline;
use tidemill_service::background;
use tidemill_stream::Error;

/// Between two attempts when a part is away.
const PAUSE: Duration = Duration::from_secs(5);
/// Between two looks whether a waiting training was called off.
const LOOK: Duration = Duration::from_millis(100);
/// The largest manifest, bytes.
const MANIFEST: u64 = 16 << 20;

/// The right to train, of which a process has one: a fit takes all the memory and time that it gets.
#[derive(Debug, Clone, Default)]
pub(crate) struct Turns(Arc<(Mutex<bool>, Condvar)>);

/// The right, held.
struct Turn(Turns);

impl Turns {
    /// Waits for it; none when called off meanwhile.
    fn take(&self, stop: &AtomicBool) -> Option<Turn> {
        let (taken, free) = &*self.0;
        let mut held = taken.lock().unwrap_or_else(PoisonError::into_inner);
        while *held {
            if stop.load(Relaxed) {
                return None;
            }
            held = free.wait_timeout(held, LOOK).unwrap_or_else(PoisonError::into_inner).0;
        }
        *held = true;
        Some(Turn(self.clone()))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let (taken, free) = &*self.0.0;
        *taken.lock().unwrap_or_else(PoisonError::into_inner) = false;
        free.notify_all();
    }
}

/// What the trainings of one pipeline need.
#[derive(Clone)]
pub(crate) struct Trainings {
    /// Kafka brokers.
    pub(crate) brokers: String,
    /// Schemas.
    pub(crate) registry: Blocking,
    /// Where artefacts and training sets go.
    pub(crate) store: ArtefactStore,
    /// The pipeline.
    pub(crate) pipeline: Arc<Pipeline>,
    /// What models are made of.
    pub(crate) setup: Setup,
    /// How rows are split.
    pub(crate) lengths: Lengths,
    /// The process's right to train.
    pub(crate) turns: Turns,
    /// What earlier trainings have read of the topics.
    pub(crate) read: Arc<Mutex<Read>>,
}

/// A training on its thread. Dropping it calls it off; the thread ends as soon as it notices.
pub(crate) struct Training {
    stop: Arc<AtomicBool>,
    ended: Receiver<Ended>,
    live: Arc<Live>,
}

impl Jobs for Trainings {
    type Job = Training;

    fn start(&mut self, plan: &Plan, end: i64) -> Result<Training, Error> {
        let (sender, ended) = channel();
        let (stop, live) = (Arc::new(AtomicBool::new(false)), Arc::new(Live::default()));
        let (this, version) = (self.clone(), plan.version);
        let (stop_it, live_it) = (stop.clone(), live.clone());
        let run = move || {
            let ended = this.run(version, end, &live_it, &stop_it);
            tracing::info!(pipeline = this.setup.pipeline, version, took = live_it.took(), "the training's work is done");
            // whoever called it off may be gone
            let _ = sender.send(ended);
        };
        background::spawn(format!("{} training", self.setup.pipeline), run)
            .map_err(|e| Error::Fatal(format!("no thread for a training: {e}")))?;
        tracing::info!(pipeline = self.setup.pipeline, version, causes = ?plan.causes, "a training starts");
        Ok(Training { stop, ended, live })
    }

    fn differ(&mut self, digest: &str) -> Result<bool, Error> {
        let bytes = self.store.get_blob(digest.trim_start_matches("sha256:"), MANIFEST);
        let bytes = bytes.map_err(|e| Error::Unavailable(format!("the last model's manifest cannot be read: {e}")))?;
        // one that this version cannot read says nothing, and is no reason to stop
        let Ok(manifest) = Manifest::read(&bytes) else { return Ok(true) };
        let (columns, _) = crate::dataset::columns(&self.pipeline.layout);
        Ok(!manifest.features.iter().map(|f| f.name.as_str()).eq(columns.features.iter().map(|name| name.as_str())))
    }
}

impl Job for Training {
    fn ended(&mut self) -> Option<Ended> {
        match self.ended.try_recv() {
            Ok(ended) => Some(ended),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Ended::without_rows(Outcome::Failed("its thread ended without a word".into()))),
        }
    }

    fn cancel(&self) {
        self.stop.store(true, Relaxed);
    }

    fn live(&self) -> &Arc<Live> {
        &self.live
    }
}

impl Drop for Training {
    fn drop(&mut self) {
        self.cancel();
    }
}

impl Trainings {
    fn run(&self, version: i32, end: i64, live: &Live, stop: &AtomicBool) -> Ended {
        // the end is told in any case: the schedule goes on from there
        let nominal = |outcome| Ended {
            trained: Span { from: end - self.lengths.history, to: end },
            holdout: Span { from: end, to: end },
            ..Ended::without_rows(outcome)
        };
        loop {
            match self.attempt(version, end, live, stop) {
                Ok(ended) => return ended,
                Err(Interrupted::Cancelled) => return nominal(Outcome::Cancelled),
                Err(Interrupted::Failed(why)) => return nominal(Outcome::Failed(why)),
                Err(Interrupted::Later(why)) => {
                    tracing::warn!(pipeline = self.setup.pipeline, why, "the training waits");
                    live.wait(&why);
                    rest(stop);
                }
            }
        }
    }

    fn attempt(&self, version: i32, end: i64, live: &Live, stop: &AtomicBool) -> Result<Ended, Interrupted> {
        live.wait("another training");
        let _turn = self.turns.take(stop).ok_or(Interrupted::Cancelled)?;
        let topics = Topics { brokers: &self.brokers, registry: &self.registry, pipeline: &self.pipeline };
        let span = Span { from: end.saturating_sub(self.lengths.history), to: end };
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let (rows, sources) = topics.collect(span, &mut read, live, stop)?;
        drop(read);
        let split = Split::new(&rows, end, self.lengths);
        let trained_rows = split.trained_rows();
        let ended = |outcome| Ended {
            outcome,
            trained: split.trained(),
            holdout: split.holdout.span,
            rows: trained_rows.len(),
            positives: rows.positives(trained_rows.clone()),
        };
        if let Err(missing) = split.check(&rows) {
            return Ok(ended(Outcome::NotEnough(missing)));
        }
        let watch = Watched { live, stop };
        let Made { digest, metrics } = make(&self.setup, (version, &rows, &split), sources, &self.store, &watch)?;
        if stop.load(Relaxed) { Err(Interrupted::Cancelled) } else { Ok(ended(Outcome::Model { digest, metrics })) }
    }
}

/// Waits, but not past a stop.
fn rest(stop: &AtomicBool) {
    let mut left = PAUSE;
    while left > Duration::ZERO && !stop.load(Relaxed) {
        thread::park_timeout(LOOK);
        left = left.saturating_sub(LOOK);
    }
}

struct Watched<'a> {
    live: &'a Live,
    stop: &'a AtomicBool,
}

impl Watch for Watched<'_> {
    fn files(&self) {
        self.live.enter(Phase::Files);
    }

    fn search(&self, progress: learner::Progress) -> bool {
        self.live.enter(Phase::Search);
        self.live.done.store(progress.done as u64, Relaxed);
        self.live.points.store(progress.of as u64, Relaxed);
        self.live.best.store(progress.best.map_or(0, f64::to_bits), Relaxed);
        !self.stop.load(Relaxed)
    }

    fn store(&self) {
        self.live.enter(Phase::Store);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_turn_and_waiting_for_it_can_be_called_off() {
        let turns = Turns::default();
        let (go, stop) = (AtomicBool::new(false), AtomicBool::new(true));
        let first = turns.take(&go).unwrap();
        assert!(turns.take(&stop).is_none());
        let waiting = {
            let turns = turns.clone();
            thread::spawn(move || turns.take(&AtomicBool::new(false)).is_some())
        };
        drop(first);
        assert!(waiting.join().unwrap());
        assert!(turns.take(&stop).is_some(), "it was given back");
    }
}
