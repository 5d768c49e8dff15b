//! Reads a training set from its topics: the outcomes, then the vectors, from where the first that are wanted may lie up to
//! where each partition ended when the reading of it began.

use crate::dataset::Dataset;
use crate::interrupted::Interrupted;
use crate::progress::{Live, Phase};
use crate::time_index::TimeIndex;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use tidemill_events::codec::{OutcomeCodec, VectorCodec};
use tidemill_events::control::Span;
use tidemill_events::topics::PerPipeline;
use tidemill_events::wire;
use tidemill_kafka::reader::{Isolation, Record, Scan};
use tidemill_kafka::registry::Blocking;
use tidemill_model::artefact::OffsetRange;
use tidemill_pipeline::Pipeline;
use tidemill_stream::Error;
use tidemill_task_sets::{WriterSchemas, lookup};
use tidemill_training_set::Rows;

/// Records between two looks whether it was called off.
const LOOK: u64 = 4_096;

/// What earlier readings saw of the topics.
#[derive(Debug, Default)]
pub(crate) struct Read {
    outcomes: TimeIndex,
    features: TimeIndex,
}

/// Where a pipeline's records are.
pub(crate) struct Topics<'a> {
    pub(crate) brokers: &'a str,
    pub(crate) registry: &'a Blocking,
    pub(crate) pipeline: &'a Pipeline,
    /// Labelled events that there may be.
    pub(crate) most_rows: usize,
}

impl Topics<'_> {
    /// The labelled vectors of events in `span`, and what was read for them.
    pub(crate) fn collect(
        &self,
        span: Span,
        read: &mut Read,
        live: &Live,
        stop: &AtomicBool,
    ) -> Result<(Rows, Vec<OffsetRange>), Interrupted> {
        let layout = &self.pipeline.layout;
        let labels = self.pipeline.learning.labels.as_ref();
        let default = labels.and_then(|labels| Some((labels.default?, labels.horizon)));
        let mut set = Dataset::new(layout, span, default);
        let outcomes = OutcomeCodec::new(layout, lookup(self.registry, layout, PerPipeline::Outcomes)?).map_err(fatal)?;
        let vectors = VectorCodec::new(layout, lookup(self.registry, layout, PerPipeline::Features)?).map_err(fatal)?;
        let own = [(outcomes.id(), outcomes.schema().clone()), (vectors.id(), vectors.schema().clone())];
        let mut schemas = WriterSchemas::new(self.registry.clone(), own);
        let mut sources = Vec::new();

        live.enter(Phase::Outcomes);
        sources.extend(self.scan((PerPipeline::Outcomes, span.from), &mut read.outcomes, stop, |payload| {
            let (id, datum) = wire::split(payload).map_err(fatal)?;
            let label = outcomes.view(&schemas.get(id)?, datum).map_err(fatal)?;
            set.outcome(label.event_id, label.event_time, label.label, label.label_time);
            check_size(set.labelled(), self.most_rows)?;
            Ok(label.event_time)
        })?);

        live.enter(Phase::Features);
        sources.extend(self.scan((PerPipeline::Features, span.from), &mut read.features, stop, |payload| {
            let (id, datum) = wire::split(payload).map_err(fatal)?;
            let vector = vectors.decode(&schemas.get(id)?, datum).map_err(fatal)?;
            set.vector(&vector);
            check_size(set.labelled(), self.most_rows)?;
            live.rows.store(set.len() as u64, Relaxed);
            Ok(vector.event_time)
        })?);
        Ok((set.finish(), sources))
    }

    /// Hands what may not be older than a time to `take`, which tells the event time of each, and tells what was read.
    fn scan(
        &self,
        (of, from): (PerPipeline, i64),
        index: &mut TimeIndex,
        stop: &AtomicBool,
        mut take: impl FnMut(Option<&[u8]>) -> Result<i64, Error>,
    ) -> Result<Vec<OffsetRange>, Interrupted> {
        let topic = of.name(&self.pipeline.name, &self.pipeline.layout.entities);
        let away = |e: tidemill_kafka::reader::Error| Interrupted::Later(e.to_string());
        let begin: Vec<(i32, i64)> = (0..self.pipeline.source.partitions.cast_signed()).map(|p| (p, index.begin(p, from))).collect();
        let mut scan = Scan::new(self.brokers, &topic, &begin, Isolation::ReadCommitted).map_err(away)?;
        if let Some(cut) = scan.ranges().iter().find(|range| range.to < index.end(range.partition)) {
            let why = format!("{topic} partition {} ends at {}, but has been read beyond: it was made anew", cut.partition, cut.to);
            *index = TimeIndex::default();
            return Err(Interrupted::Later(why));
        }
        // from the first on: what is passed over is older, and a reading from there would leave it out
        let range = |r: &tidemill_kafka::reader::Range| OffsetRange { topic: topic.clone(), partition: r.partition, from: 0, to: r.to };
        let ranges = scan.ranges().iter().map(range).collect();
        let mut records = 0u64;
        while let Some(record) = scan.next().map_err(away)? {
            records += 1;
            if records.is_multiple_of(LOOK) && stop.load(Relaxed) {
                return Err(Interrupted::Cancelled);
            }
            let event_time = take(record.payload()).map_err(|e| place(e, &topic, &record))?;
            index.saw(record.partition(), record.offset(), event_time);
        }
        if stop.load(Relaxed) { Err(Interrupted::Cancelled) } else { Ok(ranges) }
    }
}

/// A training that dies for want of memory leaves no record, and would be started again for ever.
fn check_size(labelled: usize, most: usize) -> Result<(), Error> {
    if labelled <= most {
        return Ok(());
    }
    let way_on = "shorten model.train.history, or give the trainer more memory and a larger TIDEMILL_TRAINING_ROWS";
    Err(Error::Fatal(format!("the training set has more than {most} labelled events: {way_on}")))
}

fn fatal(error: impl std::fmt::Display) -> Error {
    Error::Fatal(error.to_string())
}

fn place(error: Error, topic: &str, record: &Record<'_>) -> Interrupted {
    match error {
        Error::Fatal(why) => Interrupted::Failed(format!("{topic} partition {} offset {}: {why}", record.partition(), record.offset())),
        other => other.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_that_is_too_large_is_a_failure_with_a_way_on() {
        assert_eq!(check_size(5, 5), Ok(()));
        let Err(Error::Fatal(why)) = check_size(6, 5) else { panic!("it is too large") };
        assert!(why.contains("more than 5 labelled events: shorten model.train.history"), "{why}");
    }
}
