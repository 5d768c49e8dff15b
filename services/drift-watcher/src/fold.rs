//! in: `<p>.features`, `<p>.predictions`, `<p>.outcomes` (if errors are watched). out: `<p>.drift`, `tidemill.alerts`.
//!
//! What is written of a window follows from the records alone, whatever the order of partitions and topics among themselves; a
//! window's drift record and its alerts are one transaction. A window that is on the topic is not written again: the policy
//! is told what the record says.

use crate::concept::{Concept, Errors};
use crate::data::{Data, Side};
use crate::measure::measure;
use crate::meters::Meters;
use crate::policy::Policy;
use crate::references::{Answer, Library};
use crate::spec::Spec;
use std::collections::BTreeMap;
use tidemill_events::codec::{AvroSchema, NumberReader, OutcomeCodec, PredictionCodec};
use tidemill_events::control::{Alert, ColumnDrift, Drift};
use tidemill_events::records::ModelRef;
use tidemill_events::wire;
use tidemill_stream::{Error, Outputs, Record};
use tidemill_task_sets::observer::Fold;

/// The inputs, in the order of [`Record::topic`].
pub(crate) const FEATURES: usize = 0;
pub(crate) const PREDICTIONS: usize = 1;
/// The outputs.
pub(crate) const DRIFT: usize = 0;
pub(crate) const ALERTS: usize = 1;
/// Windows told in one transaction, at most.
const AT_ONCE: usize = 100;

/// Writer schemas by their id.
pub type Writers = Box<dyn FnMut(u32) -> Result<AvroSchema, Error> + Send>;

/// The schemas that the fold writes, and their ids.
#[derive(Clone)]
pub struct Written {
    /// Of `<p>.drift`.
    pub drift: (AvroSchema, u32),
    /// Of `tidemill.alerts`.
    pub alerts: (AvroSchema, u32),
}

/// Readers of its inputs.
#[derive(Clone)]
pub struct Readers {
    /// Of `<p>.features`.
    pub numbers: NumberReader,
    /// Of `<p>.predictions`.
    pub predictions: PredictionCodec,
    /// Of `<p>.outcomes`.
    pub outcomes: OutcomeCodec,
}

/// The drift-watcher of one pipeline.
pub struct DriftFold {
    pipeline: String,
    readers: Readers,
    writers: Writers,
    written: Written,
    library: Box<dyn Library>,
    meters: Meters,
    spec: Spec,
    data: Data,
    concept: Option<Concept>,
    policy: Policy,
    /// Windows of errors end by then are on the topic already.
    concept_to: i64,
    /// Made and not committed yet.
    pending: Vec<Told>,
    sent: usize,
    row: Vec<f64>,
}

/// A window and what follows from it.
struct Told {
    drift: Drift,
    alerts: Vec<Alert>,
}

impl DriftFold {
    /// A fold that has seen nothing.
    #[must_use]
    pub fn new(spec: Spec, readers: Readers, writers: Writers, written: Written, library: Box<dyn Library>, meters: Meters) -> Self {
        let data = Data::new(spec.window, spec.lateness, spec.partitions, readers.numbers.names().len());
        let concept = spec.concept.map(Concept::new);
        let policy = Policy::new(spec.policy.clone());
        let pipeline = spec.policy.pipeline.clone();
        let (pending, row) = (Vec::new(), Vec::new());
        Self {
            pipeline,
            readers,
            writers,
            written,
            library,
            meters,
            spec,
            data,
            concept,
            policy,
            concept_to: i64::MIN,
            pending,
            sent: 0,
            row,
        }
    }

    fn is_mine(&self, record: &Record<'_>) -> bool {
        record.key.is_none_or(|key| key == self.pipeline.as_bytes())
    }

    /// The next window whose data or labels are in.
    fn next(&mut self, caught_up: bool) -> Result<Option<Drift>, Error> {
        if let Some(drift) = self.next_data(caught_up)? {
            return Ok(Some(drift));
        }
        let Some(concept) = &mut self.concept else { return Ok(None) };
        while let Some(errors) = concept.closed(caught_up) {
            if errors.span.to > self.concept_to {
                return Ok(Some(drift_of_errors(errors)));
            }
        }
        Ok(None)
    }

    fn next_data(&mut self, caught_up: bool) -> Result<Option<Drift>, Error> {
        loop {
            let Some(window) = self.data.closed(caught_up) else { return Ok(None) };
            if window.vectors == 0 {
                self.data.close();
                continue;
            }
            let model = window.model().cloned().unwrap_or_default();
            let columns = match if model.version == 0 { Answer::Nothing } else { self.library.get(&model.digest) } {
                Answer::Wait => {
                    self.data.hold(true);
                    return Ok(None);
                }
                Answer::Nothing => Vec::new(),
                Answer::Known(known) => measure(window, &known, &self.spec.thresholds)
                    .map_err(|e| Error::Fatal(format!("references of {}: {e}", model.digest)))?,
            };
            let drift = drift_of_data(window.span, model, window.vectors, window.rows.len(), columns);
            self.data.hold(false);
            self.data.close();
            return Ok(Some(drift));
        }
    }

    fn push(&self, told: &Told, out: &mut Outputs) -> Result<(), Error> {
        let (schema, id) = &self.written.drift;
        let fault = |e: tidemill_events::codec::Error| Error::Fatal(e.to_string());
        out.push(DRIFT, 0, None, None, |bytes| schema.encode(*id, &told.drift, bytes).map_err(fault))?;
        let (schema, id) = &self.written.alerts;
        for alert in &told.alerts {
            out.push(ALERTS, 0, Some(self.pipeline.as_bytes()), None, |bytes| schema.encode(*id, alert, bytes).map_err(fault))?;
        }
        Ok(())
    }
}

fn drift_of_data(window: tidemill_events::control::Span, model: ModelRef, rows: u64, sampled: usize, columns: Vec<ColumnDrift>) -> Drift {
    let (kind, rows, sampled) = ("data".to_owned(), rows as i64, sampled as i64);
    Drift { kind, window, model, rows, sampled, columns, errors: 0, outcomes: 0, concept_alarm: false }
}

fn drift_of_errors(found: Errors) -> Drift {
    let Errors { span, model, outcomes, errors, alarm, before } = found;
    let mut measures = BTreeMap::from([("share".to_owned(), errors as f64 / outcomes.max(1) as f64)]);
    measures.extend(before.map(|before| ("before".to_owned(), before)));
    let columns = vec![ColumnDrift { column: "error".to_owned(), measures, exceeded: alarm }];
    let (kind, errors, outcomes) = ("concept".to_owned(), errors as i64, outcomes as i64);
    Drift { kind, window: span, model, rows: 0, sampled: 0, columns, errors, outcomes, concept_alarm: alarm }
}

impl Fold for DriftFold {
    fn written(&mut self, output: usize, record: &Record<'_>) -> Result<(), Error> {
        if !self.is_mine(record) {
            return Ok(());
        }
        let (id, datum) = split(record)?;
        let writer = (self.writers)(id)?;
        if output == ALERTS {
            let alert: Alert = writer.decode(datum).map_err(unreadable)?;
            if alert.pipeline == self.pipeline {
                self.policy.written(&alert);
            }
            return Ok(());
        }
        let drift: Drift = writer.decode(datum).map_err(unreadable)?;
        if drift.kind == "concept" {
            self.concept_to = self.concept_to.max(drift.window.to);
        } else {
            self.data.written(drift.window);
        }
        // its alerts are on the topic, too
        self.policy.take(&drift, 0);
        self.meters.drift(drift);
        Ok(())
    }

    fn take(&mut self, record: &Record<'_>) -> Result<(), Error> {
        let (id, datum) = split(record)?;
        let writer = (self.writers)(id)?;
        match record.topic {
            FEATURES => {
                let head = self.readers.numbers.read(&writer, datum, &mut self.row).map_err(unreadable)?;
                if self.data.must_wait(Side::Vectors, head.event_time) {
                    return Err(Error::Unavailable("windows before this vector are still open".into()));
                }
                self.data.vector(record.partition, &head, &self.row);
            }
            PREDICTIONS => {
                let prediction = self.readers.predictions.view(&writer, datum).map_err(unreadable)?;
                if self.data.must_wait(Side::Predictions, prediction.event_time) {
                    return Err(Error::Unavailable("windows before this prediction are still open".into()));
                }
                self.data.prediction(record.partition, &prediction);
            }
            _ => {
                let outcome = self.readers.outcomes.view(&writer, datum).map_err(unreadable)?;
                if let Some(concept) = &mut self.concept {
                    concept.outcome(record.partition, &outcome);
                }
            }
        }
        Ok(())
    }

    fn ready(&mut self, now: i64, caught_up: bool, out: &mut Outputs) -> Result<(), Error> {
        self.data.look(now);
        if let Some(concept) = &mut self.concept {
            concept.look(now);
        }
        while self.pending.len() < AT_ONCE {
            let Some(drift) = self.next(caught_up)? else { break };
            let alerts = self.policy.take(&drift, now);
            self.pending.push(Told { drift, alerts });
        }
        let late = self.concept.as_ref().map_or(0, Concept::late);
        self.meters.open(self.data.open(), self.data.late(), late);
        for told in self.pending.iter().skip(self.sent) {
            self.push(told, out)?;
        }
        self.sent = self.pending.len();
        Ok(())
    }

    fn commit(&mut self) {
        for told in self.pending.drain(..self.sent) {
            told.alerts.iter().for_each(|alert| {
                tracing::warn!(
                    pipeline = alert.pipeline,
                    kind = alert.kind,
                    severity = alert.severity,
                    retrain = alert.retrain,
                    "{}",
                    alert.message
                );
                self.meters.alert(alert);
            });
            self.meters.drift(told.drift);
        }
        self.sent = 0;
    }

    fn abort(&mut self) {
        self.sent = 0;
    }
}

fn split<'a>(record: &Record<'a>) -> Result<(u32, &'a [u8]), Error> {
    wire::split(record.payload).map_err(|e| Error::Fatal(e.to_string()))
}

fn unreadable(error: tidemill_events::codec::Error) -> Error {
    Error::Fatal(error.to_string())
}

#[cfg(test)]
mod tests;
