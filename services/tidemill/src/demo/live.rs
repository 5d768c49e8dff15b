//! The demo's two minutes: publishing, watching and supervising side by side.

use super::lag::Lag;
use super::learned::Wanted;
use super::seen::Seen;
use super::supervisor::Supervisor;
use super::view::{Picture, View};
use super::watch::Watch;
use crate::connect::Cluster;
use crate::publish::{Job, Report, Tally};
use anyhow::{Context, bail};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

/// Between two looks at everything.
const LOOK: Duration = Duration::from_millis(100);
/// How long the last predictions may take to arrive after everything was published.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long what the learning loop has begun, or has to show yet, may take then.
const LEARNING: Duration = Duration::from_secs(60);

pub(super) struct Live<'a> {
    pub(super) cluster: &'a Cluster,
    /// The pipeline's topics of raw events and of labels.
    pub(super) raw: String,
    pub(super) labels: String,
    pub(super) watch: &'a mut Watch,
    pub(super) supervisor: &'a mut Supervisor,
    pub(super) lag: Lag,
    /// What has to be seen of the learning loop.
    pub(super) wanted: Wanted,
}

/// What it came to.
pub(super) struct Outcome {
    pub(super) published: Report,
    /// What was to be seen of the learning loop and was not, in lines.
    pub(super) missing: Vec<String>,
    /// Records in raw, and in labels.
    pub(super) raw: u64,
    pub(super) labels: u64,
    /// Resident bytes of each service at the end.
    pub(super) memory: Vec<(String, u64)>,
}

impl Live<'_> {
    /// Publishes `job` and shows what flows until all of it has come out at the other end.
    ///
    /// # Errors
    /// When publishing cannot start, or the reader fails.
    pub(super) fn run(mut self, job: Job) -> anyhow::Result<Outcome> {
        let runtime = Runtime::new().context("cannot start the runtime")?;
        let tally = Arc::new(Tally::default());
        let (total, stop) = (job.source.rows().unwrap_or(0), job.stop.clone());
        runtime.spawn(stop_on_ctrl_c(stop.clone()));
        let publishing = runtime.spawn(job.run(tally.clone()));
        let mut view = View::new();
        let mut course = Course::new(total);
        self.until_published(&publishing, &tally, &mut view, &mut course)?;
        let published = runtime.block_on(publishing)??;
        let (raw, labels) = self.until_seen(&tally, &mut view, &mut course)?;
        if stop.load(Ordering::Relaxed) {
            // of a part of the days nothing is promised
            self.wanted = Wanted::default();
        }
        self.until_learned(&tally, &mut view, &mut course)?;
        self.watch.finish()?;
        self.tell(&view);
        view.show(&self.picture(&tally, &mut course));
        view.finish();
        let missing = self.wanted.missing(&self.watch.seen().learned);
        Ok(Outcome { published, missing, raw, labels, memory: self.memory() })
    }

    fn until_published<T>(
        &mut self,
        publishing: &JoinHandle<T>,
        tally: &Tally,
        view: &mut View,
        course: &mut Course,
    ) -> anyhow::Result<()> {
        while !publishing.is_finished() {
            self.look(tally, view, course)?;
        }
        Ok(())
    }

    /// Until every raw record was seen as a prediction or a reject, and every label as an outcome or a reject; how many
    /// there are of both.
    fn until_seen(&mut self, tally: &Tally, view: &mut View, course: &mut Course) -> anyhow::Result<(u64, u64)> {
        let began = Instant::now();
        loop {
            // a broker that is being restarted is asked again
            let there = self.appended(&self.raw).and_then(|raw| Ok((raw, self.appended(&self.labels)?)));
            let (done, told) = self.watch.seen().done();
            match there {
                Ok((raw, labels)) if done >= raw && told >= labels => return Ok((raw, labels)),
                Ok((raw, labels)) if began.elapsed() > PATIENCE => {
                    let (raw_left, labels_left) = (raw.saturating_sub(done), labels.saturating_sub(told));
                    bail!(
                        "after {} s {raw_left} of {raw} raw records have neither a prediction nor a reject, and {labels_left} of {labels} labels neither an outcome nor a reject",
                        PATIENCE.as_secs()
                    );
                }
                Err(error) if began.elapsed() > PATIENCE => return Err(error.into()),
                _ => self.look(tally, view, course)?,
            }
        }
    }

    /// Until what the learning loop has begun is at its end and has shown what it has to, or has taken too long.
    fn until_learned(&mut self, tally: &Tally, view: &mut View, course: &mut Course) -> anyhow::Result<()> {
        let began = Instant::now();
        let goes_on = |seen: &Seen, wanted: &Wanted| seen.awaited > 0 || !wanted.missing(&seen.learned).is_empty();
        while goes_on(&self.watch.seen(), &self.wanted) && began.elapsed() < LEARNING {
            self.look(tally, view, course)?;
        }
        Ok(())
    }

    fn appended(&self, topic: &str) -> Result<u64, tidemill_kafka::admin::Error> {
        Ok(self.cluster.admin.ends(topic)?.iter().map(|e| u64::try_from(e.high - e.start).unwrap_or(0)).sum())
    }

    fn look(&mut self, tally: &Tally, view: &mut View, course: &mut Course) -> anyhow::Result<()> {
        if self.watch.has_failed() {
            self.watch.finish()?;
        }
        self.supervisor.look().iter().for_each(|line| view.say(line));
        self.tell(view);
        let in_flight = (tally.acknowledged.get() - tally.duplicates.get()).saturating_sub(self.watch.seen().done().0);
        if in_flight as f64 <= course.prediction_rate.max(100.0) {
            self.supervisor.caught_up().iter().for_each(|line| view.say(line));
        }
        if course.last.elapsed() >= view.every() {
            let picture = self.picture(tally, course);
            view.show(&picture);
        }
        thread::sleep(LOOK);
        Ok(())
    }

    /// Says what the learning loop has said since the last time.
    fn tell(&self, view: &View) {
        let news = std::mem::take(&mut self.watch.seen().news);
        news.iter().for_each(|line| view.say(line));
    }

    fn picture(&self, tally: &Tally, course: &mut Course) -> Picture {
        let mut seen = self.watch.seen();
        let recent = seen.take_recent();
        let elapsed = course.last.elapsed().as_secs_f64();
        let acknowledged = tally.acknowledged.get();
        course.acknowledged_rate = (acknowledged - course.acknowledged) as f64 / elapsed;
        course.prediction_rate = (seen.predictions - course.predictions) as f64 / elapsed;
        (course.acknowledged, course.predictions, course.last) = (acknowledged, seen.predictions, Instant::now());
        Picture {
            seconds: course.began.elapsed().as_secs_f64(),
            total: course.total,
            answered: acknowledged + tally.refused.get(),
            acknowledged_rate: course.acknowledged_rate,
            predictions: seen.predictions,
            prediction_rate: course.prediction_rate,
            alerts: seen.alerts(),
            refused: tally.refused.get(),
            rejected: seen.rejected.clone(),
            outcomes: seen.outcomes,
            behind: self.lag.latest(),
            p50: recent.quantile(0.5),
            p99: recent.quantile(0.99),
            memory: self.memory(),
            trouble: tally.trouble(),
        }
    }

    fn memory(&self) -> Vec<(String, u64)> {
        self.supervisor.services().filter_map(|service| Some((service.name.clone(), service.memory()?))).collect()
    }
}

/// What the rates are counted from.
struct Course {
    total: u64,
    began: Instant,
    last: Instant,
    acknowledged: u64,
    predictions: u64,
    acknowledged_rate: f64,
    prediction_rate: f64,
}

impl Course {
    fn new(total: u64) -> Self {
        let now = Instant::now();
        Self { total, began: now, last: now, acknowledged: 0, predictions: 0, acknowledged_rate: 0.0, prediction_rate: 0.0 }
    }
}

/// The first Ctrl-C ends the publishing, the second everything.
async fn stop_on_ctrl_c(stop: Arc<AtomicBool>) {
    if tokio::signal::ctrl_c().await.is_ok() {
        eprintln!("stopping: what was published is still waited for and verified; Ctrl-C again ends at once");
        stop.store(true, Ordering::Relaxed);
        if tokio::signal::ctrl_c().await.is_ok() {
            std::process::exit(130);
        }
    }
}
