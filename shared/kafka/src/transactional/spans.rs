//! The loop's spans: `process T` and `send T` for each followed record, in its trace; `poll T` and `commit T` for each
//! batch with such a record, in a trace of their own, with links to the records'.

use super::Settings;
use crate::trace::{self, GROUP, MESSAGE_COUNT, MOST_LINKS, OFFSET, Operation, below, context_of, count, fail, message, traceparent_of};
use opentelemetry::global::{BoxedSpan, BoxedTracer};
use opentelemetry::trace::{Link, Span, SpanBuilder, SpanContext, Tracer};
use opentelemetry::{Context, KeyValue};
use tidemill_stream::{Error, Outputs, Record, Spans, Traceparent};

/// Spans of one task set.
pub(super) struct LoopSpans {
    tracer: BoxedTracer,
    group: String,
    client: String,
    inputs: Vec<Input>,
    outputs: Vec<String>,
    /// When the present poll began.
    polled: i64,
    /// Of the record that is being processed.
    process: Option<Process>,
    /// Of the records that are being written.
    sends: Vec<BoxedSpan>,
    /// Of the offsets that are being committed.
    commits: Vec<BoxedSpan>,
}

/// A record that is being processed.
struct Process {
    span: BoxedSpan,
    topic: usize,
    /// Where it comes from.
    sent: SpanContext,
    /// When it was at hand.
    found: i64,
}

/// An input topic, and what the open batch has of it.
struct Input {
    topic: String,
    /// Where its followed records come from, at most [`MOST_LINKS`].
    links: Vec<SpanContext>,
    /// When the poll began that brought the first of them, and when it was at hand.
    found: Option<(i64, i64)>,
    /// Its `poll` span.
    poll: Option<SpanContext>,
    records: usize,
}

impl LoopSpans {
    pub(super) fn new(settings: &Settings, tracer: BoxedTracer) -> Self {
        let input = |topic: &String| Input { topic: topic.clone(), links: Vec::new(), found: None, poll: None, records: 0 };
        Self {
            tracer,
            group: settings.group.clone(),
            client: settings.slot.clone(),
            inputs: settings.inputs.iter().map(input).collect(),
            outputs: settings.outputs.clone(),
            polled: 0,
            process: None,
            sends: Vec::new(),
            commits: Vec::new(),
        }
    }

    /// A span of `operation` on an input.
    fn builder(&self, operation: Operation, topic: &str, more: impl IntoIterator<Item = KeyValue>) -> SpanBuilder {
        let mut attributes = operation.attributes(topic, &self.client);
        attributes.push(KeyValue::new(GROUP, self.group.clone()));
        attributes.extend(more);
        operation.builder(topic, attributes)
    }

    /// A span for the batch's records of `input`, with links to where they come from.
    fn of_batch(&self, operation: Operation, input: &Input) -> SpanBuilder {
        let links = input.links.iter().map(|context| Link::with_context(context.clone())).collect();
        self.builder(operation, &input.topic, [KeyValue::new(MESSAGE_COUNT, count(input.records))]).with_links(links)
    }

    /// The span of the poll that brought the first followed record of `input`.
    fn poll(&self, input: &Input, (began, found): (i64, i64)) -> SpanContext {
        let builder = self.of_batch(Operation::Poll, input).with_start_time(trace::time(began));
        let mut span = self.tracer.build_with_context(builder, &Context::new());
        span.end_with_timestamp(trace::time(found));
        span.span_context().clone()
    }

    fn forget(&mut self) {
        self.sends.clear();
        self.commits.clear();
        for input in &mut self.inputs {
            input.links.clear();
            (input.found, input.poll) = (None, None);
        }
    }
}

impl Spans for LoopSpans {
    fn polling(&mut self, now: i64) {
        self.polled = now;
    }

    fn begin(&mut self, record: &Record<'_>, now: i64) -> Option<Traceparent> {
        let sent = context_of(record.traceparent?)?;
        let offset = KeyValue::new(OFFSET, record.offset);
        let attributes = message(record.partition, record.key).chain([offset]);
        let builder = self
            .builder(Operation::Process, &self.inputs[record.topic].topic, attributes)
            .with_links(vec![Link::with_context(sent.clone())]);
        let span = self.tracer.build_with_context(builder, &below(sent.clone()));
        let carried = traceparent_of(span.span_context());
        self.process = Some(Process { span, topic: record.topic, sent, found: now });
        carried
    }

    fn end(&mut self, links: &[Traceparent], error: Option<&Error>) {
        let Some(Process { mut span, topic, sent, found }) = self.process.take() else { return };
        for context in links.iter().filter_map(|link| context_of(link)) {
            span.add_link(context, Vec::new());
        }
        if let Some(error) = error {
            let kind = if matches!(error, Error::Unavailable(_)) { "unavailable" } else { "failed" };
            fail(&mut span, kind, &error.to_string());
        } else {
            let input = &mut self.inputs[topic];
            input.found.get_or_insert((self.polled, found));
            if input.links.len() < MOST_LINKS {
                input.links.push(sent);
            }
        }
        span.end();
    }

    fn send(&mut self, records: &[usize], outputs: &mut Outputs) {
        let mut sends = std::mem::take(&mut self.sends);
        outputs.replace_traceparents(|output| {
            let topic = &self.outputs[output.topic];
            let mut attributes = Operation::Send.attributes(topic, &self.client);
            attributes.extend(message(output.partition, output.key));
            let parent = below(context_of(output.traceparent?)?);
            let span = self.tracer.build_with_context(Operation::Send.builder(topic, attributes), &parent);
            let carried = traceparent_of(span.span_context());
            sends.push(span);
            carried
        });
        self.sends = sends;
        for (input, records) in self.inputs.iter_mut().zip(records) {
            input.records = *records;
        }
        let polls: Vec<_> = self.inputs.iter().map(|input| input.found.map(|found| self.poll(input, found))).collect();
        for (input, poll) in self.inputs.iter_mut().zip(polls) {
            input.poll = poll;
        }
    }

    fn sent(&mut self) {
        self.sends.drain(..).for_each(|mut span| span.end());
        let commit = |input: &Input| {
            let builder = self.of_batch(Operation::Commit, input);
            Some(self.tracer.build_with_context(builder, &below(input.poll.clone()?)))
        };
        self.commits = self.inputs.iter().filter_map(commit).collect();
    }

    fn committed(&mut self) {
        self.commits.drain(..).for_each(|mut span| span.end());
        self.forget();
    }

    fn undone(&mut self, why: &str) {
        for span in self.sends.iter_mut().chain(&mut self.commits) {
            fail(span, "aborted", why);
            span.end();
        }
        self.forget();
    }
}

#[cfg(test)]
mod tests;
