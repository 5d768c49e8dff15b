//! Records that travel in one request, with each one's place in the body, so that those that were not
//! taken can go again and those that were can be named.

use bytes::Bytes;
use std::ops::Range;

/// What the records of a batch are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Events,
    Labels,
}

/// A batch while it is filled.
#[derive(Debug)]
pub(super) struct Filling {
    kind: Kind,
    body: Vec<u8>,
    records: Vec<Record>,
}

#[derive(Debug, Clone)]
struct Record {
    end: usize,
    /// Where the event id stands, as JSON; empty where the event has none.
    id: Range<usize>,
}

/// A batch as it is sent: cheap to clone for the next attempt.
#[derive(Debug, Clone)]
pub(super) struct Batch {
    pub(super) kind: Kind,
    pub(super) body: Bytes,
    records: Vec<Record>,
}

impl Filling {
    pub(super) fn new(kind: Kind) -> Self {
        Self { kind, body: Vec::new(), records: Vec::new() }
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.body.len()
    }

    /// Appends one line: `write` appends a JSON object to the body and says where its event id stands.
    pub(super) fn push(&mut self, write: impl FnOnce(&mut Vec<u8>) -> Range<usize>) {
        let id = write(&mut self.body);
        self.body.push(b'\n');
        self.records.push(Record { end: self.body.len(), id });
    }

    /// The event id of the last record, as JSON.
    pub(super) fn last_id(&self) -> &[u8] {
        self.records.last().map_or(&[], |r| &self.body[r.id.clone()])
    }

    /// Takes what was filled; the next batch will be about as large.
    pub(super) fn take(&mut self) -> Batch {
        let next = Self { kind: self.kind, body: Vec::with_capacity(self.body.len()), records: Vec::with_capacity(self.records.len()) };
        let filled = std::mem::replace(self, next);
        Batch { kind: filled.kind, body: filled.body.into(), records: filled.records }
    }
}

impl Batch {
    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    /// The records, each a JSON object.
    pub(super) fn lines(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.records.iter().map(|r| r.end));
        // without the line feed
        starts.zip(&self.records).map(|(start, record)| &self.body[start..record.end - 1])
    }

    /// The event id of the `index`-th record, as JSON; empty where it has none.
    pub(super) fn id(&self, index: usize) -> &[u8] {
        self.records.get(index).map_or(&[], |r| &self.body[r.id.clone()])
    }

    /// The records at `indices`, which are ascending, alone.
    pub(super) fn only(&self, indices: &[usize]) -> Self {
        let mut some = Filling::new(self.kind);
        for &index in indices {
            let Some(record) = self.records.get(index) else { continue };
            let start = if index == 0 { 0 } else { self.records[index - 1].end };
            some.push(|body| {
                let shift = body.len();
                body.extend_from_slice(&self.body[start..record.end - 1]);
                let at = |position: usize| (position + shift).saturating_sub(start);
                if record.id.is_empty() { 0..0 } else { at(record.id.start)..at(record.id.end) }
            });
        }
        some.take()
    }

    /// Both halves, in order.
    pub(super) fn split(&self) -> [Self; 2] {
        let all: Vec<usize> = (0..self.len()).collect();
        let (first, second) = all.split_at(all.len() / 2);
        [self.only(first), self.only(second)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(ids: &[&str]) -> Batch {
        let mut filling = Filling::new(Kind::Events);
        for id in ids {
            filling.push(|body| {
                body.extend_from_slice(b"{\"id\":");
                let start = body.len();
                body.extend_from_slice(id.as_bytes());
                let end = body.len();
                body.push(b'}');
                start..end
            });
        }
        filling.take()
    }

    #[test]
    fn some_of_a_batch_is_a_batch_of_those() {
        let whole = batch(&["\"a\"", "\"bcd\"", "", "\"e\""]);
        let some = whole.only(&[1, 2, 3]);
        assert_eq!(some.body, "{\"id\":\"bcd\"}\n{\"id\":}\n{\"id\":\"e\"}\n");
        assert_eq!(some.lines().collect::<Vec<_>>(), [&b"{\"id\":\"bcd\"}"[..], b"{\"id\":}", b"{\"id\":\"e\"}"]);
        assert_eq!([some.id(0), some.id(1), some.id(2)], [&b"\"bcd\""[..], b"", b"\"e\""]);
        let [first, second] = whole.split();
        assert_eq!([first.len(), second.len()], [2, 2]);
        assert_eq!([&first.body[..], &second.body[..]].concat(), whole.body);
    }

    #[test]
    fn what_was_taken_is_gone_from_the_filling() {
        let mut filling = Filling::new(Kind::Labels);
        filling.push(|body| {
            body.extend_from_slice(b"{}");
            0..0
        });
        assert_eq!(filling.take().len(), 1);
        assert_eq!((filling.len(), filling.bytes()), (0, 0));
    }
}
