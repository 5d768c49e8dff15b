//! in: `<p>.outcomes` (how far labels are), `tidemill.triggers`, `tidemill.alerts` · out: `tidemill.candidates`.
//!
//! What leads a pipeline's trainings: starts what the schedule says is due, one at a time, and writes how each ended.
//! A training that ends without its record being written (a crash, a leader that is replaced) never was: what asked for
//! it still waits, and the next leader does it again.

use crate::progress::{Board, Live};
use crate::schedule::{CANCELLED, CANDIDATE, Plan, Schedule, Watermark};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use tidemill_events::codec::{AvroSchema, OutcomeCodec};
use tidemill_events::control::{Alert, Candidate, Span, Trigger};
use tidemill_events::records::{ModelRef, SourceRecord};
use tidemill_events::topics::Control;
use tidemill_events::wire;
use tidemill_stream::{Error, Outputs, Record};
use tidemill_task_sets::observer::Fold;

/// Places of the input topics.
pub const OUTCOMES: usize = 0;
/// See [`OUTCOMES`].
pub const TRIGGERS: usize = 1;
/// See [`OUTCOMES`].
pub const ALERTS: usize = 2;

/// How a training ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Ended {
    /// With what.
    pub outcome: Outcome,
    /// What it was trained and validated on.
    pub trained: Span,
    /// What was held back.
    pub holdout: Span,
    /// Rows it was trained and validated on.
    pub rows: usize,
    /// Rows among them whose label is 1.
    pub positives: usize,
}

impl Ended {
    /// Ended before there were rows.
    #[must_use]
    pub fn without_rows(outcome: Outcome) -> Self {
        Self { outcome, trained: Span::default(), holdout: Span::default(), rows: 0, positives: 0 }
    }
}

/// What a training came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// A model, under this digest.
    Model {
        /// `sha256:…` of its manifest.
        digest: String,
        /// What was measured on the validation part.
        metrics: BTreeMap<String, f64>,
    },
    /// There is not enough to learn from, and what is missing.
    NotEnough(String),
    /// It went wrong, and how.
    Failed(String),
    /// Somebody called it off.
    Cancelled,
}

/// A training under way. Dropping it calls it off.
pub trait Job: Send + 'static {
    /// How it ended, once it has; then never again.
    fn ended(&mut self) -> Option<Ended>;

    /// Asks it to end soon.
    fn cancel(&self);

    /// How far it is.
    fn live(&self) -> &Arc<Live>;
}

/// What can do trainings.
pub trait Jobs: Send + 'static {
    /// A training under way.
    type Job: Job;

    /// Starts the training of `plan` whose data ends at `end`.
    ///
    /// # Errors
    /// [`Error::Fatal`] when nothing can be started.
    fn start(&mut self, plan: &Plan, end: i64) -> Result<Self::Job, Error>;

    /// The features of the model with this digest are not those of the pipeline.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when that is not known now.
    fn differ(&mut self, digest: &str) -> Result<bool, Error>;
}

/// Schemas of what others write, by id.
pub type Schemas = dyn FnMut(u32) -> Result<AvroSchema, Error> + Send;

/// The fold of one pipeline.
pub struct TrainerFold<J: Jobs> {
    schedule: Schedule,
    watermark: Watermark,
    jobs: J,
    schemas: Box<Schemas>,
    outcomes: OutcomeCodec,
    /// Schema of candidates and its id.
    candidates: (AvroSchema, u32),
    board: Arc<Board>,
    running: Option<Running<J::Job>>,
    ended: Option<Closing>,
    /// Whether the last model's features are other than the pipeline's, by its digest.
    differs: Option<(String, bool)>,
}

struct Running<J> {
    plan: Plan,
    job: J,
    started_at: i64,
    /// Told to end.
    called_off: bool,
}

/// A candidate's record on its way out.
struct Closing {
    candidate: Candidate,
    /// It is in the open transaction.
    written: bool,
}

impl<J: Jobs> TrainerFold<J> {
    /// A fold that has read nothing.
    #[must_use]
    pub fn new(
        schedule: Schedule,
        jobs: J,
        candidates: (AvroSchema, u32),
        outcomes: OutcomeCodec,
        schemas: Box<Schemas>,
        board: Arc<Board>,
    ) -> Self {
        let watermark = Watermark::default();
        Self { schedule, watermark, jobs, schemas, outcomes, candidates, board, running: None, ended: None, differs: None }
    }

    fn decode<'a, T: Deserialize<'a>>(&mut self, record: &Record<'a>) -> Result<T, Error> {
        let fault = |e: &dyn std::fmt::Display| Error::Fatal(e.to_string());
        let (id, datum) = wire::split(record.payload).map_err(|e| fault(&e))?;
        (self.schemas)(id)?.decode(datum).map_err(|e| fault(&e))
    }

    /// What is due, once it is known; [`Error::Unavailable`] while the last model cannot be looked at.
    fn features_differ(&mut self) -> Result<bool, Error> {
        let Some(digest) = self.schedule.compare_with() else { return Ok(false) };
        match &self.differs {
            Some((known, differs)) if known == digest => Ok(*differs),
            _ => {
                let digest = digest.to_owned();
                let differs = self.jobs.differ(&digest)?;
                self.differs = Some((digest, differs));
                Ok(differs)
            }
        }
    }

    /// Takes up the end of the running training.
    fn finish(&mut self, now: i64, reached: Option<i64>, differ: bool) {
        let Some(running) = &mut self.running else { return };
        if self.schedule.cancels() && !running.called_off {
            running.called_off = true;
            running.job.cancel();
        }
        let Some(ended) = running.job.ended() else { return };
        let Some(Running { plan, started_at, .. }) = self.running.take() else { return };
        match self.schedule.cancelled(reached, differ) {
            Some(all) if ended.outcome == Outcome::Cancelled => {
                let plan = Plan { causes: merge(all.causes, plan.causes), ..all };
                self.call_off(&plan, started_at, now);
            }
            _ => self.close(&plan, ended, started_at, now),
        }
    }

    /// Ends what is due with the cancellations that wait.
    fn call_off(&mut self, plan: &Plan, started_at: i64, now: i64) {
        // a scheduled end is told, so that it is not due again at once
        let holdout = plan.end.filter(|_| plan.is_scheduled()).map_or_else(Span::default, |end| Span { from: end, to: end });
        self.close(plan, Ended { holdout, ..Ended::without_rows(Outcome::Cancelled) }, started_at, now);
    }

    fn close(&mut self, plan: &Plan, ended: Ended, started_at: i64, now: i64) {
        let rules = self.schedule.rules();
        let (outcome, detail, model, metrics) = match ended.outcome {
            Outcome::Model { digest, metrics } => {
                let model = ModelRef { name: rules.pipeline.as_str().into(), version: plan.version, digest, stage: CANDIDATE.into() };
                (CANDIDATE, String::new(), Some(model), metrics)
            }
            Outcome::NotEnough(detail) => ("not_enough", detail, None, BTreeMap::new()),
            Outcome::Failed(detail) => ("failed", detail, None, BTreeMap::new()),
            Outcome::Cancelled => (CANCELLED, "somebody called it off".to_owned(), None, BTreeMap::new()),
        };
        let candidate = Candidate {
            pipeline: rules.pipeline.clone(),
            outcome: outcome.to_owned(),
            detail,
            causes: plan.causes.clone(),
            pipeline_version: rules.version,
            model,
            trained: ended.trained,
            holdout: ended.holdout,
            rows: ended.rows as i64,
            positives: ended.positives as i64,
            metrics,
            started_at,
            finished_at: now,
        };
        self.board.ended(&candidate, plan.skipped);
        self.ended = Some(Closing { candidate, written: false });
    }

    /// Starts what is due, or says at once why it cannot be.
    fn begin(&mut self, now: i64, reached: Option<i64>, differ: bool) -> Result<(), Error> {
        if let Some(plan) = self.schedule.cancelled(reached, differ) {
            self.call_off(&plan, now, now);
        } else if let Some(plan) = self.schedule.due(reached, differ) {
            match plan.end {
                Some(end) => {
                    let job = self.jobs.start(&plan, end)?;
                    self.running = Some(Running { plan, job, started_at: now, called_off: false });
                }
                None => {
                    let ended = Ended::without_rows(Outcome::NotEnough("no event has its label yet".into()));
                    self.close(&plan, ended, now, now);
                }
            }
        }
        Ok(())
    }
}

impl<J: Jobs> Drop for TrainerFold<J> {
    fn drop(&mut self) {
        self.board.leave(&self.schedule.rules().pipeline);
    }
}

/// `first`, then those of `second` that are not there yet.
fn merge<T: PartialEq>(mut first: Vec<T>, second: Vec<T>) -> Vec<T> {
    for one in second {
        if !first.contains(&one) {
            first.push(one);
        }
    }
    first
}

impl<J: Jobs> Fold for TrainerFold<J> {
    fn written(&mut self, _output: usize, record: &Record<'_>) -> Result<(), Error> {
        let candidate: Candidate = self.decode(record)?;
        self.schedule.candidate(&candidate);
        Ok(())
    }

    fn take(&mut self, record: &Record<'_>) -> Result<(), Error> {
        let place = |topic: Control| SourceRecord { topic: topic.name().into(), partition: record.partition, offset: record.offset };
        match record.topic {
            OUTCOMES => {
                let (id, datum) = wire::split(record.payload).map_err(|e| Error::Fatal(e.to_string()))?;
                let outcome = self.outcomes.view(&(self.schemas)(id)?, datum).map_err(|e| Error::Fatal(e.to_string()))?;
                self.schedule.outcome(outcome.event_time);
                self.watermark.outcome(record.partition, outcome.label_time);
            }
            TRIGGERS => {
                let trigger: Trigger = self.decode(record)?;
                self.schedule.trigger(&trigger, place(Control::Triggers));
            }
            _ => {
                let alert: Alert = self.decode(record)?;
                self.schedule.alert(&alert, place(Control::Alerts));
            }
        }
        Ok(())
    }

    fn ready(&mut self, now: i64, caught_up: bool, out: &mut Outputs) -> Result<(), Error> {
        let reached = self.watermark.look(now, caught_up);
        if caught_up && self.ended.is_none() {
            match self.features_differ() {
                Ok(differ) if self.running.is_some() => self.finish(now, reached, differ),
                Ok(differ) => self.begin(now, reached, differ)?,
                // the store is away: asked again at the next tick
                Err(Error::Unavailable(why)) => self.board.trouble(&self.schedule.rules().pipeline, &why),
                Err(other) => return Err(other),
            }
        }
        let running = self.running.as_ref();
        self.board.show(&self.schedule, reached, running.map(|r| (&r.plan, r.job.live(), r.started_at)), caught_up);
        if let Some(closing) = self.ended.as_mut().filter(|closing| !closing.written) {
            let (schema, id) = &self.candidates;
            let encoded =
                out.push(0, 0, Some(closing.candidate.pipeline.as_bytes()), None, |bytes| schema.encode(*id, &closing.candidate, bytes));
            encoded.map_err(|e| Error::Fatal(e.to_string()))?;
            closing.written = true;
        }
        Ok(())
    }

    fn commit(&mut self) {
        if let Some(closing) = self.ended.take_if(|closing| closing.written) {
            self.schedule.candidate(&closing.candidate);
        }
    }

    fn abort(&mut self) {
        if let Some(closing) = &mut self.ended {
            closing.written = false;
        }
    }
}

#[cfg(test)]
mod tests;
