//! Spans of messages: names, attributes, and the trace context in a record's header.
//!
//! Names are those of the semantic conventions 1.45 for messaging and Kafka, which renamed what the published Rust
//! constants still have: <https://opentelemetry.io/docs/specs/semconv/messaging/kafka/>.

use opentelemetry::global::{self, BoxedSpan, BoxedTracer};
use opentelemetry::trace::{Span, SpanBuilder, SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags, TraceId, TraceState};
use opentelemetry::{Context, InstrumentationScope, KeyValue};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tidemill_stream::Traceparent;

/// The conventions that the names follow.
const SCHEMA_URL: &str = "https://opentelemetry.io/schemas/1.45.0";

const SYSTEM: &str = "messaging.system.name";
const OPERATION: &str = "messaging.operation.name";
const OPERATION_TYPE: &str = "messaging.operation.type";
const DESTINATION: &str = "messaging.destination.name";
const PARTITION: &str = "messaging.destination.partition.id";
pub(crate) const GROUP: &str = "messaging.consumer.group.name";
const CLIENT_ID: &str = "messaging.client.id";
pub(crate) const MESSAGE_COUNT: &str = "messaging.batch.message_count";
pub(crate) const OFFSET: &str = "kafka.offset";
const KEY: &str = "kafka.message.key";
const ERROR: &str = "error.type";

/// Links that a span has, at most.
pub(crate) const MOST_LINKS: usize = 128;

/// Says that what `span` stands for failed: a word of few, and the reason.
pub(crate) fn fail(span: &mut BoxedSpan, kind: &'static str, why: &str) {
    span.set_attribute(KeyValue::new(ERROR, kind));
    span.set_status(Status::error(why.to_owned()));
}

/// `messages` as an attribute's value.
pub(crate) fn count(messages: usize) -> i64 {
    i64::try_from(messages).unwrap_or(i64::MAX)
}

/// What is done with messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Send,
    Poll,
    Process,
    Commit,
}

impl Operation {
    fn name(self) -> &'static str {
        match self {
            Self::Send => "send",
            Self::Poll => "poll",
            Self::Process => "process",
            Self::Commit => "commit",
        }
    }

    fn kind_of_operation(self) -> &'static str {
        match self {
            Self::Send => "send",
            Self::Poll => "receive",
            Self::Process => "process",
            Self::Commit => "settle",
        }
    }

    fn kind(self) -> SpanKind {
        match self {
            Self::Send => SpanKind::Producer,
            Self::Process => SpanKind::Consumer,
            Self::Poll | Self::Commit => SpanKind::Client,
        }
    }

    /// A span of it on `topic` that says `attributes`.
    pub(crate) fn builder(self, topic: &str, attributes: Vec<KeyValue>) -> SpanBuilder {
        SpanBuilder::from_name(format!("{} {topic}", self.name())).with_kind(self.kind()).with_attributes(attributes)
    }

    /// What every span of it says.
    pub(crate) fn attributes(self, topic: &str, client: &str) -> Vec<KeyValue> {
        vec![
            KeyValue::new(SYSTEM, "kafka"),
            KeyValue::new(OPERATION, self.name()),
            KeyValue::new(OPERATION_TYPE, self.kind_of_operation()),
            KeyValue::new(DESTINATION, topic.to_owned()),
            KeyValue::new(CLIENT_ID, client.to_owned()),
        ]
    }
}

/// What the span of one message says beside that. A key that is no text is left out.
pub(crate) fn message(partition: i32, key: Option<&[u8]>) -> impl Iterator<Item = KeyValue> {
    let key = key.and_then(|key| std::str::from_utf8(key).ok()).map(|key| KeyValue::new(KEY, key.to_owned()));
    [KeyValue::new(PARTITION, partition.to_string())].into_iter().chain(key)
}

/// Where the spans of this crate go: nowhere, unless the process has set up an exporter.
pub(crate) fn tracer() -> BoxedTracer {
    let scope = InstrumentationScope::builder(env!("CARGO_PKG_NAME")).with_version(env!("CARGO_PKG_VERSION")).with_schema_url(SCHEMA_URL);
    global::tracer_with_scope(scope.build())
}

/// The context in a `traceparent` of version 00 whose trace is sampled; anything else is as good as none.
/// Source: <https://www.w3.org/TR/trace-context/#traceparent-header>.
pub(crate) fn context_of(traceparent: &[u8]) -> Option<SpanContext> {
    let text = std::str::from_utf8(traceparent).ok().filter(|text| text.len() == size_of::<Traceparent>())?;
    let hex = |text: &str| text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let mut parts = text.split('-');
    let mut next = |len: usize| parts.next().filter(|part| part.len() == len && hex(part));
    let (version, trace, span, flags) = (next(2)?, next(32)?, next(16)?, next(2)?);
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?);
    let (trace, span) = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?);
    let context = SpanContext::new(trace, span, flags, true, TraceState::NONE);
    (version == "00" && context.is_valid() && context.is_sampled()).then_some(context)
}

/// `context` as it travels in a header.
pub(crate) fn traceparent_of(context: &SpanContext) -> Option<Traceparent> {
    let text = format!("00-{:032x}-{:016x}-{:02x}", context.trace_id(), context.span_id(), context.trace_flags());
    Traceparent::try_from(text.as_bytes()).ok().filter(|_| context.is_valid())
}

/// What a span is started in to be a child of `parent`.
pub(crate) fn below(parent: SpanContext) -> Context {
    Context::new().with_remote_span_context(parent)
}

/// `micros` since 1970.
pub(crate) fn time(micros: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_context_travels_unchanged() {
        let context = context_of(GOOD.as_bytes()).unwrap();
        assert!(context.is_remote());
        assert_eq!(traceparent_of(&context).as_ref().map(|t| &t[..]), Some(GOOD.as_bytes()));
        assert_eq!(traceparent_of(&SpanContext::empty_context()), None);
    }

    #[test]
    fn what_is_forged_malformed_or_not_sampled_is_none() {
        for bad in [
            String::new(),
            GOOD.replace("-01", "-00"),
            GOOD.replace("00-4", "ff-4"),
            GOOD.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            GOOD.replace("00f067aa0ba902b7", &"0".repeat(16)),
            GOOD.to_uppercase(),
            format!("{GOOD}-00"),
            GOOD.replace("4bf9", "+bf9"),
            GOOD.replace("4bf9", "4b-9"),
            "0".repeat(1 << 20),
        ] {
            assert_eq!(context_of(bad.as_bytes()), None, "{:.60}", bad);
        }
        assert_eq!(context_of(&[0xff; 55]), None);
    }
}
