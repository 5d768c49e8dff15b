//! The judge: each candidate against the champion, once. in: `tidemill.candidates`, `tidemill.deployments` · out:
//! `tidemill.evaluations`.
//!
//! Candidates are judged one after the other, each against the champion of that time: after one that passed, the next
//! waits a moment for its deployment. `bench` loads and scores on a thread of its own, `verdict` compares.

mod bench;
mod verdict;

pub(crate) use bench::{Bench, Failed, Holdout, Opened, Vault};

use bench::NotJudged;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, TryRecvError};
use tidemill_events::codec::{self, AvroSchema};
use tidemill_events::control::{Candidate, Deployment, Evaluation};
use tidemill_events::records::SourceRecord;
use tidemill_events::time::SECOND;
use tidemill_events::topics::Control;
use tidemill_events::wire;
use tidemill_service::background;
use tidemill_stream::{Error, Outputs, Record};
use tidemill_task_sets::Writers;
use tidemill_task_sets::observer::Fold;

/// Inputs as [`Record::topic`] tells them: candidates, deployments (1).
const CANDIDATES: usize = 0;
/// Between two attempts when the object store is away, microseconds.
const PAUSE: i64 = 5 * SECOND;
/// How long the deployment of a challenger that passed is waited for before the next is judged, microseconds.
const DEPLOYING: i64 = 10 * SECOND;

/// The judge of one pipeline's candidates.
pub(crate) struct JudgeFold {
    bench: Arc<Bench>,
    writers: Writers,
    /// Schema and id of what it writes.
    own: (AvroSchema, u32),
    /// Candidates without an evaluation, by offset.
    waiting: BTreeMap<i64, Candidate>,
    /// Offsets of the candidates that have one.
    judged: BTreeSet<i64>,
    /// The newest deployment of the pipeline.
    deployment: Option<Deployment>,
    work: Option<Work>,
    /// Nothing is begun before this wall clock.
    rest: i64,
    /// Number of the deployment that a challenger which passed is about to follow.
    follows: Option<i64>,
    /// Judged, to be written.
    due: Option<Evaluation>,
    /// Written since the last commit.
    open: Option<Evaluation>,
}

/// What the thread comes to.
type Work = Receiver<Result<Evaluation, NotJudged>>;

fn fault(error: codec::Error) -> Error {
    Error::Fatal(error.to_string())
}

fn not_ours(error: wire::Error) -> Error {
    Error::Fatal(format!("not written by Tidemill: {error}"))
}

impl JudgeFold {
    /// Of nothing yet. `writers` gives schemas by id, `own` is the schema of `tidemill.evaluations` and its id.
    #[must_use]
    pub(crate) fn new(bench: Arc<Bench>, writers: Writers, own: (AvroSchema, u32)) -> Self {
        Self {
            bench,
            writers,
            own,
            waiting: BTreeMap::new(),
            judged: BTreeSet::new(),
            deployment: None,
            work: None,
            rest: i64::MIN,
            follows: None,
            due: None,
            open: None,
        }
    }

    /// The record, if it is one of this pipeline.
    fn read<T: serde::de::DeserializeOwned>(&mut self, record: &Record<'_>) -> Result<Option<T>, Error> {
        // a tombstone of a compacted topic says nothing
        if record.key != Some(self.bench.pipeline().as_bytes()) || record.payload.is_none() {
            return Ok(None);
        }
        let (id, datum) = wire::split(record.payload).map_err(not_ours)?;
        (self.writers)(id)?.decode(datum).map(Some).map_err(fault)
    }

    /// Takes over what the thread has come to.
    fn finish(&mut self, now: i64) -> Result<(), Error> {
        let Some(work) = &self.work else { return Ok(()) };
        match work.try_recv() {
            Err(TryRecvError::Empty) => return Ok(()),
            Err(TryRecvError::Disconnected) => return Err(Error::Fatal("the judging of a candidate ended without a result".into())),
            Ok(Err(NotJudged(why))) => {
                tracing::warn!(pipeline = self.bench.pipeline(), %why, "a candidate cannot be judged yet");
                self.rest = now.saturating_add(PAUSE);
            }
            Ok(Ok(evaluation)) => self.due = Some(Evaluation { evaluated_at: now, ..evaluation }),
        }
        self.work = None;
        Ok(())
    }

    /// Begins with the oldest candidate.
    fn begin(&mut self, now: i64) -> Result<(), Error> {
        let number = self.deployment.as_ref().map_or(0, |d| d.number);
        if self.follows.take_if(|followed| number > *followed).is_some() {
            self.rest = i64::MIN;
        }
        if now < self.rest {
            return Ok(());
        }
        let Some((offset, candidate)) = self.waiting.first_key_value() else { return Ok(()) };
        let record = SourceRecord { topic: Control::Candidates.name().into(), partition: 0, offset: *offset };
        let (bench, candidate) = (self.bench.clone(), candidate.clone());
        let champion = self.deployment.as_ref().map(|d| d.model.clone());
        let (tell, work) = mpsc::channel();
        let judge = move || {
            // nobody waits for it any more when the fold is gone
            let _ = tell.send(bench.judge(record, &candidate, champion.as_ref()));
        };
        background::spawn(format!("{} judge", self.bench.pipeline()), judge)
            .map_err(|e| Error::Fatal(format!("no thread to judge a candidate: {e}")))?;
        self.work = Some(work);
        Ok(())
    }
}

impl Fold for JudgeFold {
    fn written(&mut self, _output: usize, record: &Record<'_>) -> Result<(), Error> {
        if let Some(Evaluation { candidate, .. }) = self.read(record)? {
            self.judged.insert(candidate.offset);
        }
        Ok(())
    }

    fn take(&mut self, record: &Record<'_>) -> Result<(), Error> {
        if record.topic == CANDIDATES {
            let candidate: Option<Candidate> = self.read(record)?;
            if let Some(candidate) = candidate.filter(|c| c.model.is_some() && !self.judged.contains(&record.offset)) {
                self.waiting.insert(record.offset, candidate);
            }
        } else if let Some(deployment) = self.read::<Deployment>(record)?
            && self.deployment.as_ref().is_none_or(|known| known.number < deployment.number)
        {
            self.deployment = Some(deployment);
        }
        Ok(())
    }

    fn ready(&mut self, now: i64, caught_up: bool, out: &mut Outputs) -> Result<(), Error> {
        self.finish(now)?;
        if let Some(evaluation) = self.due.take() {
            let (schema, id) = &self.own;
            let key = self.bench.pipeline().as_bytes();
            out.push(0, 0, Some(key), None, |bytes| schema.encode(*id, &evaluation, bytes)).map_err(fault)?;
            if evaluation.passed {
                self.follows = Some(self.deployment.as_ref().map_or(0, |d| d.number));
                self.rest = now.saturating_add(DEPLOYING);
            }
            self.waiting.remove(&evaluation.candidate.offset);
            self.judged.insert(evaluation.candidate.offset);
            self.open = Some(evaluation);
        }
        // the champion is known once all has been read
        if caught_up && self.work.is_none() && self.open.is_none() { self.begin(now) } else { Ok(()) }
    }

    fn commit(&mut self) {
        self.open = None;
    }

    fn abort(&mut self) {
        self.due = self.open.take().or(self.due.take());
    }
}

#[cfg(test)]
mod tests;
