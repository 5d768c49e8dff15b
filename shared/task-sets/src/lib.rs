//! Runs a service's loops for every applied pipeline: follows `tidemill.pipelines`, starts a task set
//! for each pipeline, starts it anew when the pipeline changes, and stops it when it is removed.

mod metrics;
pub mod observer;
mod schemas;
mod wiring;

pub use schemas::{RawSchemas, WriterSchemas, Writers, control_schema, lookup, topic_schema, writers};
pub use wiring::{Wiring, names};

use anyhow::Context as _;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;
use tidemill_events::records;
use tidemill_kafka::pipelines::Follower;
use tidemill_pipeline::Pipeline;
use tidemill_service::health::Check;
use tidemill_service::{Clock, Context};
use tidemill_stream::{Broker, Error, Limits, Runner, Stage, Stats};

/// How often the supervisor looks at its loops.
const LOOK: Duration = Duration::from_millis(200);

/// A pipeline as it is applied, compiled.
#[derive(Clone)]
pub struct Applied {
    /// The compiled file.
    pub pipeline: Arc<Pipeline>,
    /// Its version.
    pub version: i32,
}

/// Runs a loop until what it is given says so.
type Body = Box<dyn FnOnce(&dyn Fn() -> bool) -> Result<(), Error> + Send>;

/// A loop that can be started: a stage and its broker.
pub struct TaskSet {
    /// The stage's name, e.g. `feature-builder.customer`.
    stage: String,
    stats: Arc<Stats>,
    body: Body,
}

impl TaskSet {
    /// The loop of `stage` on `broker`.
    pub fn new<B, S>(name: &str, broker: B, stage: S, limits: Limits, clock: Arc<dyn Clock>) -> Self
    where
        B: Broker + Send + 'static,
        S: Stage + Send + 'static,
        S::Task: Send,
    {
        let stats = Arc::new(Stats::default());
        let counted = stats.clone();
        let body = Box::new(move |stopped: &dyn Fn() -> bool| {
            Runner::new(broker, stage, limits, Box::new(move || clock.now()), counted).run(stopped)
        });
        Self { stage: name.to_owned(), stats, body }
    }
}

/// Makes a pipeline's task sets.
pub type Make = dyn Fn(&Applied) -> Result<Vec<TaskSet>, Error> + Send;

/// Follows the applied pipelines on a thread of its own and keeps their task sets running. A loop that
/// ends with an error ends the service.
///
/// # Errors
/// When the system gives no thread.
pub fn supervise(context: &Context, follower: Follower, make: Box<Make>) -> std::io::Result<()> {
    let metrics = metrics::Loops::register(context.metrics());
    let known = context.readiness().check("pipelines");
    known.set_not_ready("tidemill.pipelines has not been read yet");
    let supervisor = Supervisor { context: context.clone(), make, metrics, known, running: BTreeMap::new() };
    context.spawn_thread("supervisor", move || supervisor.run(&follower))
}

/// Runs one loop that is no pipeline's, on a thread of its own. When it ends with an error, so does the service.
///
/// # Errors
/// When the system gives no thread.
pub fn alone(context: &Context, set: TaskSet) -> std::io::Result<()> {
    let metrics = metrics::Loops::register(context.metrics());
    let supervised = context.clone();
    context.spawn_thread("supervisor", move || {
        let one = spawn(&supervised, &metrics, "", set, &Arc::default())?;
        while !one.thread.is_finished() {
            one.turn();
            std::thread::park_timeout(LOOK);
        }
        join("", one)
    })
}

struct Supervisor {
    context: Context,
    make: Box<Make>,
    metrics: metrics::Loops,
    known: Check,
    running: BTreeMap<String, Running>,
}

/// The loops of one pipeline.
struct Running {
    digest: String,
    version: i32,
    stop: Arc<AtomicBool>,
    loops: Vec<Loop>,
}

struct Loop {
    stage: String,
    stats: Arc<Stats>,
    ready: Check,
    thread: JoinHandle<Result<(), Error>>,
}

impl Supervisor {
    fn run(mut self, follower: &Follower) -> anyhow::Result<()> {
        let mut applied = follower.applied();
        while !self.context.stop().is_cancelled() {
            let now = applied.borrow_and_update().clone();
            let settled = now.caught_up && self.reconcile(&now.pipelines)?;
            if settled {
                self.known.set_ready();
            }
            loop {
                std::thread::park_timeout(LOOK);
                self.look()?;
                if !settled || applied.has_changed().unwrap_or(true) || self.context.stop().is_cancelled() {
                    break;
                }
            }
        }
        for (name, running) in std::mem::take(&mut self.running) {
            self.stop(&name, running)?;
        }
        Ok(())
    }

    /// Makes what runs what is applied; `false` when something that is needed is away.
    fn reconcile(&mut self, applied: &BTreeMap<String, Arc<records::Pipeline>>) -> anyhow::Result<bool> {
        let outdated: Vec<String> = self
            .running
            .iter()
            .filter(|(name, r)| applied.get(*name).is_none_or(|a| a.digest != r.digest || a.pipeline_version != r.version))
            .map(|(name, _)| name.clone())
            .collect();
        for name in outdated {
            if let Some(running) = self.running.remove(&name) {
                self.stop(&name, running)?;
            }
        }
        let mut settled = true;
        for (name, record) in applied {
            if !self.running.contains_key(name) {
                settled &= self.start(name, record)?;
            }
        }
        Ok(settled)
    }

    fn start(&mut self, name: &str, record: &records::Pipeline) -> anyhow::Result<bool> {
        let pipeline = match tidemill_pipeline::from_record(record) {
            Ok(pipeline) => Arc::new(pipeline),
            Err(diagnostics) => {
                // applied by a newer version of the command line; the other pipelines go on
                let why: Vec<String> = diagnostics.iter().map(|d| format!("{} {}", d.code, d.message)).collect();
                tracing::error!(pipeline = name, version = record.pipeline_version, "cannot run this pipeline: {}", why.join("; "));
                let refused = self.context.readiness().check(name);
                refused.set_not_ready(format!("version {} cannot be run: {}", record.pipeline_version, why.join("; ")));
                return Ok(true);
            }
        };
        let applied = Applied { pipeline, version: record.pipeline_version };
        let sets = match (self.make)(&applied) {
            Err(Error::Unavailable(why)) => {
                tracing::warn!(pipeline = name, %why, "cannot be started yet");
                self.known.set_not_ready(why);
                return Ok(false);
            }
            sets => sets.with_context(|| format!("pipeline {name} cannot be started"))?,
        };
        tracing::info!(pipeline = name, version = applied.version, loops = sets.len(), "starting");
        let stop = Arc::new(AtomicBool::new(false));
        let spawn = |set| spawn(&self.context, &self.metrics, name, set, &stop);
        let loops = sets.into_iter().map(spawn).collect::<Result<Vec<_>, _>>()?;
        let running = Running { digest: record.digest.clone(), version: applied.version, stop, loops };
        self.running.insert(name.to_owned(), running);
        Ok(true)
    }

    /// Turns the readiness checks; a loop that has ended is an error.
    fn look(&mut self) -> anyhow::Result<()> {
        for (name, running) in &mut self.running {
            for ended in running.loops.extract_if(.., |l| l.thread.is_finished()) {
                join(name, ended)?;
            }
            for one in &running.loops {
                one.turn();
            }
        }
        Ok(())
    }

    fn stop(&self, name: &str, running: Running) -> anyhow::Result<()> {
        tracing::info!(pipeline = name, version = running.version, "stopping");
        running.stop.store(true, Relaxed);
        for one in running.loops {
            self.metrics.remove(name, &one.stage);
            join(name, one)?;
        }
        Ok(())
    }
}

impl Loop {
    /// Turns the readiness check.
    fn turn(&self) {
        if self.stats.ready.load(Relaxed) {
            self.ready.set_ready();
        } else {
            self.ready.set_not_ready("joining its consumer group");
        }
    }
}

fn spawn(context: &Context, metrics: &metrics::Loops, pipeline: &str, set: TaskSet, stop: &Arc<AtomicBool>) -> std::io::Result<Loop> {
    let TaskSet { stage, stats, body } = set;
    let name = format!("{pipeline} {stage}").trim_start().to_owned();
    let ready = context.readiness().check(name.as_str());
    ready.set_not_ready("joining its consumer group");
    metrics.add(pipeline, &stage, stats.clone());
    let (stop, service) = (stop.clone(), context.stop().clone());
    let thread = std::thread::Builder::new().name(name).spawn(move || body(&|| stop.load(Relaxed) || service.is_cancelled()))?;
    Ok(Loop { stage, stats, ready, thread })
}

fn join(pipeline: &str, ended: Loop) -> anyhow::Result<()> {
    match ended.thread.join() {
        Ok(result) => result.with_context(|| format!("{pipeline} {}", ended.stage)),
        Err(_) => Err(anyhow::anyhow!("{pipeline} {} panicked", ended.stage)),
    }
}
