//! Which events are followed when their sender says nothing of it, and in which trace.
//!
//! Both derive from the event id, so that everybody comes to the same: whether from a hash, the trace's id by SHA-256. An
//! event's label is followed when the event is, in a trace of its own.

use sha2::{Digest, Sha256};
use tidemill_events::partition::murmur2;

/// Follows a share of all events.
#[derive(Debug, Clone, Copy)]
pub struct Sampler {
    /// Hashes below it are followed.
    below: u64,
}

impl Sampler {
    /// Follows `ratio` (0 to 1) of all events.
    #[must_use]
    pub fn new(ratio: f64) -> Self {
        Self { below: (ratio.clamp(0.0, 1.0) * (u64::from(u32::MAX) + 1) as f64) as u64 }
    }

    /// Whether the event `event_id` is followed.
    #[must_use]
    pub fn follows(self, event_id: &str) -> bool {
        self.below > 0 && u64::from(murmur2(event_id.as_bytes())) < self.below
    }
}

/// The id of the trace that begins with the record of `event_id` in `topic`: the first half of the SHA-256 of both, with a
/// zero byte between.
#[must_use]
pub fn trace_of(topic: &str, event_id: &str) -> [u8; 16] {
    let digest = Sha256::new().chain_update(topic).chain_update([0]).chain_update(event_id).finalize();
    std::array::from_fn(|i| digest[i])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ratio_is_kept_and_the_ends_are_exact() {
        let share = |ratio| (0..100_000).filter(|i| Sampler::new(ratio).follows(&format!("tx-{i}"))).count();
        assert_eq!((share(0.0), share(1.0)), (0, 100_000));
        // five standard deviations of a binomial
        assert!((900..1100).contains(&share(0.01)), "{}", share(0.01));
    }

    #[test]
    fn a_trace_is_told_by_topic_and_event() {
        // printf 'p.raw\0tx-1' | sha256sum
        assert_eq!(hex(trace_of("p.raw", "tx-1")), "ff57203bdedda1269356fe66142a58b4");
        assert_ne!(trace_of("p.raw", "tx-1"), trace_of("p.labels", "tx-1"));
    }

    fn hex(bytes: [u8; 16]) -> String {
        bytes.iter().map(|b| format!("{b:02x}")).collect()
    }
}
