//! Latencies by the millisecond.

/// Milliseconds told apart; what took longer counts as this long.
const LONGEST: usize = 120_000;

/// Counts of latencies.
#[derive(Debug, Clone, Default)]
pub(super) struct Latencies {
    /// How many took so many milliseconds.
    counts: Vec<u64>,
    total: u64,
}

impl Latencies {
    /// One event took `micros` microseconds.
    pub(super) fn note(&mut self, micros: i64) {
        let millis = usize::try_from(micros / 1_000).unwrap_or(0).min(LONGEST);
        if self.counts.len() <= millis {
            self.counts.resize(millis + 1, 0);
        }
        self.counts[millis] += 1;
        self.total += 1;
    }

    /// The latency that a share `q` of events did not exceed, milliseconds; `None` without events.
    pub(super) fn quantile(&self, q: f64) -> Option<usize> {
        let rank = (self.total as f64 * q).ceil().max(1.0) as u64;
        let mut below = 0;
        self.counts.iter().position(|count| {
            below += count;
            below >= rank
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_the_sorted_values() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.quantile(0.5), None);
        for millis in (1..=100).rev() {
            latencies.note(millis * 1_000 + 999);
        }
        assert_eq!(latencies.quantile(0.5), Some(50));
        assert_eq!(latencies.quantile(0.99), Some(99));
        assert_eq!(latencies.quantile(1.0), Some(100));
        latencies.note(-5);
        latencies.note(i64::MAX);
        assert_eq!((latencies.quantile(0.0), latencies.quantile(1.0)), (Some(0), Some(LONGEST)));
    }
}
