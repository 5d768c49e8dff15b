//! The states of all keys of one hop at one input partition, under the transactions of its task.

use crate::{Change, Hop, KeyState, Place};
use compact_str::CompactString;
use hashbrown::{DefaultHashBuilder, HashTable};
use std::hash::BuildHasher;
use std::sync::Arc;
use tidemill_events::{Event, Outcome, Value};

/// A key and its packed state, for the online store.
pub type Packed = (CompactString, Vec<u8>);

/// Window state of one partition.
///
/// Changes since the last [`HopState::commit`] are seen by reads and kept in an undo log: an append is
/// undone by a pop, so an uncommitted event costs a few nanoseconds. (Copying each touched key's state into an overlay on
/// first touch was measured beside it and cost more; see `examples/window_bench.rs`.)
#[derive(Debug)]
pub struct HopState {
    hop: Arc<Hop>,
    /// Indices into `slots`. Keys come from outside, hence a seeded hash (foldhash), not a bare multiplication.
    index: HashTable<u32>,
    hasher: DefaultHashBuilder,
    slots: Vec<Slot>,
    /// Uncommitted changes, oldest first.
    log: Vec<Undo>,
    /// Committed keys not yet handed to the online store.
    touched: Vec<u32>,
    empty: KeyState,
}

#[derive(Debug)]
struct Slot {
    key: CompactString,
    state: KeyState,
    /// Whether it is in `touched`.
    touched: bool,
}

#[derive(Debug)]
struct Undo {
    slot: u32,
    /// The change made the slot.
    created: bool,
    change: Change,
}

impl HopState {
    /// State without events and outcomes.
    #[must_use]
    pub fn new(hop: Arc<Hop>) -> Self {
        let empty = KeyState::new(&hop);
        Self {
            hop,
            index: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            slots: Vec::new(),
            log: Vec::new(),
            touched: Vec::new(),
            empty,
        }
    }

    /// The hop.
    #[must_use]
    pub fn hop(&self) -> &Arc<Hop> {
        &self.hop
    }

    /// Keys that have a state.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether no key has a state.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// The state of `key`, uncommitted changes included.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&KeyState> {
        self.find(self.hasher.hash_one(key), key).map(|slot| &self.slots[slot as usize].state)
    }

    /// Folds `event` and appends its features, itself included, to `out`. The change lasts from
    /// [`HopState::commit`] on. Returns how many column values and features are null for being errors,
    /// null, NaN or out of range.
    ///
    /// An event without this hop's key changes nothing and gets the features of an empty state.
    pub fn process(&mut self, event: &Event, out: &mut Vec<Value>) -> u64 {
        let key = self.hop.key(event);
        if key.is_empty() {
            return self.empty.read(&self.hop, event.event_time, out);
        }
        let (slot, created) = self.slot_of(key);
        let (change, nulls) = self.fold(slot, event);
        self.log.push(Undo { slot, created, change });
        nulls + self.slots[slot as usize].state.read(&self.hop, event.event_time, out)
    }

    /// Folds `outcome`; the change lasts from [`HopState::commit`] on. Returns 1 if its label is no number,
    /// which makes it null.
    ///
    /// Nothing changes where no feature looks at labels, or the outcome lacks this hop's key.
    pub fn process_outcome(&mut self, outcome: &Outcome) -> u64 {
        let key = self.hop.outcome_key(outcome);
        if key.is_empty() {
            return 0;
        }
        let (slot, created) = self.slot_of(key);
        let (change, nulls) = self.fold_outcome(slot, outcome);
        self.log.push(Undo { slot, created, change });
        nulls
    }

    /// Folds an event that is done, without features and without a transaction.
    pub fn restore(&mut self, event: &Event) {
        let key = self.hop.key(event);
        if !key.is_empty() {
            let (slot, _) = self.slot_of(key);
            self.fold(slot, event);
            self.slots[slot as usize].state.compact();
        }
    }

    /// Folds an outcome that is done, without a transaction.
    pub fn restore_outcome(&mut self, outcome: &Outcome) {
        let key = self.hop.outcome_key(outcome);
        if !key.is_empty() {
            let (slot, _) = self.slot_of(key);
            self.fold_outcome(slot, outcome);
            self.slots[slot as usize].state.compact();
        }
    }

    /// Makes all changes last and remembers their keys for [`HopState::pack_touched`].
    pub fn commit(&mut self) {
        for undo in self.log.drain(..) {
            let slot = &mut self.slots[undo.slot as usize];
            if !slot.touched {
                slot.touched = true;
                self.touched.push(undo.slot);
            }
            slot.state.compact();
        }
    }

    /// Takes all changes since the last commit back.
    pub fn abort(&mut self) {
        while let Some(undo) = self.log.pop() {
            if undo.created {
                let hash = self.hasher.hash_one(self.slots[undo.slot as usize].key.as_str());
                if let Ok(entry) = self.index.find_entry(hash, |slot| *slot == undo.slot) {
                    entry.remove();
                }
                // slots are made in log order, so the one to take back is the last
                self.slots.pop();
            } else {
                self.slots[undo.slot as usize].state.undo(undo.change);
            }
        }
    }

    /// About `bytes` bytes of the committed keys touched since they were last handed over, packed, and
    /// whether there are more; `None` while changes are uncommitted.
    pub fn pack_touched(&mut self, bytes: usize) -> Option<(Vec<Packed>, bool)> {
        if !self.log.is_empty() {
            return None;
        }
        let (mut part, mut packed) = (Vec::new(), 0);
        while packed < bytes
            && let Some(slot) = self.touched.pop()
        {
            self.slots[slot as usize].touched = false;
            part.push(self.pack(slot as usize));
            packed += part.last().map_or(0, |(key, state)| key.len() + state.len());
        }
        Some((part, !self.touched.is_empty()))
    }

    /// A part of all keys, packed, for a rebuild of the online store: from position `from` (0 first) on,
    /// about `bytes` of them, and the position to go on from. The last part (no position) holds the keys
    /// touched meanwhile too. `None` while changes are uncommitted.
    pub fn pack_from(&mut self, from: usize, bytes: usize) -> Option<(Vec<Packed>, Option<usize>)> {
        if !self.log.is_empty() {
            return None;
        }
        let (mut part, mut packed, mut next) = (Vec::new(), 0, from);
        while next < self.slots.len() && packed < bytes {
            part.push(self.pack(next));
            packed += part.last().map_or(0, |(key, state)| key.len() + state.len());
            next += 1;
        }
        if next < self.slots.len() {
            return Some((part, Some(next)));
        }
        let again = self.take_touched().into_iter().filter(|slot| *slot < from);
        part.extend(again.map(|slot| self.pack(slot)));
        Some((part, None))
    }

    fn take_touched(&mut self) -> Vec<usize> {
        for slot in &self.touched {
            self.slots[*slot as usize].touched = false;
        }
        self.touched.drain(..).map(|slot| slot as usize).collect()
    }

    fn pack(&self, slot: usize) -> Packed {
        let slot = &self.slots[slot];
        let mut bytes = Vec::with_capacity(32 + slot.state.len() * 12);
        slot.state.pack(&self.hop, &mut bytes);
        (slot.key.clone(), bytes)
    }

    fn find(&self, hash: u64, key: &str) -> Option<u32> {
        self.index.find(hash, |slot| self.slots[*slot as usize].key == key).copied()
    }

    /// The slot of `key`, and whether it is new.
    fn slot_of(&mut self, key: &str) -> (u32, bool) {
        let hash = self.hasher.hash_one(key);
        if let Some(slot) = self.find(hash, key) {
            return (slot, false);
        }
        let slot = self.slots.len() as u32;
        self.slots.push(Slot { key: key.into(), state: self.empty.clone(), touched: false });
        let (hasher, slots) = (&self.hasher, &self.slots);
        self.index.insert_unique(hash, slot, |slot| hasher.hash_one(slots[*slot as usize].key.as_str()));
        (slot, true)
    }

    fn fold(&mut self, slot: u32, event: &Event) -> (Change, u64) {
        let mut nulls = 0;
        let cells = self.hop.cells(event, &mut nulls);
        let place = Place { event_time: event.event_time, partition: event.source.partition, offset: event.source.offset };
        let change = self.slots[slot as usize].state.insert(&self.hop, place, event.merge_time, &cells);
        (change, nulls)
    }

    fn fold_outcome(&mut self, slot: u32, outcome: &Outcome) -> (Change, u64) {
        let mut nulls = 0;
        let label = self.hop.label(outcome, &mut nulls);
        let place = Place { event_time: outcome.event_time, partition: outcome.source.partition, offset: outcome.source.offset };
        let change = self.slots[slot as usize].state.insert_outcome(&self.hop, place, outcome.merge_time, label);
        (change, nulls)
    }
}
