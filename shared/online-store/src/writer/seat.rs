//! Where owner and writing task meet: the task says what it wants, the owner takes that and hands it over.

use crate::Entry;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What the task wants from the owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Want {
    /// Touched keys; `more` of an update that is under way.
    Touched { more: bool },
    /// A part of all keys.
    All { from: usize },
}

/// What the owner hands over.
#[derive(Debug)]
pub(super) enum Handed {
    /// Touched keys; `more` are to come.
    Touched { commit: u64, entries: Vec<Entry>, more: bool },
    /// A part of all keys, and where the next one starts.
    Part { commit: u64, entries: Vec<Entry>, from: usize, next: Option<usize> },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    /// The task is at work, or the owner is about to hand over.
    #[default]
    Busy,
    Open(Want),
    Closed,
}

/// Holds at most one want.
#[derive(Debug, Default)]
pub(super) struct Seat {
    state: Mutex<State>,
}

impl Seat {
    /// Says what is wanted.
    pub(super) fn open(&self, want: Want) {
        *self.lock() = State::Open(want);
    }

    /// Says that nothing will be wanted any more.
    pub(super) fn close(&self) {
        *self.lock() = State::Closed;
    }

    pub(super) fn is_closed(&self) -> bool {
        *self.lock() == State::Closed
    }

    /// Takes what is wanted, if `due` says so.
    pub(super) fn take(&self, due: impl FnOnce(Want) -> bool) -> Option<Want> {
        let mut state = self.lock();
        match *state {
            State::Open(want) if due(want) => {
                *state = State::Busy;
                Some(want)
            }
            _ => None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
