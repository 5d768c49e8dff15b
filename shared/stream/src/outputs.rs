//! The records that a batch wants written, in one buffer.

use crate::spans::Traceparent;
use std::ops::Range;

/// A record to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Output<'a> {
    /// Which of the stage's output topics.
    pub topic: usize,
    /// Partition there.
    pub partition: i32,
    /// The key, if any.
    pub key: Option<&'a [u8]>,
    /// The value.
    pub payload: &'a [u8],
    /// The W3C `traceparent` header to carry on, if any.
    pub traceparent: Option<&'a [u8]>,
    /// The header that says which record of an upstream's own topic this one is, if any.
    pub origin: Option<&'a [u8]>,
}

#[derive(Debug)]
struct Entry {
    topic: usize,
    partition: i32,
    key: Option<Range<usize>>,
    payload: Range<usize>,
    traceparent: Option<Range<usize>>,
    origin: Option<Range<usize>>,
}

impl Entry {
    fn output<'a>(&self, bytes: &'a [u8]) -> Output<'a> {
        Output {
            topic: self.topic,
            partition: self.partition,
            key: self.key.clone().map(|r| &bytes[r]),
            payload: &bytes[self.payload.clone()],
            traceparent: self.traceparent.clone().map(|r| &bytes[r]),
            origin: self.origin.clone().map(|r| &bytes[r]),
        }
    }
}

/// Records waiting for the batch's transaction. Keys and payloads share one buffer that is reused from
/// batch to batch, so that a record costs no allocation.
#[derive(Debug, Default)]
pub struct Outputs {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
    links: Vec<Traceparent>,
    /// Bytes that go to each partition of each topic, with what a record takes beside its key and value.
    requests: Vec<Vec<usize>>,
    /// The most of them.
    largest: usize,
}

/// Bytes that a record takes in a request beside its key, its value and a `traceparent`, about: lengths, times and offsets of
/// Kafka's record format v2, which are varints, and a header's name.
const AROUND: usize = 32;

impl Outputs {
    /// Adds a record whose value `write` appends to the buffer. When `write` fails, nothing is added.
    ///
    /// # Errors
    /// Whatever `write` returns.
    pub fn push<E>(
        &mut self,
        topic: usize,
        partition: i32,
        key: Option<&[u8]>,
        traceparent: Option<&[u8]>,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        let start = self.bytes.len();
        if let Err(e) = write(&mut self.bytes) {
            self.bytes.truncate(start);
            return Err(e);
        }
        let payload = start..self.bytes.len();
        let key = key.map(|k| self.append(k));
        let traceparent = traceparent.map(|t| self.append(t));
        self.count(topic, partition, self.bytes.len() - start);
        self.entries.push(Entry { topic, partition, key, payload, traceparent, origin: None });
        Ok(())
    }

    fn count(&mut self, topic: usize, partition: i32, bytes: usize) {
        let Ok(place) = usize::try_from(partition) else { return };
        if self.requests.len() <= topic {
            self.requests.resize(topic + 1, Vec::new());
        }
        let partitions = &mut self.requests[topic];
        if partitions.len() <= place {
            partitions.resize(place + 1, 0);
        }
        partitions[place] += bytes + AROUND;
        self.largest = self.largest.max(partitions[place]);
    }

    /// Gives the record that was added last the origin `origin`.
    pub fn set_origin(&mut self, origin: &[u8]) {
        let origin = self.append(origin);
        if let Some(last) = self.entries.last_mut() {
            last.origin = Some(origin);
        }
    }

    fn append(&mut self, bytes: &[u8]) -> Range<usize> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        start..self.bytes.len()
    }

    /// Says that the record being processed has to do with another trace, of which `traceparent` is a part: where both
    /// are followed, its span gets a link. Anything that is no `traceparent` is passed over.
    pub fn link(&mut self, traceparent: &[u8]) {
        self.links.extend(Traceparent::try_from(traceparent));
    }

    /// What [`Outputs::link`] was given for the record being processed.
    #[must_use]
    pub fn links(&self) -> &[Traceparent] {
        &self.links
    }

    pub(crate) fn forget_links(&mut self) {
        self.links.clear();
    }

    /// Puts what `with` gives in the place of each `traceparent`; `None` leaves it.
    pub fn replace_traceparents(&mut self, mut with: impl FnMut(&Output<'_>) -> Option<Traceparent>) {
        for entry in &self.entries {
            let Some(place) = entry.traceparent.clone().filter(|place| place.len() == size_of::<Traceparent>()) else { continue };
            if let Some(new) = with(&entry.output(&self.bytes)) {
                self.bytes[place].copy_from_slice(&new);
            }
        }
    }

    /// The records, in the order they were added.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Output<'_>> {
        self.entries.iter().map(|e| e.output(&self.bytes))
    }

    /// The records, those of one partition together and in the order they were added.
    pub fn by_partition(&self) -> impl ExactSizeIterator<Item = Output<'_>> {
        let mut order: Vec<&Entry> = self.entries.iter().collect();
        order.sort_by_key(|entry| (entry.topic, entry.partition));
        order.into_iter().map(|entry| entry.output(&self.bytes))
    }

    /// How many records.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes of all keys and values.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// About how many bytes the largest request will have: what goes to one partition of one topic.
    #[must_use]
    pub fn largest_request(&self) -> usize {
        self.largest
    }

    /// Forgets everything, keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.entries.clear();
        self.links.clear();
        self.requests.iter_mut().for_each(|partitions| partitions.fill(0));
        self.largest = 0;
    }

    /// How far the outputs go now; [`Outputs::truncate`] returns to it.
    #[must_use]
    pub(crate) fn mark(&self) -> (usize, usize) {
        (self.entries.len(), self.bytes.len())
    }

    /// Forgets what was added since `mark`; [`Outputs::largest_request`] may be told too large after that.
    pub(crate) fn truncate(&mut self, mark: (usize, usize)) {
        self.entries.truncate(mark.0);
        self.bytes.truncate(mark.1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(outputs: &mut Outputs, topic: usize, partition: i32, bytes: usize) {
        let payload = vec![0; bytes];
        let write = |out: &mut Vec<u8>| {
            out.extend(&payload);
            Ok::<_, ()>(())
        };
        outputs.push(topic, partition, Some(b"key"), None, write).unwrap();
    }

    #[test]
    fn the_largest_request_is_what_goes_to_one_partition_of_one_topic() {
        let mut outputs = Outputs::default();
        assert_eq!(outputs.largest_request(), 0);
        push(&mut outputs, 0, 2, 97);
        push(&mut outputs, 1, 2, 97);
        push(&mut outputs, 0, 1, 97);
        assert_eq!(outputs.largest_request(), 100 + AROUND);
        push(&mut outputs, 0, 2, 47);
        assert_eq!(outputs.largest_request(), 150 + 2 * AROUND);
        outputs.clear();
        push(&mut outputs, 1, 0, 7);
        assert_eq!(outputs.largest_request(), 10 + AROUND);
    }
}
