//! What waits in a join: in memory, and on disk when the process has no more room. Changes are undone on abort.
//!
//! The disk only changes between transactions, so an abort never touches it. What is in memory is newer than what is on
//! disk, and may say that there is nothing any more.

use super::disk::{Due, Error, Queue, Room, Shelf};
use super::entry::{Entry, IdHash};
use hashbrown::HashMap;
use std::collections::BTreeSet;
use std::sync::Arc;

/// How many of a queue are read from disk at once.
const REFILL: usize = 4_096;

/// What memory says of an id; the disk is not asked then.
type Slot = Option<Entry>;

/// A change, to be taken back.
enum Undo {
    /// What memory said of an id before; `None`: nothing.
    Slot(IdHash, Option<Slot>),
    /// It was taken off a queue.
    Taken(Queue, Due),
}

pub(super) struct Entries {
    slots: HashMap<IdHash, Slot>,
    /// May name what is no longer there.
    queues: [BTreeSet<Due>; Queue::COUNT],
    /// Empty between transactions.
    log: Vec<Undo>,
    /// Nothing is undone of a restore.
    undoable: bool,
    /// Bytes of `slots` and `queues`, about; and what the room was told of them.
    size: usize,
    charged: usize,
    /// Labels in `slots`.
    labels: usize,
    room: Arc<Room>,
    shelf: Option<Shelf>,
}

impl Entries {
    pub(super) fn new(room: Arc<Room>) -> Self {
        let (slots, queues, log) = (HashMap::new(), Default::default(), Vec::new());
        Self { slots, queues, log, undoable: false, size: 0, charged: 0, labels: 0, room, shelf: None }
    }

    /// From now on changes can be undone.
    pub(super) fn begin(&mut self) {
        self.undoable = true;
    }

    pub(super) fn is_undoable(&self) -> bool {
        self.undoable
    }

    /// How many labels wait in memory.
    pub(super) fn labels(&self) -> usize {
        self.labels
    }

    pub(super) fn get(&self, id: IdHash) -> Result<Option<Entry>, Error> {
        match (self.slots.get(&id), &self.shelf) {
            (Some(slot), _) => Ok(slot.clone()),
            (None, Some(shelf)) => shelf.get(id),
            (None, None) => Ok(None),
        }
    }

    pub(super) fn set(&mut self, id: IdHash, entry: Entry) {
        self.put(id, Some(Some(entry)));
    }

    pub(super) fn remove(&mut self, id: IdHash) {
        // where nothing is on disk, nothing has to be hidden
        let slot = self.shelf.as_ref().map(|_| None);
        self.put(id, slot);
    }

    /// Waits in `queue` until its time.
    pub(super) fn wait(&mut self, queue: Queue, due: Due) {
        self.queues[queue as usize].insert(due);
    }

    /// The first of `queue`, if its time is before `time`.
    pub(super) fn take(&mut self, queue: Queue, time: i64) -> Result<Option<Due>, Error> {
        let on_disk = self.shelf.as_ref().and_then(|shelf| shelf.first(queue)).filter(|due| due.0 < time);
        if let (Some(shelf), Some(on_disk)) = (&mut self.shelf, on_disk)
            && self.queues[queue as usize].first().is_none_or(|first| on_disk < *first)
        {
            self.queues[queue as usize].extend(shelf.take(queue, time, REFILL)?);
        }
        let waiting = &mut self.queues[queue as usize];
        if waiting.first().is_none_or(|first| first.0 >= time) {
            return Ok(None);
        }
        let taken = waiting.pop_first();
        if let (Some(due), true) = (taken, self.undoable) {
            self.log.push(Undo::Taken(queue, due));
        }
        Ok(taken)
    }

    /// The first time in `queue`.
    pub(super) fn first(&self, queue: Queue) -> Option<i64> {
        let on_disk = self.shelf.as_ref().and_then(|shelf| shelf.first(queue));
        [on_disk.as_ref(), self.queues[queue as usize].first()].into_iter().flatten().map(|due| due.0).min()
    }

    /// Whether anything of `queue` has a time before `time`.
    pub(super) fn is_due(&self, queue: Queue, time: i64) -> bool {
        self.first(queue).is_some_and(|first| first < time)
    }

    pub(super) fn commit(&mut self) {
        self.log.clear();
    }

    pub(super) fn abort(&mut self) {
        while let Some(undo) = self.log.pop() {
            match undo {
                Undo::Slot(id, before) => {
                    self.swap(id, before);
                }
                Undo::Taken(queue, due) => {
                    self.queues[queue as usize].insert(due);
                }
            }
        }
    }

    /// Puts all on disk if the process is short of memory. Does nothing within a transaction.
    pub(super) fn make_room(&mut self) -> Result<(), Error> {
        if !self.log.is_empty() {
            return Ok(());
        }
        self.charge();
        if !self.room.is_short(self.size) {
            return Ok(());
        }
        let shelf = match &mut self.shelf {
            Some(shelf) => shelf,
            None => self.shelf.insert(self.room.shelf()?),
        };
        let mut slots: Vec<(IdHash, Slot)> = self.slots.iter().map(|(id, slot)| (*id, slot.clone())).collect();
        slots.sort_unstable_by_key(|(id, _)| *id);
        let waiting = Queue::ALL.into_iter().flat_map(|queue| self.queues[queue as usize].iter().map(move |due| (queue, *due)));
        let (down, stays): (Vec<_>, Vec<_>) = waiting.partition(|(queue, due)| shelf.takes(*queue, *due));
        shelf.put(slots, down)?;
        self.slots = HashMap::new();
        self.queues = Default::default();
        for (queue, due) in stays {
            self.wait(queue, due);
        }
        (self.size, self.labels) = (0, 0);
        self.charge();
        Ok(())
    }

    fn charge(&mut self) {
        self.room.charge(self.charged, self.size);
        self.charged = self.size;
    }

    fn put(&mut self, id: IdHash, slot: Option<Slot>) {
        let before = self.swap(id, slot);
        if self.undoable {
            self.log.push(Undo::Slot(id, before));
        }
    }

    fn swap(&mut self, id: IdHash, slot: Option<Slot>) -> Option<Slot> {
        let size = |slot: &Option<Slot>| slot.as_ref().map_or(0, |slot| slot.as_ref().map_or(size_of::<(IdHash, Slot)>(), Entry::size));
        let now = size(&slot);
        let before = match slot {
            Some(slot) => self.slots.insert(id, slot),
            None => self.slots.remove(&id),
        };
        self.size = (self.size + now).saturating_sub(size(&before));
        let labels = |slot: Option<&Slot>| usize::from(matches!(slot, Some(Some(Entry::Held(_)))));
        self.labels = (self.labels + labels(self.slots.get(&id))).saturating_sub(labels(before.as_ref()));
        before
    }
}

impl Drop for Entries {
    fn drop(&mut self) {
        self.room.charge(self.charged, 0);
    }
}

#[cfg(test)]
impl Entries {
    /// What memory has.
    pub(super) fn in_memory(&self) -> impl Iterator<Item = &Entry> {
        self.slots.values().flatten()
    }

    /// Bytes in memory, as it believes, and on disk.
    pub(super) fn costs(&self) -> (usize, usize) {
        (self.size, self.shelf.as_ref().map_or(0, Shelf::size))
    }

    /// Whether anything is on disk.
    pub(super) fn has_shelf(&self) -> bool {
        self.shelf.is_some()
    }
}
