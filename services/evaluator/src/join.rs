//! The join of labels to predictions at one partition: pure, and undone on abort.
//!
//! A label waits for its prediction as long as the pipeline's horizon, a prediction for its label as long as two. Which
//! of both comes first does not matter. Time is event time: predictions are forgotten as label times go by, labels as the
//! predictions' times do, so a topic that is read ahead of the other loses nothing. Only labels that become outcomes move
//! the clock of labels: anybody may write one of no event, at any time.
//!
//! Where the pipeline has a default label, a prediction gets it when the labels have gone by its horizon; what comes of
//! its label after that is late. A label that lets others go by waits until those have their default: outcomes are told in
//! the order in which they became known, as far as they are known at all, because who reads them takes a label time for
//! all that was before it.

mod disk;
mod entries;
mod entry;

use crate::lanes::{Lanes, Passing};
use compact_str::CompactString;
use disk::Queue;
use entries::Entries;
use entry::{Entry, IdHash};
use std::sync::Arc;

pub(crate) use disk::Error;
pub use disk::Room;
pub(crate) use entry::{Awaiting, Label};

/// Why a label does not become an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The event has this label already.
    Duplicate,
    /// The event has another label.
    Conflict,
    /// It became known later than the horizon after its event.
    Late,
    /// The event has the default label already.
    Defaulted,
    /// No prediction came within the horizon.
    UnknownEvent,
}

/// What becomes of a label, or of a prediction without one, now.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Fate {
    /// It meets its prediction.
    Joined(Arc<Awaiting>, Arc<Label>),
    /// It is not taken.
    Refused(Refusal, Arc<Label>),
    /// The prediction gets the default label.
    Defaulted(Arc<Awaiting>),
}

/// How far both topics have come.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Clocks {
    predictions: Lanes,
    /// Largest label time of what was joined, microseconds since 1970.
    labels: i64,
}

/// The join.
pub(crate) struct Join {
    horizon: i64,
    /// How far label times go by an event before it gets the default label; `None`: it gets none.
    patience: Option<i64>,
    entries: Entries,
    clocks: Clocks,
    committed: Clocks,
    labels_ahead: bool,
}

/// Labels in memory that wait for their predictions are too many from the first number on until there are as few as the
/// second: at full speed a label takes the short way and its event the long one.
const TOO_MANY_LABELS: usize = 16_384;
const FEW_LABELS: usize = 4_096;

impl Join {
    /// Without anything, for labels that count `horizon` microseconds after their event. With `slack` events get a
    /// default label when label times have gone by the horizon and the slack.
    pub(crate) fn new(horizon: i64, slack: Option<i64>, room: Arc<Room>) -> Self {
        let clocks = Clocks { predictions: Lanes::default(), labels: i64::MIN };
        let patience = slack.map(|slack| horizon.saturating_add(slack));
        Self { horizon, patience, entries: Entries::new(room), committed: clocks.clone(), clocks, labels_ahead: false }
    }

    /// Whether so many labels wait that no more should be read before their predictions.
    pub(crate) fn labels_are_ahead(&mut self) -> bool {
        self.labels_ahead = self.entries.labels() > if self.labels_ahead { FEW_LABELS } else { TOO_MANY_LABELS };
        self.labels_ahead
    }

    /// Moves what waits to disk if the process is short of memory. To be called before each record.
    pub(crate) fn make_room(&mut self) -> Result<(), Error> {
        self.entries.make_room()
    }

    /// A prediction was made; its label may be here already. An id that is predicted again, after `source.dedupe`,
    /// keeps its first prediction.
    pub(crate) fn predicted(&mut self, prediction: Awaiting, passing: Passing) -> Result<Option<Fate>, Error> {
        self.clocks.predictions.pass(passing, prediction.event_time);
        let (id, prediction) = (IdHash::from(&prediction.event_id), Arc::new(prediction));
        Ok(match self.entries.get(id)? {
            None => {
                self.set(id, Entry::Predicted(prediction));
                None
            }
            Some(Entry::Held(label)) if self.is_late(&label, prediction.event_time) => {
                self.set(id, Entry::Predicted(prediction));
                Some(Fate::Refused(Refusal::Late, label))
            }
            Some(Entry::Held(label)) => {
                self.entries.wait(Queue::Predicted, (prediction.event_time, id));
                self.meet(id, prediction, label)
            }
            Some(Entry::Predicted(_) | Entry::Met(..) | Entry::Joined { .. } | Entry::Defaulted { .. }) => None,
        })
    }

    /// A label came. `None`: it waits for its prediction, or for the default labels that come before it.
    pub(crate) fn labelled(&mut self, label: Label) -> Result<Option<Fate>, Error> {
        let (id, label) = (IdHash::from(&label.event_id), Arc::new(label));
        let again = |known: f64| if known.total_cmp(&label.label).is_eq() { Refusal::Duplicate } else { Refusal::Conflict };
        let refusal = match self.entries.get(id)? {
            None => {
                self.set(id, Entry::Held(label));
                return Ok(None);
            }
            Some(Entry::Held(known) | Entry::Met(_, known)) => again(known.label),
            Some(Entry::Joined { label: known, .. }) => again(known),
            Some(Entry::Defaulted { event_time }) if self.is_late(&label, event_time) => Refusal::Late,
            Some(Entry::Defaulted { .. }) => Refusal::Defaulted,
            Some(Entry::Predicted(prediction)) if self.is_late(&label, prediction.event_time) => Refusal::Late,
            // it waits for being forgotten already
            Some(Entry::Predicted(prediction)) => return Ok(self.meet(id, prediction, label)),
        };
        Ok(Some(Fate::Refused(refusal, label)))
    }

    /// Both are there. `None`: others were known before, and are told first.
    fn meet(&mut self, id: IdHash, prediction: Arc<Awaiting>, label: Arc<Label>) -> Option<Fate> {
        let known = label.label_time;
        let unlabelled = self.patience.map(|patience| known.saturating_sub(patience));
        let waits = unlabelled.is_some_and(|before| self.entries.is_due(Queue::Unlabelled, before));
        if waits || self.entries.is_due(Queue::Met, known.saturating_add(1)) {
            self.wait_in_turn(id, prediction, label);
            return None;
        }
        self.clocks.labels = self.clocks.labels.max(known);
        self.entries.set(id, Entry::Joined { label: label.label, event_time: prediction.event_time });
        Some(Fate::Joined(prediction, label))
    }

    fn wait_in_turn(&mut self, id: IdHash, prediction: Arc<Awaiting>, label: Arc<Label>) {
        self.clocks.labels = self.clocks.labels.max(label.label_time);
        self.set(id, Entry::Met(prediction, label));
    }

    /// What the clocks have brought about: an outcome by the default label or one that waited for those, a label whose
    /// prediction never came. Forgets what has waited long enough. To be asked until there is none.
    pub(crate) fn due(&mut self) -> Result<Option<Fate>, Error> {
        if let Some(fate) = self.in_turn()? {
            return Ok(Some(fate));
        }
        self.forget()?;
        let before = self.clocks.predictions.reached().saturating_sub(self.horizon);
        while let Some((label_time, id)) = self.entries.take(Queue::Held, before)? {
            if let Some(Entry::Held(label)) = self.entries.get(id)?
                && label.label_time == label_time
            {
                self.entries.remove(id);
                return Ok(Some(Fate::Refused(Refusal::UnknownEvent, label)));
            }
        }
        Ok(None)
    }

    /// The next outcome: of a label and what gets the default before it, in the order in which they are known.
    fn in_turn(&mut self) -> Result<Option<Fate>, Error> {
        loop {
            let next = self.entries.first(Queue::Met).unwrap_or(i64::MAX);
            if let Some(before) = self.impatient(next)
                && let Some(prediction) = self.defaulted(before)?
            {
                return Ok(Some(Fate::Defaulted(prediction)));
            }
            let Some((known, id)) = self.entries.take(Queue::Met, i64::MAX)? else { return Ok(None) };
            if let Some(Entry::Met(prediction, label)) = self.entries.get(id)?
                && label.label_time == known
            {
                self.entries.set(id, Entry::Joined { label: label.label, event_time: prediction.event_time });
                return Ok(Some(Fate::Joined(prediction, label)));
            }
        }
    }

    fn defaulted(&mut self, before: i64) -> Result<Option<Arc<Awaiting>>, Error> {
        while let Some((event_time, id)) = self.entries.take(Queue::Unlabelled, before)? {
            if let Some(Entry::Predicted(prediction)) = self.entries.get(id)?
                && prediction.event_time == event_time
            {
                self.entries.set(id, Entry::Defaulted { event_time });
                return Ok(Some(prediction));
            }
        }
        Ok(None)
    }

    /// Events before this time get the default label before one that became known at `next`.
    fn impatient(&self, next: i64) -> Option<i64> {
        self.patience.map(|patience| self.clocks.labels.min(next).saturating_sub(patience))
    }

    /// Takes up an outcome that was written. Outcomes are the first of a restore.
    pub(crate) fn restore_outcome(&mut self, event_id: &CompactString, label: f64, event_time: i64, label_time: i64) {
        self.clocks.labels = self.clocks.labels.max(label_time);
        self.set(event_id.into(), Entry::Joined { label, event_time });
    }

    /// Takes up an outcome with the default label. As [`Join::restore_outcome`].
    pub(crate) fn restore_defaulted(&mut self, event_id: &CompactString, event_time: i64) {
        self.set(event_id.into(), Entry::Defaulted { event_time });
    }

    /// Takes up a prediction that is done. Predictions come before the labels of a restore.
    pub(crate) fn restore_prediction(&mut self, prediction: Awaiting, passing: Passing) -> Result<(), Error> {
        self.predicted(prediction, passing).map(drop)
    }

    /// Takes up a label that is done, but neither in an outcome nor refused: it is held, or waits for its turn. If its
    /// prediction is done as well and was forgotten, that was before the label came.
    pub(crate) fn restore_label(&mut self, label: Label) -> Result<(), Error> {
        let (id, label) = (IdHash::from(&label.event_id), Arc::new(label));
        match self.entries.get(id)? {
            Some(Entry::Predicted(prediction)) if !self.is_late(&label, prediction.event_time) && !self.forgets(prediction.event_time) => {
                self.wait_in_turn(id, prediction, label);
            }
            _ => self.set(id, Entry::Held(label)),
        }
        Ok(())
    }

    /// Whether what is done is being folded.
    fn is_restoring(&self) -> bool {
        !self.entries.is_undoable()
    }

    /// Ends the restore, if it has not ended yet.
    pub(crate) fn restored(&mut self) -> Result<(), Error> {
        if self.is_restoring() {
            self.forget()?;
            self.entries.begin();
            self.commit();
        }
        Ok(())
    }

    /// All changes last.
    pub(crate) fn commit(&mut self) {
        self.entries.commit();
        self.committed.clone_from(&self.clocks);
    }

    /// All changes since the last commit never happened.
    pub(crate) fn abort(&mut self) {
        if self.is_restoring() {
            // what was restored is done: an abort before the first record takes none of it back
            return;
        }
        self.entries.abort();
        self.clocks.clone_from(&self.committed);
    }

    fn is_late(&self, label: &Label, event_time: i64) -> bool {
        label.label_time > event_time.saturating_add(self.horizon)
    }

    /// Events before this time are forgotten.
    fn oldest(&self) -> i64 {
        let kept = self.horizon.saturating_mul(2).max(self.patience.unwrap_or_default());
        self.clocks.labels.saturating_sub(kept)
    }

    /// Whether an event without an outcome is forgotten by now; with a default label none is.
    fn forgets(&self, event_time: i64) -> bool {
        self.patience.is_none() && event_time < self.oldest()
    }

    fn forget(&mut self) -> Result<(), Error> {
        // an event has its outcome before it is forgotten
        let unlabelled = self.impatient(i64::MAX).is_some_and(|before| self.entries.is_due(Queue::Unlabelled, before));
        if unlabelled || self.entries.first(Queue::Met).is_some() {
            return Ok(());
        }
        let before = self.oldest();
        while let Some((event_time, id)) = self.entries.take(Queue::Predicted, before)? {
            let waits = match self.entries.get(id)? {
                Some(Entry::Predicted(prediction)) => prediction.event_time == event_time,
                Some(Entry::Joined { event_time: known, .. } | Entry::Defaulted { event_time: known }) => known == event_time,
                Some(Entry::Held(_) | Entry::Met(..)) | None => false,
            };
            if waits {
                self.entries.remove(id);
            }
        }
        Ok(())
    }

    fn set(&mut self, id: IdHash, entry: Entry) {
        match &entry {
            Entry::Predicted(prediction) => {
                if self.patience.is_some() {
                    self.entries.wait(Queue::Unlabelled, (prediction.event_time, id));
                }
                self.entries.wait(Queue::Predicted, (prediction.event_time, id));
            }
            Entry::Joined { event_time, .. } | Entry::Defaulted { event_time } => {
                self.entries.wait(Queue::Predicted, (*event_time, id));
            }
            Entry::Held(label) => self.entries.wait(Queue::Held, (label.label_time, id)),
            Entry::Met(_, label) => self.entries.wait(Queue::Met, (label.label_time, id)),
        }
        self.entries.set(id, entry);
    }
}

#[cfg(test)]
mod tests;
