//! Invariant 4: the online store holds the fold of what is done, and nothing else.

use super::ledger::hash;
use super::report::{Invariant, Section, Violation};
use std::collections::HashSet;
use tidemill_features::Packed;
use tidemill_online_store::{Mark, Partition, Read};

/// Compares states that were folded with states that were read.
pub(super) struct Online {
    /// Hashes of the store's keys that must be there.
    expected: HashSet<u64>,
    section: Section,
}

impl Default for Online {
    fn default() -> Self {
        Self { expected: HashSet::new(), section: Section::new(Invariant::Online) }
    }
}

impl Online {
    /// Checks that `partition`, whose task has made `commits` commits, is complete and may be served.
    pub(super) fn mark(&mut self, partition: &Partition, commits: u64, mark: Mark) {
        self.section.check(mark.complete == Some(commits) && mark.ready, || Violation {
            at: None,
            event_id: None,
            expected: format!("{partition} at commit {commits} and ready"),
            found: format!("{}, {}", commit(mark.complete), if mark.ready { "ready" } else { "not ready" }),
        });
    }

    /// Checks states of `partition` against what was read for them, in the same order.
    pub(super) fn states(&mut self, partition: &Partition, expected: &[Packed], found: &[Read]) {
        for ((key, state), read) in expected.iter().zip(found) {
            let name = partition.state_key(key);
            self.expected.insert(hash(name.as_bytes()));
            self.section.check(read.state.as_deref() == Some(state.as_slice()), || Violation {
                at: None,
                event_id: None,
                expected: format!("{name} = {}", hex(state)),
                found: read.state.as_deref().map_or_else(|| "no such key".to_owned(), hex),
            });
        }
    }

    /// Takes up the name of a state that is in the store.
    pub(super) fn stored(&mut self, name: &[u8]) {
        let expected = self.expected.contains(&hash(name));
        self.section.check(expected, || Violation {
            at: None,
            event_id: None,
            expected: "no state that no event or outcome made".into(),
            found: String::from_utf8_lossy(name).into_owned(),
        });
    }

    /// The verdict.
    #[must_use]
    pub(super) fn finish(self) -> Section {
        self.section
    }
}

fn commit(commit: Option<u64>) -> String {
    commit.map_or_else(|| "no commit".to_owned(), |c| format!("at commit {c}"))
}

/// The first bytes of a state.
fn hex(state: &[u8]) -> String {
    const SHOWN: usize = 32;
    let text: String = state.iter().take(SHOWN).map(|b| format!("{b:02x}")).collect();
    if state.len() > SHOWN { format!("{text}… ({} bytes)", state.len()) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition() -> Partition {
        Partition { pipeline: "p".into(), generation: 1, entity: "customer".into(), partition: 2 }
    }

    fn read(state: Option<&[u8]>) -> Read {
        Read { state: state.map(<[u8]>::to_vec), ready: true, commit: Some(7) }
    }

    fn violations(act: impl FnOnce(&mut Online)) -> Vec<String> {
        let mut online = Online::default();
        act(&mut online);
        online.finish().first.into_iter().map(|v| format!("{} / {}", v.expected, v.found)).collect()
    }

    #[test]
    fn a_store_that_equals_the_fold_holds() {
        let found = violations(|online| {
            online.mark(&partition(), 7, Mark { begun: Some(7), complete: Some(7), ready: true });
            online.states(&partition(), &[("a".into(), vec![1]), ("b".into(), vec![2])], &[read(Some(&[1])), read(Some(&[2]))]);
            online.stored(partition().state_key("b").as_bytes());
            online.stored(partition().state_key("a").as_bytes());
        });
        assert!(found.is_empty(), "{found:?}");
    }

    #[test]
    fn a_watermark_that_lags_or_leads_or_is_not_ready_is_seen() {
        for mark in [
            Mark { begun: Some(7), complete: Some(6), ready: true },
            Mark { begun: Some(8), complete: Some(8), ready: true },
            Mark { begun: Some(7), complete: Some(7), ready: false },
            Mark::default(),
        ] {
            assert_eq!(violations(|online| online.mark(&partition(), 7, mark)).len(), 1, "{mark:?}");
        }
    }

    #[test]
    fn a_missing_a_different_and_a_foreign_state_are_seen() {
        let found = violations(|online| {
            online.states(&partition(), &[("a".into(), vec![1]), ("b".into(), vec![2])], &[read(None), read(Some(&[3]))]);
            online.stored(b"tm:{p:1:customer:3}:k:a");
        });
        assert_eq!(
            found,
            [
                "tm:{p:1:customer:2}:k:a = 01 / no such key",
                "tm:{p:1:customer:2}:k:b = 02 / 03",
                "no state that no event or outcome made / tm:{p:1:customer:3}:k:a"
            ]
        );
    }
}
