//! Records for one topic, packed into one buffer.

/// A batch of records; pushing one allocates nothing once the buffer has grown.
#[derive(Debug)]
pub struct Batch {
    topic: String,
    traceparent: Option<String>,
    bytes: Vec<u8>,
    records: Vec<Entry>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    partition: i32,
    start: usize,
    key_end: usize,
    payload_end: usize,
    /// Of a trace of its own; at `payload_end` where it has none.
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
    /// The trace it belongs to: its own, else the batch's.
    pub traceparent: Option<&'a str>,
}

impl Batch {
    /// An empty batch for `topic`, whose records carry `traceparent` as a header if there is one.
    #[must_use]
    pub fn new(topic: impl Into<String>, traceparent: Option<String>) -> Self {
        Self { topic: topic.into(), traceparent, bytes: Vec::new(), records: Vec::new() }
    }

    /// Adds a record.
    pub fn push(&mut self, partition: i32, key: &[u8], payload: &[u8]) {
        self.push_traced(partition, key, payload, None);
    }

    /// Adds a record of a trace of its own, if `traceparent` is one.
    pub fn push_traced(&mut self, partition: i32, key: &[u8], payload: &[u8], traceparent: Option<&str>) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(key);
        let key_end = self.bytes.len();
        self.bytes.extend_from_slice(payload);
        let payload_end = self.bytes.len();
        self.bytes.extend_from_slice(traceparent.unwrap_or_default().as_bytes());
        self.records.push(Entry { partition, start, key_end, payload_end, end: self.bytes.len() });
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

    /// The trace they belong to.
    #[must_use]
    pub fn traceparent(&self) -> Option<&str> {
        self.traceparent.as_deref()
    }

    /// The records, in the order in which they were pushed.
    pub fn records(&self) -> impl ExactSizeIterator<Item = Record<'_>> {
        self.records.iter().map(|e| Record {
            partition: e.partition,
            key: &self.bytes[e.start..e.key_end],
            payload: &self.bytes[e.key_end..e.payload_end],
            // bytes that were a str when they were pushed
            traceparent: str::from_utf8(&self.bytes[e.payload_end..e.end]).ok().filter(|t| !t.is_empty()).or(self.traceparent()),
        })
    }
}
