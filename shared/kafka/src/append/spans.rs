//! `send T` of what is appended: one span for a batch that belongs to one trace, else one for each followed record.

use super::{Batch, Error};
use crate::trace::{MESSAGE_COUNT, OFFSET, Operation, below, context_of, count, fail, message, traceparent_of, tracer};
use opentelemetry::KeyValue;
use opentelemetry::global::BoxedSpan;
use opentelemetry::trace::{Span, SpanContext, Tracer};
use rdkafka::message::{Header, OwnedHeaders};

/// The spans of a batch on its way. Dropping them ends them.
#[derive(Debug, Default)]
pub(super) struct Sends {
    /// Of the whole batch.
    all: Option<Sent>,
    /// Of single records, by their place in the batch, in its order.
    single: Vec<(usize, Sent)>,
}

/// A span, and the headers of the records that it stands for.
#[derive(Debug)]
struct Sent {
    span: BoxedSpan,
    headers: Option<OwnedHeaders>,
}

impl Sends {
    /// Begins the spans of `batch`; none if nothing in it is followed.
    pub(super) fn begin(batch: &Batch, client: &str) -> Self {
        if batch.is_empty() || !batch.is_followed() {
            return Self::default();
        }
        let tracer = tracer();
        let start = |parent: SpanContext, more: Vec<KeyValue>| {
            let mut attributes = Operation::Send.attributes(batch.topic(), client);
            attributes.extend(more);
            Sent::new(tracer.build_with_context(Operation::Send.builder(batch.topic(), attributes), &below(parent)))
        };
        if let Some(parent) = batch.traceparent().and_then(|parent| context_of(parent.as_bytes())) {
            let mut records = batch.records();
            let more = match (records.next(), records.len()) {
                (Some(only), 0) => message(only.partition, Some(only.key)).collect(),
                _ => vec![KeyValue::new(MESSAGE_COUNT, count(batch.len()))],
            };
            return Self { all: Some(start(parent, more)), single: Vec::new() };
        }
        let single = |(index, record): (usize, super::Record<'_>)| {
            let parent = context_of(record.traceparent?.as_bytes())?;
            Some((index, start(parent, message(record.partition, Some(record.key)).collect())))
        };
        Self { all: None, single: batch.records().enumerate().filter_map(single).collect() }
    }

    /// The headers of the record at `index`.
    pub(super) fn headers(&self, index: usize) -> Option<&OwnedHeaders> {
        let single = || self.single.binary_search_by_key(&index, |(i, _)| *i).ok().map(|at| &self.single[at].1);
        self.all.as_ref().or_else(single)?.headers.as_ref()
    }

    /// Ends them with what became of the records.
    pub(super) fn end(self, outcomes: &[Result<i64, Error>]) {
        if let Some(Sent { mut span, .. }) = self.all {
            match outcomes {
                [only] => settle(&mut span, only),
                many => many.iter().filter(|one| one.is_err()).take(1).for_each(|one| settle(&mut span, one)),
            }
            span.end();
        }
        for (index, Sent { mut span, .. }) in self.single {
            outcomes.get(index).into_iter().for_each(|one| settle(&mut span, one));
            span.end();
        }
    }
}

impl Sent {
    fn new(span: BoxedSpan) -> Self {
        let header = |context: &SpanContext| {
            let value = traceparent_of(context)?;
            Some(OwnedHeaders::new_with_capacity(1).insert(Header { key: "traceparent", value: Some(&value[..]) }))
        };
        Self { headers: header(span.span_context()), span }
    }
}

fn settle(span: &mut BoxedSpan, outcome: &Result<i64, Error>) {
    match outcome {
        Ok(offset) => span.set_attribute(KeyValue::new(OFFSET, *offset)),
        Err(error) => fail(span, error.name(), &error.to_string()),
    }
}
