//! A request's server spans: one in the trace of its caller, and one in the trace of each followed event that it brings.
//!
//! Names are those of the semantic conventions for HTTP: <https://opentelemetry.io/docs/specs/semconv/http/http-spans/>.

use super::traceparent::{Caller, caller};
use crate::clock::{Clock, SystemClock};
use crate::telemetry::{SCHEMA_URL, under};
use axum::http::{HeaderMap, StatusCode};
use opentelemetry::global::{self, BoxedSpan};
use opentelemetry::trace::{
    Span, SpanBuilder, SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags, TraceId, TraceState, Tracer,
};
use opentelemetry::{Context, InstrumentationScope, KeyValue};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What may be followed of a request. Dropped without [`RequestSpans::end`], its spans end without an answer.
#[derive(Debug)]
pub struct RequestSpans<'r> {
    method: &'static str,
    route: &'static str,
    parameter: &'r str,
    began: i64,
    /// Whether the caller leaves it to us what to follow.
    undecided: bool,
    /// Of the span in the caller's trace.
    traceparent: Option<String>,
    spans: Vec<BoxedSpan>,
}

impl<'r> RequestSpans<'r> {
    /// A request to `route` (`/v1/things/{thing}`), whose only parameter is `parameter`, as it arrives. Has a span from
    /// here on if the caller follows it.
    #[must_use]
    pub fn begin(method: &'static str, route: &'static str, parameter: &'r str, headers: &HeaderMap) -> Self {
        let began = SystemClock.now();
        let mut this = Self { method, route, parameter, began, undecided: false, traceparent: None, spans: Vec::new() };
        match caller(headers) {
            Caller::Follows(traceparent) => this.traceparent = this.join(traceparent),
            Caller::Declines => {}
            Caller::IsSilent => this.undecided = true,
        }
        this
    }

    /// What is sent on in the caller's trace carries this.
    #[must_use]
    pub fn traceparent(&self) -> Option<&str> {
        self.traceparent.as_deref()
    }

    /// Whether the caller leaves it to us what to follow: it has sent no `traceparent`, or none that can be read.
    #[must_use]
    pub fn is_undecided(&self) -> bool {
        self.undecided
    }

    /// Begins the trace `trace` with a span of this request. What belongs to it carries what this returns; `None` if
    /// nobody listens.
    pub fn follow(&mut self, trace: [u8; 16]) -> Option<String> {
        under(TraceId::from(u128::from_be_bytes(trace)), || self.start(&Context::new()))
    }

    /// Joins the trace of something that the request brings, whose `traceparent` says that it is followed. What belongs to
    /// it carries what this returns; `None` if that cannot be read.
    pub fn join(&mut self, traceparent: &str) -> Option<String> {
        context_of(traceparent).and_then(|parent| self.start(&below(parent)))
    }

    /// The request was answered.
    pub fn end(mut self, status: StatusCode) {
        for span in &mut self.spans {
            span.set_attribute(KeyValue::new("http.response.status_code", i64::from(status.as_u16())));
            if status.is_server_error() {
                span.set_attribute(KeyValue::new("error.type", status.as_str().to_owned()));
                span.set_status(Status::error(""));
            }
            span.end();
        }
    }

    fn start(&mut self, parent: &Context) -> Option<String> {
        let scope =
            InstrumentationScope::builder(env!("CARGO_PKG_NAME")).with_version(env!("CARGO_PKG_VERSION")).with_schema_url(SCHEMA_URL);
        let tracer = global::tracer_with_scope(scope.build());
        let path = match (self.route.split_once('{'), self.route.split_once('}')) {
            (Some((before, _)), Some((_, behind))) => format!("{before}{}{behind}", self.parameter),
            _ => self.route.to_owned(),
        };
        let builder = SpanBuilder::from_name(format!("{} {}", self.method, self.route))
            .with_kind(SpanKind::Server)
            .with_start_time(time(self.began))
            .with_attributes([
                KeyValue::new("http.request.method", self.method),
                KeyValue::new("http.route", self.route),
                KeyValue::new("url.path", path),
                KeyValue::new("url.scheme", "http"),
            ]);
        let span = tracer.build_with_context(builder, parent);
        let context = span.span_context();
        let traceparent = format!("00-{:032x}-{:016x}-{:02x}", context.trace_id(), context.span_id(), context.trace_flags());
        let valid = context.is_valid();
        self.spans.push(span);
        valid.then_some(traceparent)
    }
}

/// The context in a well-formed `traceparent`.
fn context_of(traceparent: &str) -> Option<SpanContext> {
    let mut parts = traceparent.split('-').skip(1);
    let (trace, span) = (TraceId::from_hex(parts.next()?).ok()?, SpanId::from_hex(parts.next()?).ok()?);
    let flags = TraceFlags::new(u8::from_str_radix(parts.next()?, 16).ok()?);
    Some(SpanContext::new(trace, span, flags, true, TraceState::NONE))
}

fn below(parent: SpanContext) -> Context {
    Context::new().with_remote_span_context(parent)
}

fn time(micros: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}
