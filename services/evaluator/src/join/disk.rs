//! Where a join puts what memory has no room for: a scratch database of the process, gone with it. Kafka has it all; what
//! lies here is only nearer.
//!
//! A log-structured tree, as ids are hashes: what leaves memory is written as one sorted run, and an id that was never seen
//! is told by a Bloom filter, without a read.

use super::entry::{Entry, IdHash, Models};
use fjall::{Database, Keyspace, KeyspaceCreateOptions};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// What waits for a time to go by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Queue {
    /// Event time of what was predicted, to be forgotten as labels go by.
    Predicted,
    /// The same of what may get the default label.
    Unlabelled,
    /// Label time of what is held.
    Held,
    /// Label time of what has met and comes after default labels.
    Met,
}

impl Queue {
    pub(super) const ALL: [Queue; Queue::COUNT] = [Queue::Predicted, Queue::Unlabelled, Queue::Held, Queue::Met];
    pub(super) const COUNT: usize = 4;
}

/// A time and whose it is.
pub(super) type Due = (i64, IdHash);

/// The memory of all joins of the process together, and the folder for what is beyond.
pub struct Room {
    limit: usize,
    /// What a join keeps in memory in any case.
    least: usize,
    used: AtomicUsize,
    folder: PathBuf,
    database: Mutex<Option<Database>>,
    shelves: AtomicU64,
}

/// Blocks of the database that are kept in memory, bytes.
const CACHE: u64 = 32 << 20;
/// The least the database takes. Only what is taken off a queue goes through its journal.
const JOURNAL: u64 = 64 << 20;
/// Bytes a join keeps in memory in any case: less is no run worth writing.
const LEAST: usize = 1 << 20;

impl Room {
    /// Room for `limit` bytes in memory; beyond that in `folder`, which is emptied first.
    ///
    /// # Errors
    /// When the folder cannot be emptied.
    pub fn new(limit: usize, folder: &Path) -> std::io::Result<Self> {
        match std::fs::remove_dir_all(folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let (used, database, shelves) = (AtomicUsize::new(0), Mutex::new(None), AtomicU64::new(0));
        Ok(Self { limit, least: LEAST.min(limit), used, folder: folder.into(), database, shelves })
    }

    /// Whether a join that has `own` bytes must give them up.
    pub(super) fn is_short(&self, own: usize) -> bool {
        own > self.least && self.used.load(Ordering::Relaxed) > self.limit
    }

    pub(super) fn charge(&self, before: usize, now: usize) {
        if now >= before {
            self.used.fetch_add(now - before, Ordering::Relaxed);
        } else {
            self.used.fetch_sub(before - now, Ordering::Relaxed);
        }
    }

    /// A shelf of its own for a join.
    pub(super) fn shelf(&self) -> Result<Shelf, Error> {
        let mut database = self.database.lock().unwrap_or_else(PoisonError::into_inner);
        let database = match &*database {
            Some(database) => database.clone(),
            None => {
                let made = Database::builder(&self.folder).temporary(true).cache_size(CACHE).max_journaling_size(JOURNAL).worker_threads(1);
                database.insert(made.open()?).clone()
            }
        };
        let number = self.shelves.fetch_add(1, Ordering::Relaxed);
        let keyspace = |what| database.keyspace(&format!("{what}-{number}"), KeyspaceCreateOptions::default);
        let (entries, times) = (keyspace("entries")?, keyspace("times")?);
        Ok(Shelf { entries, times, database, models: Models::default(), cursors: [None; Queue::COUNT], next: [None; Queue::COUNT] })
    }
}

/// What one join has on disk.
pub(super) struct Shelf {
    entries: Keyspace,
    times: Keyspace,
    database: Database,
    models: Models,
    /// The last of each queue that was taken.
    cursors: [Option<Due>; Queue::COUNT],
    /// The first of each that was not.
    next: [Option<Due>; Queue::COUNT],
}

/// Why the disk failed.
#[derive(Debug, thiserror::Error)]
#[error("the evaluator's scratch database: {0}")]
pub(crate) struct Error(String);

impl From<fjall::Error> for Error {
    fn from(error: fjall::Error) -> Self {
        Self(error.to_string())
    }
}

impl From<postcard::Error> for Error {
    fn from(error: postcard::Error) -> Self {
        Self(error.to_string())
    }
}

fn key(queue: Queue, (time, id): Due) -> [u8; 25] {
    let mut key = [queue as u8; 25];
    // in the order of times
    key[1..9].copy_from_slice(&(time.cast_unsigned() ^ (1 << 63)).to_be_bytes());
    key[9..].copy_from_slice(&id.to_bytes());
    key
}

fn due(key: &[u8]) -> Option<Due> {
    let (time, id) = key.get(1..)?.split_first_chunk()?;
    Some(((u64::from_be_bytes(*time) ^ (1 << 63)).cast_signed(), IdHash::from_bytes(id.try_into().ok()?)))
}

impl Shelf {
    pub(super) fn get(&self, id: IdHash) -> Result<Option<Entry>, Error> {
        let found = self.entries.get(id.to_bytes())?;
        Ok(found.map(|bytes| Entry::decode(&bytes, &self.models)).transpose()?)
    }

    /// Whether `due` of a queue is put where it will be found: not behind what was taken.
    pub(super) fn takes(&self, queue: Queue, due: Due) -> bool {
        self.cursors[queue as usize].is_none_or(|cursor| due > cursor)
    }

    /// Puts down entries, or that there is none any more, and what waits; both sorted, the latter by queue first.
    pub(super) fn put(
        &mut self,
        entries: impl IntoIterator<Item = (IdHash, Option<Entry>)>,
        waiting: impl IntoIterator<Item = (Queue, Due)>,
    ) -> Result<(), Error> {
        let mut run = self.entries.start_ingestion()?;
        for (id, entry) in entries {
            match entry {
                Some(entry) => run.write(id.to_bytes(), entry.encode(&mut self.models)?)?,
                None => run.write_tombstone(id.to_bytes())?,
            }
        }
        run.finish()?;
        let mut run = self.times.start_ingestion()?;
        for (queue, due) in waiting {
            run.write(key(queue, due), [])?;
            let next = &mut self.next[queue as usize];
            *next = Some(next.map_or(due, |next| next.min(due)));
        }
        Ok(run.finish()?)
    }

    /// The first of a queue.
    pub(super) fn first(&self, queue: Queue) -> Option<Due> {
        self.next[queue as usize]
    }

    /// Takes the first of a queue that are due before `time`, at most `count`.
    pub(super) fn take(&mut self, queue: Queue, time: i64, count: usize) -> Result<Vec<Due>, Error> {
        let mut taken = Vec::new();
        let Some(first) = self.next[queue as usize] else { return Ok(taken) };
        let end = [queue as u8 + 1];
        let mut next = None;
        for guard in self.times.range::<&[u8], _>(&key(queue, first)[..]..&end[..]) {
            let Some(due) = due(&guard.key()?) else { continue };
            if due.0 >= time || taken.len() == count {
                next = Some(due);
                break;
            }
            taken.push(due);
        }
        for due in &taken {
            self.times.remove(key(queue, *due))?;
        }
        self.next[queue as usize] = next;
        self.cursors[queue as usize] = taken.last().copied().or(self.cursors[queue as usize]);
        Ok(taken)
    }
}

#[cfg(test)]
impl Shelf {
    /// Bytes on disk.
    pub(super) fn size(&self) -> usize {
        (self.entries.disk_space() + self.times.disk_space()) as usize
    }
}

impl Drop for Shelf {
    fn drop(&mut self) {
        for keyspace in [&self.entries, &self.times] {
            if let Err(error) = self.database.delete_keyspace(keyspace.clone()) {
                tracing::warn!(%error, "cannot delete what a join had on disk; it goes when the evaluator ends");
            }
        }
    }
}
