//! What the loop tells of records whose trace is followed, so that the crate of the broker can make spans of it.

use crate::{Error, Outputs, Record};

/// A W3C `traceparent` of version 00: 55 characters.
pub type Traceparent = [u8; 55];

/// Makes spans of what a loop does. Records without a `traceparent` are not told, and a batch without any is told of its
/// polls alone. Times are microseconds since 1970. In the order of calls, for each batch:
/// `polling`, (`begin`, `end`)…, as often as it polls; `send`; `sent`; `committed`. Whenever it fails: `undone`.
pub trait Spans: Send {
    /// The loop waits for records, from `now` on.
    fn polling(&mut self, now: i64);

    /// `record`, at hand since `now`, is processed next. Its outputs carry on what this returns; `None`: its `traceparent`
    /// is forged or its trace not sampled, which is as good as none.
    fn begin(&mut self, record: &Record<'_>, now: i64) -> Option<Traceparent>;

    /// That record is processed, and has to do with the traces `links`; or why it was not.
    fn end(&mut self, links: &[Traceparent], error: Option<&Error>);

    /// The batch is full: `records` of each input topic. `outputs` are written next; those that carry on a trace get
    /// what their readers go on with ([`Outputs::replace_traceparents`]).
    fn send(&mut self, records: &[usize], outputs: &mut Outputs);

    /// They are written; the offsets are committed next.
    fn sent(&mut self);

    /// They are committed.
    fn committed(&mut self);

    /// The open batch, if there is one, was thrown away.
    fn undone(&mut self, why: &str);
}

/// The loop's side: tells what there is to tell, and nothing where nobody listens.
pub(crate) struct Watch {
    spans: Option<Box<dyn Spans>>,
    /// Records of each input topic in the open batch.
    records: Vec<usize>,
    /// Some of them are followed.
    followed: bool,
}

impl Watch {
    pub(crate) fn new(spans: Option<Box<dyn Spans>>, topics: usize) -> Self {
        Self { spans, records: vec![0; topics], followed: false }
    }

    pub(crate) fn polling(&mut self, now: i64) {
        if let Some(spans) = &mut self.spans {
            spans.polling(now);
        }
    }

    /// Processes `record` by `process`, which sees in it what its outputs are to carry on.
    pub(crate) fn process(
        &mut self,
        record: &Record<'_>,
        now: i64,
        out: &mut Outputs,
        process: impl FnOnce(&Record<'_>, &mut Outputs) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let result = match (&mut self.spans, record.traceparent) {
            (Some(spans), Some(_)) => {
                let context = spans.begin(record, now);
                let result = process(&Record { traceparent: context.as_ref().map(|c| &c[..]), ..*record }, out);
                if context.is_some() {
                    self.followed |= result.is_ok();
                    spans.end(out.links(), result.as_ref().err());
                }
                result
            }
            _ => process(record, out),
        };
        out.forget_links();
        if result.is_ok() {
            self.records[record.topic] += 1;
        }
        result
    }

    pub(crate) fn send(&mut self, outputs: &mut Outputs) {
        if self.followed
            && let Some(spans) = &mut self.spans
        {
            spans.send(&self.records, outputs);
        }
    }

    pub(crate) fn sent(&mut self) {
        if self.followed
            && let Some(spans) = &mut self.spans
        {
            spans.sent();
        }
    }

    pub(crate) fn committed(&mut self) {
        if self.followed
            && let Some(spans) = &mut self.spans
        {
            spans.committed();
        }
        self.forget();
    }

    pub(crate) fn undone(&mut self, why: &str) {
        if self.followed
            && let Some(spans) = &mut self.spans
        {
            spans.undone(why);
        }
        self.forget();
    }

    fn forget(&mut self) {
        self.records.fill(0);
        self.followed = false;
    }
}

#[cfg(test)]
mod tests;
