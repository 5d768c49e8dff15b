//! A bound on the bytes of all requests that are being worked on.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes that requests may hold at the same time; clones share them.
#[derive(Debug, Clone)]
pub struct Budget(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    used: AtomicUsize,
    limit: usize,
}

/// A request's part of the budget, given back when dropped.
#[derive(Debug)]
pub struct Lease {
    budget: Budget,
    held: usize,
}

impl Budget {
    /// A budget of `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self(Arc::new(Inner { used: AtomicUsize::new(0), limit }))
    }

    /// An empty lease.
    #[must_use]
    pub fn lease(&self) -> Lease {
        Lease { budget: self.clone(), held: 0 }
    }

    /// Bytes leased now.
    #[must_use]
    pub fn used(&self) -> usize {
        self.0.used.load(Ordering::Relaxed)
    }
}

impl Lease {
    /// Takes `bytes` more; `false`, and nothing taken, when that is more than the budget has left.
    #[must_use]
    pub fn grow(&mut self, bytes: usize) -> bool {
        let Inner { used, limit } = &*self.budget.0;
        let taken = used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |now| now.checked_add(bytes).filter(|next| next <= limit));
        if taken.is_ok() {
            self.held += bytes;
        }
        taken.is_ok()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.budget.0.used.fetch_sub(self.held, Ordering::Relaxed);
    }
}
