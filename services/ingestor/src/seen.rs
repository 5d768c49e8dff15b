//! Which events were taken lately: a best-effort memory in front of the validator, which decides.
//!
//! It keeps a 64-bit hash of id and body each, under keys drawn at start, in a table of fixed size (16 bytes
//! an event, whatever the ids are). What falls out is taken a second time, and the validator finds the duplicate.
//! That a hash is another's by chance would take both to collide for a false duplicate.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};

/// Places in a bucket.
const WAYS: usize = 4;

/// One cache line: the table is far larger than the caches, so a look costs one miss.
#[derive(Debug, Clone, Copy, Default)]
#[repr(align(64))]
struct Bucket([Print; WAYS]);

/// An event as it is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Print {
    id: u64,
    body: u64,
}

/// Which record of which request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(crate) request: u64,
    pub(crate) index: usize,
}

/// What is known of an event that comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing: it is reserved for the caller, who must [`Seen::settle`] it.
    New,
    /// It was taken with the same body.
    Duplicate,
    /// It was taken with another body.
    Conflict,
    /// It is under way, for this ticket.
    UnderWay { by: Ticket, same_body: bool },
}

/// Ids are keyed hashes already: what a caller chooses does not choose the place in the map.
#[derive(Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |hash, byte| hash.rotate_left(8) ^ u64::from(*byte));
    }
    fn write_u64(&mut self, id: u64) {
        self.0 = id;
    }
}

pub(crate) struct Seen {
    hasher: RandomState,
    /// The newest of a bucket first; an id of 0 is an empty place.
    buckets: Vec<Bucket>,
    under_way: HashMap<u64, (u64, Ticket), BuildHasherDefault<AsItIs>>,
}

impl Seen {
    /// A memory of `events` events, rounded up to a power of two; none at all for 0.
    pub(crate) fn new(events: usize) -> Self {
        let buckets = if events == 0 { 0 } else { events.div_ceil(WAYS).next_power_of_two() };
        Self { hasher: RandomState::new(), buckets: vec![Bucket::default(); buckets], under_way: HashMap::default() }
    }

    /// The hasher, so that prints can be taken without the memory's lock.
    pub(crate) fn hasher(&self) -> RandomState {
        self.hasher.clone()
    }

    /// Asks for an event, and reserves it if it is new.
    pub(crate) fn reserve(&mut self, print: Print, ticket: Ticket) -> Verdict {
        if let Some((body, by)) = self.under_way.get(&print.id) {
            return Verdict::UnderWay { by: *by, same_body: *body == print.body };
        }
        let bucket = self.bucket(print.id).map(|at| &self.buckets[at].0);
        match bucket.and_then(|b| b.iter().find(|p| p.id == print.id)) {
            Some(known) if known.body == print.body => Verdict::Duplicate,
            Some(_) => Verdict::Conflict,
            None => {
                self.under_way.insert(print.id, (print.body, ticket));
                Verdict::New
            }
        }
    }

    /// Ends a reservation: the event is remembered if it was `taken`, else free again.
    pub(crate) fn settle(&mut self, print: Print, taken: bool) {
        self.under_way.remove(&print.id);
        if let Some(at) = self.bucket(print.id).filter(|_| taken) {
            let bucket = &mut self.buckets[at].0;
            bucket.rotate_right(1);
            bucket[0] = print;
        }
    }

    fn bucket(&self, id: u64) -> Option<usize> {
        let last = self.buckets.len().checked_sub(1)?;
        Some(id as usize & last)
    }
}

/// The print of an event under `hasher`.
pub(crate) fn print(hasher: &RandomState, event_id: &str, body: &[u8]) -> Print {
    Print { id: hasher.hash_one(event_id).max(1), body: hasher.hash_one(body) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ticket(request: u64, index: usize) -> Ticket {
        Ticket { request, index }
    }

    #[test]
    fn remembers_what_was_taken_and_frees_what_was_not() {
        let mut seen = Seen::new(64);
        let hasher = seen.hasher();
        let (a, other) = (print(&hasher, "a", b"1"), print(&hasher, "a", b"2"));
        assert_eq!(seen.reserve(a, ticket(1, 0)), Verdict::New);
        assert_eq!(seen.reserve(a, ticket(2, 5)), Verdict::UnderWay { by: ticket(1, 0), same_body: true });
        assert_eq!(seen.reserve(other, ticket(2, 5)), Verdict::UnderWay { by: ticket(1, 0), same_body: false });
        seen.settle(a, false);
        assert_eq!(seen.reserve(other, ticket(3, 0)), Verdict::New);
        seen.settle(other, true);
        assert_eq!(seen.reserve(other, ticket(4, 0)), Verdict::Duplicate);
        assert_eq!(seen.reserve(a, ticket(4, 0)), Verdict::Conflict);
        assert!(seen.under_way.is_empty());
    }

    proptest! {
        /// Whatever it forgets, it never calls an event taken that was not.
        #[test]
        fn never_invents(events in proptest::collection::vec((0u8..60, 0u8..3, any::<bool>()), 1..400), size in 0usize..40) {
            let mut seen = Seen::new(size);
            let hasher = seen.hasher();
            let mut taken: HashMap<u8, u8> = HashMap::new();
            for (id, body, acknowledged) in events {
                let print = print(&hasher, &id.to_string(), &[body]);
                match seen.reserve(print, ticket(0, 0)) {
                    Verdict::New => {
                        seen.settle(print, acknowledged);
                        if acknowledged {
                            taken.insert(id, body);
                        }
                    }
                    Verdict::Duplicate => prop_assert_eq!(taken.get(&id), Some(&body)),
                    Verdict::Conflict => prop_assert!(taken.get(&id).is_some_and(|b| *b != body)),
                    Verdict::UnderWay { .. } => prop_assert!(false, "everything is settled"),
                }
            }
        }

        /// With room enough it forgets nothing.
        #[test]
        fn keeps_the_newest(ids in proptest::collection::hash_set(any::<u32>(), 1..200)) {
            let mut seen = Seen::new(1 << 16);
            let hasher = seen.hasher();
            let prints: Vec<Print> = ids.iter().map(|id| print(&hasher, &id.to_string(), b"")).collect();
            for p in &prints {
                prop_assert_eq!(seen.reserve(*p, ticket(0, 0)), Verdict::New);
                seen.settle(*p, true);
            }
            for p in &prints {
                prop_assert_eq!(seen.reserve(*p, ticket(0, 0)), Verdict::Duplicate);
            }
        }
    }
}
