//! Records for one topic, packed into one buffer.

/// A batch of records; pushing one allocates nothing once the buffer has grown.
#[derive(Debug)]
pub struct Batch {
    topic: String,
    traceparent: Option<String>,
    bytes: Vec<u8>,
    records: Vec<Entry>,
    /// Records with a trace of their own, by their place, in the batch's order.
    followed: Vec<(usize, String)>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    partition: i32,
    start: usize,
    key_end: usize,
    end: usize,
}

/// A record of a [`Batch`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// Where it goes.
    pub partition: i32,
    /// Its key.
    pub key: &'a [u8],
    /// Its value.
    pub payload: &'a [u8],
    /// The trace that it alone belongs to.
    pub traceparent: Option<&'a str>,
}

impl Batch {
    /// An empty batch for `topic`. Its records belong to the trace `traceparent`, if there is one, but for those with
    /// a trace of their own.
    #[must_use]
    pub fn new(topic: impl Into<String>, traceparent: Option<String>) -> Self {
        Self { topic: topic.into(), traceparent, bytes: Vec::new(), records: Vec::new(), followed: Vec::new() }
    }

    /// Adds a record.
    pub fn push(&mut self, partition: i32, key: &[u8], payload: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(key);
        let key_end = self.bytes.len();
        self.bytes.extend_from_slice(payload);
        self.records.push(Entry { partition, start, key_end, end: self.bytes.len() });
    }

    /// Says that the record pushed last belongs to the trace `traceparent`, and not to that of the batch.
    pub fn follow(&mut self, traceparent: String) {
        if let Some(last) = self.records.len().checked_sub(1) {
            self.followed.push((last, traceparent));
        }
    }

    /// Whether any of its records belongs to a trace.
    #[must_use]
    pub fn is_followed(&self) -> bool {
        self.traceparent.is_some() || !self.followed.is_empty()
    }

    /// How many records there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The topic they go to.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// The trace of all that have none of their own.
    #[must_use]
    pub fn traceparent(&self) -> Option<&str> {
        self.traceparent.as_deref()
    }

    /// The records, in the order in which they were pushed.
    pub fn records(&self) -> impl ExactSizeIterator<Item = Record<'_>> {
        self.records.iter().enumerate().map(|(index, e)| Record {
            partition: e.partition,
            key: &self.bytes[e.start..e.key_end],
            payload: &self.bytes[e.key_end..e.end],
            traceparent: self.own(index),
        })
    }

    fn own(&self, index: usize) -> Option<&str> {
        let at = self.followed.binary_search_by_key(&index, |(i, _)| *i).ok()?;
        Some(&self.followed[at].1)
    }
}
