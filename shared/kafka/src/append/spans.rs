//! `send T` of what is appended: one span for what belongs to the trace of the batch, one for each record with its own.

use super::{Batch, Error};
use crate::trace::{MESSAGE_COUNT, OFFSET, Operation, below, context_of, count, fail, message, traceparent_of, tracer};
use opentelemetry::KeyValue;
use opentelemetry::global::BoxedSpan;
use opentelemetry::trace::{Span, SpanContext, Tracer};
use rdkafka::message::{Header, OwnedHeaders};

/// The spans of a batch on its way. Dropping them ends them.
#[derive(Debug, Default)]
pub(super) struct Sends {
    /// Of the whole batch, but for single records.
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
        let single = |(index, record): (usize, super::Record<'_>)| {
            let parent = context_of(record.traceparent?.as_bytes())?;
            Some((index, start(parent, message(record.partition, Some(record.key)).collect())))
        };
        let single: Vec<_> = batch.records().enumerate().filter_map(single).collect();
        let all = batch.traceparent().and_then(|parent| context_of(parent.as_bytes())).and_then(|parent| {
            let mut others = batch.records().enumerate().filter(|(index, _)| find(&single, *index).is_none());
            let more = match (others.next()?, others.next()) {
                ((_, only), None) => message(only.partition, Some(only.key)).collect(),
                _ => vec![KeyValue::new(MESSAGE_COUNT, count(batch.len() - single.len()))],
            };
            Some(start(parent, more))
        });
        Self { all, single }
    }

    /// The headers of the record at `index`.
    pub(super) fn headers(&self, index: usize) -> Option<&OwnedHeaders> {
        find(&self.single, index).or(self.all.as_ref())?.headers.as_ref()
    }

    /// Ends them with what became of the records.
    pub(super) fn end(self, outcomes: &[Result<i64, Error>]) {
        let Self { all, single } = self;
        if let Some(Sent { mut span, .. }) = all {
            let others = outcomes.iter().enumerate().filter(|(index, _)| find(&single, *index).is_none());
            let others: Vec<_> = others.map(|(_, outcome)| outcome).collect();
            match others.as_slice() {
                [only] => settle(&mut span, only),
                many => many.iter().filter(|one| one.is_err()).take(1).for_each(|one| settle(&mut span, one)),
            }
            span.end();
        }
        for (index, Sent { mut span, .. }) in single {
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

fn find(single: &[(usize, Sent)], index: usize) -> Option<&Sent> {
    single.binary_search_by_key(&index, |(i, _)| *i).ok().map(|at| &single[at].1)
}

fn settle(span: &mut BoxedSpan, outcome: &Result<i64, Error>) {
    match outcome {
        Ok(offset) => span.set_attribute(KeyValue::new(OFFSET, *offset)),
        Err(error) => fail(span, error.name(), &error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rdkafka::message::Headers;

    #[test]
    fn a_trace_of_its_own_comes_before_that_of_the_batch() {
        let trace = |digit: &str| format!("00-{}-00f067aa0ba902b7-01", digit.repeat(32));
        let mut batch = Batch::new("t", Some(trace("1")));
        for own in [None, Some("2"), None] {
            batch.push(0, b"k", b"v");
            if let Some(own) = own {
                batch.follow(trace(own));
            }
        }
        let sends = Sends::begin(&batch, "test");
        let carried = |index: usize| sends.headers(index).and_then(|all| all.get(0).value.map(<[u8]>::to_vec));
        assert_eq!([0, 1, 2].map(carried), ["1", "2", "1"].map(|digit| Some(trace(digit).into_bytes())));
        sends.end(&[Ok(5), Err(Error::Busy), Ok(6)]);
    }
}
