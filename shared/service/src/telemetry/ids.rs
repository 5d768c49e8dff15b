//! Trace ids that are chosen by who begins a trace; all others are random.

use opentelemetry::trace::{SpanId, TraceId};
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator};
use std::cell::Cell;

thread_local! {
    static CHOSEN: Cell<Option<TraceId>> = const { Cell::new(None) };
}

/// Runs `begin`; the trace that it begins has the id `trace`.
pub(crate) fn under<T>(trace: TraceId, begin: impl FnOnce() -> T) -> T {
    CHOSEN.set(Some(trace));
    let begun = begin();
    CHOSEN.set(None);
    begun
}

/// The SDK asks it for ids.
#[derive(Debug, Default)]
pub(super) struct Ids(RandomIdGenerator);

impl IdGenerator for Ids {
    fn new_trace_id(&self) -> TraceId {
        CHOSEN.take().unwrap_or_else(|| self.0.new_trace_id())
    }

    fn new_span_id(&self) -> SpanId {
        self.0.new_span_id()
    }
}
