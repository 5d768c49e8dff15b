//! The join of labels to predictions at one partition: pure, and undone on abort.
//!
//! A label waits for its prediction as long as the pipeline's horizon, a prediction for its label as long as two. Which
//! of both comes first does not matter. Time is event time: predictions are forgotten as label times go by, labels as the
//! predictions' times do, so a topic that is read ahead of the other loses nothing.
//!
//! Where the pipeline has a default label, a prediction gets it when the labels have gone by its horizon; what comes of
//! its label after that is late.

use crate::lanes::{Lanes, Passing};
use compact_str::CompactString;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use tidemill_events::Source;
use tidemill_events::records::ModelRef;

/// What is kept of a prediction until its label comes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Awaiting {
    pub(crate) event_time: i64,
    /// Offset of the prediction's record.
    pub(crate) offset: i64,
    pub(crate) entities: Box<[CompactString]>,
    pub(crate) score: f64,
    pub(crate) decision: CompactString,
    pub(crate) route: CompactString,
    pub(crate) model: Arc<ModelRef>,
    /// Where it is followed: the `traceparent` that the label's span links to.
    pub(crate) trace: Option<Box<[u8]>>,
}

/// A label, and the record that brought it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Label {
    pub(crate) label: f64,
    pub(crate) label_time: i64,
    pub(crate) source: Source,
    /// The record's value, for its reject.
    pub(crate) payload: Box<[u8]>,
    /// Where it is followed: its `traceparent`.
    pub(crate) trace: Option<Box<[u8]>>,
}

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
    Joined(Arc<Awaiting>, Label),
    /// It is not taken.
    Refused(Refusal, Label),
    /// The prediction gets the default label.
    Defaulted(Arc<Awaiting>),
}

#[derive(Debug, Clone)]
enum Entry {
    Predicted(Arc<Awaiting>),
    Held(Label),
    Joined { label: f64, event_time: i64 },
    Defaulted { event_time: i64 },
}

/// An entry as it was before a change.
type Undo = (CompactString, Option<Entry>);

/// How far both topics have come.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Clocks {
    predictions: Lanes,
    /// Largest label time, microseconds since 1970.
    labels: i64,
}

/// The join.
#[derive(Debug)]
pub(crate) struct Join {
    horizon: i64,
    /// How far label times go by an event before it gets the default label; `None`: it gets none.
    patience: Option<i64>,
    entries: HashMap<CompactString, Entry>,
    /// Event time of what has been predicted, to be forgotten as labels go by. May name what is no longer there.
    predicted: BTreeSet<(i64, CompactString)>,
    /// The same of what may get the default label.
    unlabelled: BTreeSet<(i64, CompactString)>,
    /// Label time of what is held.
    held: BTreeSet<(i64, CompactString)>,
    clocks: Clocks,
    committed: Clocks,
    log: Vec<Undo>,
    /// What is done is being folded.
    restoring: bool,
}

impl Join {
    /// Without anything, for labels that count `horizon` microseconds after their event. With `slack` events get a
    /// default label when label times have gone by the horizon and the slack.
    pub(crate) fn new(horizon: i64, slack: Option<i64>) -> Self {
        let clocks = Clocks { predictions: Lanes::default(), labels: i64::MIN };
        Self {
            horizon,
            patience: slack.map(|slack| horizon.saturating_add(slack)),
            entries: HashMap::new(),
            predicted: BTreeSet::new(),
            unlabelled: BTreeSet::new(),
            held: BTreeSet::new(),
            committed: clocks.clone(),
            clocks,
            log: Vec::new(),
            restoring: true,
        }
    }

    /// Predictions without a label, and labels without a prediction.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> (usize, usize) {
        let held = self.entries.values().filter(|e| matches!(e, Entry::Held(_))).count();
        let joined = self.entries.values().filter(|e| matches!(e, Entry::Joined { .. } | Entry::Defaulted { .. })).count();
        (self.entries.len() - held - joined, held)
    }

    /// A prediction was made; its label may be here already. An id that is predicted again, after `source.dedupe`,
    /// keeps its first prediction.
    pub(crate) fn predicted(&mut self, id: &CompactString, prediction: Awaiting, passing: Passing) -> Option<Fate> {
        self.clocks.predictions.pass(passing, prediction.event_time);
        let prediction = Arc::new(prediction);
        match self.entries.get(id) {
            None => {
                self.set(id, Entry::Predicted(prediction));
                None
            }
            Some(Entry::Held(label)) => {
                let label = label.clone();
                if self.is_late(&label, prediction.event_time) {
                    self.set(id, Entry::Predicted(prediction));
                    return Some(Fate::Refused(Refusal::Late, label));
                }
                self.set(id, Entry::Joined { label: label.label, event_time: prediction.event_time });
                Some(Fate::Joined(prediction, label))
            }
            Some(Entry::Predicted(_) | Entry::Joined { .. } | Entry::Defaulted { .. }) => None,
        }
    }

    /// A label came. `None`: it waits for its prediction.
    pub(crate) fn labelled(&mut self, id: &CompactString, label: Label) -> Option<Fate> {
        self.clocks.labels = self.clocks.labels.max(label.label_time);
        let again = |known: f64| if known.total_cmp(&label.label).is_eq() { Refusal::Duplicate } else { Refusal::Conflict };
        match self.entries.get(id) {
            None => {
                self.set(id, Entry::Held(label));
                None
            }
            Some(Entry::Held(known)) => Some(Fate::Refused(again(known.label), label)),
            Some(Entry::Joined { label: known, .. }) => Some(Fate::Refused(again(*known), label)),
            Some(Entry::Defaulted { event_time }) if self.is_late(&label, *event_time) => Some(Fate::Refused(Refusal::Late, label)),
            Some(Entry::Defaulted { .. }) => Some(Fate::Refused(Refusal::Defaulted, label)),
            Some(Entry::Predicted(prediction)) if self.is_late(&label, prediction.event_time) => Some(Fate::Refused(Refusal::Late, label)),
            Some(Entry::Predicted(prediction)) => {
                let prediction = prediction.clone();
                self.set(id, Entry::Joined { label: label.label, event_time: prediction.event_time });
                Some(Fate::Joined(prediction, label))
            }
        }
    }

    /// What the clocks have brought about: a prediction that gets the default label, a label whose prediction never
    /// came. Forgets what has waited long enough. To be asked until there is none.
    pub(crate) fn due(&mut self) -> Option<(CompactString, Fate)> {
        if let Some(defaulted) = self.defaulted() {
            return Some(defaulted);
        }
        self.forget();
        let (horizon, now) = (self.horizon, self.clocks.predictions.reached());
        while let Some((label_time, id)) = pop_if(&mut self.held, |time| time.saturating_add(horizon) < now) {
            if let Some(Entry::Held(label)) = self.entries.get(&id)
                && label.label_time == label_time
            {
                let label = label.clone();
                self.remove(&id);
                return Some((id, Fate::Refused(Refusal::UnknownEvent, label)));
            }
        }
        None
    }

    fn defaulted(&mut self) -> Option<(CompactString, Fate)> {
        let (patience, now) = (self.patience?, self.clocks.labels);
        while let Some((event_time, id)) = pop_if(&mut self.unlabelled, |time| time.saturating_add(patience) < now) {
            if let Some(Entry::Predicted(prediction)) = self.entries.get(&id)
                && prediction.event_time == event_time
            {
                let prediction = prediction.clone();
                self.set(&id, Entry::Defaulted { event_time });
                return Some((id, Fate::Defaulted(prediction)));
            }
        }
        None
    }

    /// Takes up an outcome that was written. Outcomes are the first of a restore.
    pub(crate) fn restore_outcome(&mut self, id: &CompactString, label: f64, event_time: i64) {
        self.put(id.clone(), Entry::Joined { label, event_time });
    }

    /// Takes up an outcome with the default label. As [`Join::restore_outcome`].
    pub(crate) fn restore_defaulted(&mut self, id: &CompactString, event_time: i64) {
        self.put(id.clone(), Entry::Defaulted { event_time });
    }

    /// Takes up a prediction that is done. Predictions come before the labels of a restore.
    pub(crate) fn restore_prediction(&mut self, id: &CompactString, prediction: Awaiting, passing: Passing) {
        self.predicted(id, prediction, passing);
    }

    /// Takes up a label that is done. One that is not `decided`, so neither in an outcome nor refused, is held: if its
    /// prediction is done as well, that was forgotten before the label came.
    pub(crate) fn restore_label(&mut self, id: CompactString, label: Label, decided: bool) {
        self.clocks.labels = self.clocks.labels.max(label.label_time);
        if !decided {
            self.put(id, Entry::Held(label));
        }
    }

    /// Ends the restore, if it has not ended yet.
    pub(crate) fn restored(&mut self) {
        if std::mem::take(&mut self.restoring) {
            self.forget();
            self.commit();
        }
    }

    /// All changes last.
    pub(crate) fn commit(&mut self) {
        self.log.clear();
        self.committed.clone_from(&self.clocks);
    }

    /// All changes since the last commit never happened.
    pub(crate) fn abort(&mut self) {
        // what was restored is done: an abort before the first record takes none of it back
        self.restored();
        while let Some((id, before)) = self.log.pop() {
            match before {
                Some(entry) => self.put(id, entry),
                None => {
                    self.entries.remove(&id);
                }
            }
        }
        self.clocks.clone_from(&self.committed);
    }

    fn is_late(&self, label: &Label, event_time: i64) -> bool {
        label.label_time > event_time.saturating_add(self.horizon)
    }

    fn forget(&mut self) {
        let now = self.clocks.labels;
        // an event gets the default label before it is forgotten
        if self.patience.is_some_and(|patience| self.unlabelled.first().is_some_and(|(time, _)| time.saturating_add(patience) < now)) {
            return;
        }
        let kept = self.horizon.saturating_mul(2).max(self.patience.unwrap_or_default());
        while let Some((event_time, id)) = pop_if(&mut self.predicted, |time| time.saturating_add(kept) < now) {
            let waits = match self.entries.get(&id) {
                Some(Entry::Predicted(prediction)) => prediction.event_time == event_time,
                Some(Entry::Joined { event_time: known, .. } | Entry::Defaulted { event_time: known }) => *known == event_time,
                Some(Entry::Held(_)) | None => false,
            };
            if waits {
                self.remove(&id);
            }
        }
    }

    fn set(&mut self, id: &CompactString, entry: Entry) {
        self.log.push((id.clone(), self.entries.get(id).cloned()));
        self.put(id.clone(), entry);
    }

    fn remove(&mut self, id: &CompactString) {
        if let Some(entry) = self.entries.remove(id) {
            self.log.push((id.clone(), Some(entry)));
        }
    }

    fn put(&mut self, id: CompactString, entry: Entry) {
        match &entry {
            Entry::Predicted(prediction) => {
                if self.patience.is_some() {
                    self.unlabelled.insert((prediction.event_time, id.clone()));
                }
                self.predicted.insert((prediction.event_time, id.clone()));
            }
            Entry::Joined { event_time, .. } | Entry::Defaulted { event_time } => {
                self.predicted.insert((*event_time, id.clone()));
            }
            Entry::Held(label) => {
                self.held.insert((label.label_time, id.clone()));
            }
        }
        self.entries.insert(id, entry);
    }
}

/// Takes the first of `queue` if its time is over.
fn pop_if(queue: &mut BTreeSet<(i64, CompactString)>, over: impl FnOnce(i64) -> bool) -> Option<(i64, CompactString)> {
    if queue.first().is_some_and(|(time, _)| over(*time)) { queue.pop_first() } else { None }
}

#[cfg(test)]
mod tests;
