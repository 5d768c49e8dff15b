//! Labels that are not due yet.

use super::batch::Filling;
use super::cell;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// What became known of an event, and when.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Label {
    /// Microseconds since 1970.
    pub(super) due: i64,
    /// Order among labels due at the same time.
    sequence: u64,
    /// The lane that the event went by: the label follows it there.
    pub(super) lane: usize,
    /// The event id as a JSON string.
    id: Vec<u8>,
    /// The label as a JSON number.
    label: Vec<u8>,
}

/// Labels by the time they are due.
#[derive(Debug, Default)]
pub(super) struct Pending {
    /// Those that came in the order in which they are due: of events in order all.
    queue: VecDeque<Label>,
    /// The others.
    heap: BinaryHeap<Reverse<Label>>,
    sequence: u64,
}

impl Pending {
    /// Keeps a label until `due`; `id` is the event id as it stands in the event's JSON.
    pub(super) fn push(&mut self, due: i64, lane: usize, id: &[u8], label: f64) {
        let id = if id.starts_with(b"\"") { id.to_vec() } else { [b"\"", id, b"\""].concat() };
        let mut number = Vec::new();
        cell::double(label, &mut number);
        let label = Label { due, sequence: self.sequence, lane, id, label: number };
        self.sequence += 1;
        if self.queue.back().is_none_or(|last| last.due <= due) {
            self.queue.push_back(label);
        } else {
            self.heap.push(Reverse(label));
        }
    }

    /// When the next label is due.
    pub(super) fn next_due(&self) -> Option<i64> {
        let (queued, heaped) = (self.queue.front(), self.heap.peek().map(|Reverse(label)| label));
        queued.into_iter().chain(heaped).min().map(|label| label.due)
    }

    /// The next label if it is due at `now`.
    pub(super) fn pop(&mut self, now: i64) -> Option<Label> {
        self.next_due().filter(|due| *due <= now)?;
        match (self.queue.front(), self.heap.peek()) {
            (Some(queued), Some(Reverse(heaped))) if queued > heaped => self.heap.pop().map(|Reverse(label)| label),
            (Some(_), _) => self.queue.pop_front(),
            (None, _) => self.heap.pop().map(|Reverse(label)| label),
        }
    }
}

impl Label {
    /// Appends the label's JSON to `batch`.
    pub(super) fn write(&self, batch: &mut Filling) {
        batch.push(|body| {
            body.extend_from_slice(b"{\"event_id\":");
            let start = body.len();
            body.extend_from_slice(&self.id);
            let end = body.len();
            body.extend_from_slice(b",\"label\":");
            body.extend_from_slice(&self.label);
            body.extend_from_slice(b",\"label_time\":");
            cell::integer(self.due, body);
            body.push(b'}');
            start..end
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publish::batch::Kind;
    use proptest::prelude::*;

    #[test]
    fn labels_come_out_when_due_in_the_order_of_their_times() {
        let mut pending = Pending::default();
        for (due, id) in [(20, &b"\"b\""[..]), (10, b"7"), (20, b"\"c\""), (30, b"\"d\"")] {
            pending.push(due, 0, id, 1.0);
        }
        assert_eq!(pending.pop(9), None);
        let mut batch = Filling::new(Kind::Labels);
        while let Some(label) = pending.pop(20) {
            label.write(&mut batch);
        }
        assert_eq!(
            batch.take().body,
            "{\"event_id\":\"7\",\"label\":1,\"label_time\":10}\n\
             {\"event_id\":\"b\",\"label\":1,\"label_time\":20}\n\
             {\"event_id\":\"c\",\"label\":1,\"label_time\":20}\n"
        );
        assert_eq!(pending.next_due(), Some(30));
    }

    proptest! {
        /// Whatever the order of the events, and however labels are taken in between.
        #[test]
        fn every_label_comes_out_once_in_order(dues in prop::collection::vec(0..50i64, 0..100), takes in prop::collection::vec(0..60i64, 0..20)) {
            let mut pending = Pending::default();
            let mut kept: Vec<(i64, u64)> = Vec::new();
            let chunk = dues.len() / (takes.len() + 1) + 1;
            let mut takes = takes.iter();
            let mut sequence = 0;
            for dues in dues.chunks(chunk) {
                for due in dues {
                    pending.push(*due, 0, b"1", 0.0);
                    kept.push((*due, sequence));
                    sequence += 1;
                }
                let Some(now) = takes.next() else { continue };
                kept.sort_unstable();
                let due = kept.partition_point(|(due, _)| due <= now);
                let taken: Vec<_> = std::iter::from_fn(|| pending.pop(*now)).map(|label| (label.due, label.sequence)).collect();
                prop_assert_eq!(taken, kept.drain(..due).collect::<Vec<_>>());
                prop_assert_eq!(pending.next_due(), kept.first().map(|(due, _)| *due));
            }
        }
    }
}
