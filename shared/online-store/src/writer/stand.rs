//! How the store stands to the owner, and what follows from what was found: pure, the task does the waiting.

use super::seat::{Handed, Want};
use crate::{Batch, End, Mark, Start};

/// How the store stands to the owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stand {
    /// It holds what was handed over, up to commit `after`; `more` of an update is to come.
    Following { after: u64, more: bool },
    /// Everything is being written; the next part is from position `from`.
    Rebuilding { from: usize, start: Start },
    /// Another owner has begun this higher commit.
    Stale { begun: u64 },
}

impl Stand {
    /// For a new owner whose state is that of `commit`.
    pub(super) fn at_first(mark: Mark, commit: u64) -> Self {
        match mark {
            Mark { begun: Some(begun), .. } if begun > commit => Stand::Stale { begun },
            Mark { begun, complete, ready: true } if begun == Some(commit) && complete == begun => {
                Stand::Following { after: commit, more: false }
            }
            // what the owner before left behind is old, and right as of its watermark
            Mark { complete, ready, .. } => Stand::Rebuilding { from: 0, start: Start::Afresh { serve: ready && complete.is_some() } },
        }
    }

    /// When `found` was begun last, where `expected` should have been. Below it, or nothing: what was
    /// there is lost. Above it: an owner before this one was still writing.
    pub(super) fn unexpected(expected: u64, found: Option<u64>) -> Self {
        Stand::Rebuilding { from: 0, start: Start::Afresh { serve: found > Some(expected) } }
    }

    /// What the owner is asked for; nothing once stale.
    pub(super) fn wants(self) -> Option<Want> {
        match self {
            Stand::Following { more, .. } => Some(Want::Touched { more }),
            Stand::Rebuilding { from, .. } => Some(Want::All { from }),
            Stand::Stale { .. } => None,
        }
    }

    /// The batch to write for what was handed over, and the stand once it is applied; `None` if that is
    /// not what was wanted.
    pub(super) fn batch(self, handed: Handed) -> Option<(Batch, Stand)> {
        match (self, handed) {
            (Stand::Following { after, .. }, Handed::Touched { commit, entries, more }) => {
                let end = if more { End::More } else { End::Complete };
                Some((Batch { commit, start: Start::After(after), end, entries }, Stand::Following { after: commit, more }))
            }
            (Stand::Rebuilding { from: wanted, start }, Handed::Part { commit, entries, from, next }) if from == wanted => {
                let (end, then) = match next {
                    Some(from) => (End::More, Stand::Rebuilding { from, start: Start::After(commit) }),
                    None => (End::Ready, Stand::Following { after: commit, more: false }),
                };
                Some((Batch { commit, start, end, entries }, then))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: Mark = Mark { begun: Some(7), complete: Some(7), ready: true };

    #[test]
    fn a_new_owner_goes_on_only_from_exactly_its_commit() {
        assert_eq!(Stand::at_first(OLD, 7), Stand::Following { after: 7, more: false });
        assert_eq!(Stand::at_first(OLD, 6), Stand::Stale { begun: 7 });
        for (mark, commit, serve) in [
            (Mark::default(), 0, false),
            (OLD, 8, true),
            (Mark { ready: false, ..OLD }, 7, false),
            (Mark { begun: Some(8), ..OLD }, 8, true),
            (Mark { complete: None, ..OLD }, 7, false),
        ] {
            assert_eq!(Stand::at_first(mark, commit), Stand::Rebuilding { from: 0, start: Start::Afresh { serve } }, "{mark:?}");
        }
    }

    #[test]
    fn what_is_lost_is_not_served() {
        for (found, serve) in [(None, false), (Some(6), false), (Some(8), true)] {
            assert_eq!(Stand::unexpected(7, found), Stand::Rebuilding { from: 0, start: Start::Afresh { serve } });
        }
    }

    #[test]
    fn a_rebuild_ends_with_the_part_that_has_no_next() {
        let stand = Stand::unexpected(7, None);
        let part = |from, next| Handed::Part { commit: 9, entries: Vec::new(), from, next };
        let (batch, stand) = stand.batch(part(0, Some(40))).unwrap();
        assert_eq!((batch.start, batch.end), (Start::Afresh { serve: false }, End::More));
        assert_eq!(stand.wants(), Some(Want::All { from: 40 }));
        assert_eq!(stand.batch(part(0, None)), None, "not the part that was asked for");
        let (batch, stand) = stand.batch(part(40, None)).unwrap();
        assert_eq!((batch.start, batch.end), (Start::After(9), End::Ready));
        assert_eq!(stand, Stand::Following { after: 9, more: false });
    }
}
