//! Where a raw record came from, if it was taken from an upstream's own topic: a header of the record.

use std::fmt::Write;

/// The header's name.
pub const HEADER: &str = "tidemill_source";

/// A record of an upstream's own topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin<'a> {
    /// The topic.
    pub topic: &'a str,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
}

impl<'a> Origin<'a> {
    /// Puts the header's value, `topic/partition/offset`, into `out` in place of what was there.
    pub fn write(&self, out: &mut String) {
        out.clear();
        // writing to a String does not fail
        let _ = write!(out, "{}/{}/{}", self.topic, self.partition, self.offset);
    }

    /// Reads what [`Origin::write`] wrote; `None` for anything else. A topic's name holds no slash.
    #[must_use]
    pub fn parse(header: &'a [u8]) -> Option<Self> {
        let mut parts = str::from_utf8(header).ok()?.split('/');
        let (topic, partition, offset) = (parts.next()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        (parts.next().is_none() && !topic.is_empty() && partition >= 0 && offset >= 0).then_some(Self { topic, partition, offset })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn round_trips(topic in "[a-zA-Z0-9._-]{1,30}", partition in 0..i32::MAX, offset in 0..i64::MAX) {
            let origin = Origin { topic: &topic, partition, offset };
            let mut text = "left over".to_owned();
            origin.write(&mut text);
            prop_assert_eq!(Origin::parse(text.as_bytes()), Some(origin));
        }

        #[test]
        fn never_panics(bytes: Vec<u8>) {
            let _ = Origin::parse(&bytes);
        }
    }

    #[test]
    fn anything_else_is_no_origin() {
        for text in ["", "t", "t/1", "t/1/", "/1/2", "t/-1/2", "t/1/-2", "t/1/2/3", "t/a/2", "t/1/99999999999999999999"] {
            assert_eq!(Origin::parse(text.as_bytes()), None, "{text}");
        }
        assert_eq!(Origin::parse(b"\xff/1/2"), None);
    }
}
