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
use compact_str::CompactString;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;
use tidemill_artefacts::{ArtefactStore, Unopened};
use tidemill_events::control::Span;
use tidemill_kafka::registry::Blocking;
use tidemill_pipeline::Pipeline;
use tidemill_service::background;
use tidemill_stream::Error;

/// Between two attempts when a part is away.
const PAUSE: Duration = Duration::from_secs(5);
/// Between two looks whether a waiting training was called off.
const LOOK: Duration = Duration::from_millis(100);

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
    /// Labelled events that a training may have.
    pub(crate) most_rows: usize,
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
        let (columns, _) = crate::dataset::columns(&self.pipeline.layout);
        differ(&self.store, digest, &columns.features)
    }
}

/// Whether the model with this digest has other features than these. One whose manifest cannot be read any more counts as other:
/// to wait for what is damaged, gone or none would end all training for ever. What is not found may lie in a store that is not
/// mounted yet; then this costs a training too many, which is judged as any other.
fn differ(store: &ArtefactStore, digest: &str, features: &[CompactString]) -> Result<bool, Error> {
    match store.manifest(digest) {
        Ok(manifest) => Ok(!manifest.features.iter().map(|f| f.name.as_str()).eq(features.iter().map(|name| name.as_str()))),
        Err(Unopened::Away(why)) => Err(Error::Unavailable(format!("the last model's manifest cannot be read: {why}"))),
        Err(refused) => {
            tracing::warn!(digest, %refused, "the last model's manifest is lost: its features count as other than the pipeline's");
            Ok(true)
        }
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
        let topics = Topics { brokers: &self.brokers, registry: &self.registry, pipeline: &self.pipeline, most_rows: self.most_rows };
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
    use std::collections::BTreeMap;
    use std::fs;
    use tidemill_model::Learner;
    use tidemill_model::artefact::{self, File, Files, Manifest, TypedFeature};

    fn manifest(features: &[CompactString]) -> Vec<u8> {
        let span = artefact::Span { from: 0, to: 1 };
        let manifest = Manifest {
            format: Manifest::FORMAT,
            pipeline: "p".into(),
            pipeline_version: 1,
            pipeline_digest: format!("sha256:{}", "0".repeat(64)),
            name: "p".into(),
            version: 1,
            objective: "binary".into(),
            learner: Learner::Lightgbm,
            libraries: BTreeMap::new(),
            parameters: BTreeMap::new(),
            search: Vec::new(),
            seed: 0,
            features: features.iter().map(|name| TypedFeature { name: name.to_string(), kind: "double".into() }).collect(),
            train: span,
            validation: span,
            holdout: span,
            label_horizon: 1,
            sources: Vec::new(),
            training_files: Vec::new(),
            files: Files { model: File::of(b"m"), golden: File::of(b"g"), references: File::of(b"r") },
            metrics: BTreeMap::new(),
            rows: 1,
            positives: 0,
        };
        manifest.to_bytes().unwrap()
    }

    #[test]
    fn a_manifest_that_is_lost_has_other_features_and_one_that_is_away_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let store = ArtefactStore::open(&format!("file://{}", dir.path().display())).unwrap();
        let names: [CompactString; 2] = ["amount".into(), "is_night".into()];
        let sha256 = store.put_blob(manifest(&names)).unwrap();
        let differ = |sha256: &str, names: &[CompactString]| differ(&store, &format!("sha256:{sha256}"), names);
        assert!(!differ(&sha256, &names).unwrap());
        assert!(differ(&sha256, &names[..1]).unwrap());
        let other = store.put_blob(b"{}".to_vec()).unwrap();
        assert!(differ(&other, &names).unwrap(), "no manifest");
        assert!(differ("none", &names).unwrap(), "no digest");
        let folder = dir.path().join("blobs/sha256").join(&sha256[..2]);
        fs::write(folder.join(&sha256), b"other bytes").unwrap();
        assert!(differ(&sha256, &names).unwrap(), "damaged");
        fs::remove_dir_all(&folder).unwrap();
        assert!(differ(&sha256, &names).unwrap(), "gone");
        fs::write(&folder, b"no folder").unwrap();
        assert!(matches!(differ(&sha256, &names), Err(Error::Unavailable(_))), "it cannot be read now");
    }

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
