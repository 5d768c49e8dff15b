//! Batches as the loop tells of them, and the spans that come of it.

use super::*;
use opentelemetry::trace::{SpanId, SpanKind, Status, TraceId, TracerProvider};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[derive(Debug, Clone, Default)]
struct Kept(Arc<Mutex<Vec<SpanData>>>);

impl SpanExporter for Kept {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.0.lock().unwrap().extend(batch);
        Ok(())
    }
}

struct Bench {
    spans: LoopSpans,
    kept: Kept,
    _provider: SdkTracerProvider,
}

fn header(trace: u128, span: u64) -> Traceparent {
    format!("00-{trace:032x}-{span:016x}-01").as_bytes().try_into().unwrap()
}

fn record(topic: usize, offset: i64, traceparent: &[u8]) -> Record<'_> {
    Record { topic, partition: 3, offset, timestamp: 0, key: Some(b"k"), payload: None, traceparent: Some(traceparent) }
}

impl Bench {
    fn new() -> Self {
        let kept = Kept::default();
        let provider = SdkTracerProvider::builder().with_simple_exporter(kept.clone()).build();
        let names = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect();
        let settings = Settings {
            brokers: String::new(),
            group: "g".into(),
            slot: "g.1".into(),
            inputs: names(&["in", "more"]),
            outputs: names(&["out"]),
            gather: Duration::ZERO,
            fault: None,
        };
        let tracer = BoxedTracer::new(Box::new(provider.tracer("test")));
        Self { spans: LoopSpans::new(&settings, tracer), kept, _provider: provider }
    }

    fn process(&mut self, topic: usize, offset: i64, traceparent: &[u8], links: &[Traceparent], out: &mut Outputs) -> bool {
        self.spans.polling(1_000_000);
        let carried = self.spans.begin(&record(topic, offset, traceparent), 2_000_000);
        let Some(carried) = carried else { return false };
        out.push(0, 1, Some(b"k"), Some(&carried), |_| Ok::<(), Error>(())).unwrap();
        self.spans.end(links, None);
        true
    }

    fn named(&self, name: &str) -> Vec<SpanData> {
        self.kept.0.lock().unwrap().iter().filter(|s| s.name == name).cloned().collect()
    }
}

#[test]
fn a_record_goes_on_in_its_trace_and_a_batch_links_to_it() {
    let (mut bench, mut out) = (Bench::new(), Outputs::default());
    let other = header(9, 9);
    assert!(bench.process(0, 7, &header(1, 2), &[other], &mut out));
    bench.spans.send(&[5, 0], &mut out);
    let sent = out.iter().next().unwrap().traceparent.map(|t| context_of(t).unwrap()).unwrap();
    bench.spans.sent();
    assert!(bench.named("commit in").is_empty(), "it is not committed yet");
    bench.spans.committed();

    let [process] = &bench.named("process in")[..] else { panic!("one") };
    assert_eq!((process.span_context.trace_id(), process.parent_span_id), (TraceId::from(1), SpanId::from(2)));
    assert_eq!(process.span_kind, SpanKind::Consumer);
    let links: Vec<_> = process.links.iter().map(|l| (l.span_context.trace_id(), l.span_context.span_id())).collect();
    assert_eq!(links, [(TraceId::from(1), SpanId::from(2)), (TraceId::from(9), SpanId::from(9))]);
    let [send] = &bench.named("send out")[..] else { panic!("one") };
    assert_eq!(
        (send.parent_span_id, &send.span_context),
        (
            process.span_context.span_id(),
            &SpanContext::new(sent.trace_id(), sent.span_id(), sent.trace_flags(), false, send.span_context.trace_state().clone())
        )
    );
    let ([poll], [commit]) = (&bench.named("poll in")[..], &bench.named("commit in")[..]) else { panic!("one each") };
    assert_eq!((poll.start_time, poll.end_time), (trace::time(1_000_000), trace::time(2_000_000)));
    assert_eq!((commit.parent_span_id, commit.span_context.trace_id()), (poll.span_context.span_id(), poll.span_context.trace_id()));
    for span in [poll, commit] {
        assert_ne!(span.span_context.trace_id(), TraceId::from(1));
        assert_eq!(span.links[0].span_context.span_id(), SpanId::from(2));
        assert!(span.attributes.contains(&KeyValue::new(MESSAGE_COUNT, 5)));
    }
    assert!(bench.named("poll more").is_empty(), "nothing of it is followed");
}

#[test]
fn a_batch_has_128_links_at_most_and_the_next_begins_with_none() {
    let (mut bench, mut out) = (Bench::new(), Outputs::default());
    for offset in 0..200 {
        bench.process(1, offset, &header(1, 1 + offset as u64), &[], &mut out);
    }
    bench.spans.send(&[0, 200], &mut out);
    bench.spans.sent();
    bench.spans.committed();
    out.clear();
    bench.process(1, 200, &header(7, 7), &[], &mut out);
    bench.spans.send(&[0, 1], &mut out);
    bench.spans.sent();
    bench.spans.committed();
    let links: Vec<usize> = bench.named("commit more").iter().map(|s| s.links.len()).collect();
    assert_eq!(links, [128, 1]);
    assert_eq!(bench.named("send out").len(), 201);
}

#[test]
fn what_is_forged_has_no_spans() {
    let (mut bench, mut out) = (Bench::new(), Outputs::default());
    for bad in [&b""[..], b"00-0-0-01", &[b'0'; 1 << 20], &header(0, 1), &header(1, 0)] {
        assert!(!bench.process(0, 0, bad, &[], &mut out));
    }
    assert!(bench.kept.0.lock().unwrap().is_empty());
}

#[test]
fn a_batch_that_is_undone_says_so_and_leaves_nothing_to_the_next() {
    let (mut bench, mut out) = (Bench::new(), Outputs::default());
    bench.process(0, 0, &header(1, 2), &[], &mut out);
    bench.spans.send(&[1, 0], &mut out);
    bench.spans.undone("fenced");
    assert_eq!(bench.named("send out")[0].status, Status::error("fenced"));
    out.clear();
    bench.process(0, 0, &header(1, 2), &[], &mut out);
    bench.spans.send(&[1, 0], &mut out);
    bench.spans.sent();
    bench.spans.undone("the coordinator is gone");
    let [commit] = &bench.named("commit in")[..] else { panic!("one") };
    assert_eq!((commit.status.clone(), commit.links.len()), (Status::error("the coordinator is gone"), 1));
    assert_eq!(bench.named("send out")[1].status, Status::Unset, "it was written, and aborted later");
    assert_eq!(bench.named("process in").len(), 2, "the work was done twice");
}

#[test]
fn without_an_exporter_a_header_goes_on_as_it_came() {
    let mut bench = Bench::new();
    bench.spans.tracer = BoxedTracer::new(Box::new(opentelemetry::trace::noop::NoopTracer::new()));
    let (mut out, came) = (Outputs::default(), header(1, 2));
    assert!(bench.process(0, 0, &came, &[], &mut out));
    bench.spans.send(&[1, 0], &mut out);
    assert_eq!(out.iter().next().unwrap().traceparent, Some(&came[..]));
}
