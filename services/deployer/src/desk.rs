//! Where REST and the loop meet: orders wait here for the one, what the registry says for the other.

use crate::registry::{Order, Refusal, Registry, Written};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tidemill_events::control::{Candidate, Evaluation};
use tidemill_events::records::SourceRecord;
use tokio::sync::oneshot;

/// Orders that wait, at most.
const MAX_WAITING: usize = 64;

/// An order, and where its answer goes once what it wrote is on its topics for good.
#[derive(Debug)]
pub struct Asked {
    /// The order.
    pub order: Order,
    /// Dropped without an answer when this instance stops leading before the end is known.
    pub answer: oneshot::Sender<Result<Written, Refusal>>,
}

/// Partition and offset of a record.
pub type Place = (i32, i64);

/// Where a record lies on its topic.
#[must_use]
pub fn place(record: &SourceRecord) -> Place {
    (record.partition, record.offset)
}

/// What is known of models besides the registry's events.
#[derive(Debug, Clone, Default)]
pub struct Papers {
    /// Trainings.
    pub candidates: BTreeMap<Place, Arc<Candidate>>,
    /// Judgings, by the place of their candidate.
    pub evaluations: BTreeMap<Place, Arc<Evaluation>>,
}

/// What is committed.
#[derive(Debug, Clone, Default)]
pub struct View {
    /// The registry.
    pub registry: Arc<Registry>,
    /// Trainings and judgings.
    pub papers: Arc<Papers>,
}

/// Why there is no answer here and now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// Another instance leads, or none yet.
    Standby,
    /// This instance leads and has not read everything yet.
    Reading,
    /// Too many orders wait.
    Full,
}

#[derive(Default)]
enum Standing {
    #[default]
    Standby,
    Reading,
    Leading(View),
}

/// The desk; shared between REST and the loop.
#[derive(Default)]
pub struct Desk(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    standing: Standing,
    waiting: VecDeque<Asked>,
}

impl Desk {
    /// What is committed.
    ///
    /// # Errors
    /// [`Closed`] where this instance does not know.
    pub fn view(&self) -> Result<View, Closed> {
        match &self.lock().standing {
            Standing::Leading(view) => Ok(view.clone()),
            Standing::Reading => Err(Closed::Reading),
            Standing::Standby => Err(Closed::Standby),
        }
    }

    /// Puts an order into the queue. The answer comes after the commit; it never comes when this instance stops leading
    /// before that. An order whose receiver is gone before its turn is not carried out.
    ///
    /// # Errors
    /// [`Closed`]
    pub fn ask(&self, order: Order) -> Result<oneshot::Receiver<Result<Written, Refusal>>, Closed> {
        let mut inner = self.lock();
        match inner.standing {
            Standing::Standby => return Err(Closed::Standby),
            Standing::Reading => return Err(Closed::Reading),
            Standing::Leading(_) if inner.waiting.len() >= MAX_WAITING => return Err(Closed::Full),
            Standing::Leading(_) => {}
        }
        let (answer, receiver) = oneshot::channel();
        inner.waiting.push_back(Asked { order, answer });
        Ok(receiver)
    }

    /// This instance leads from now on; orders are taken from the first [`Desk::publish`] on.
    pub(crate) fn open(&self) {
        self.lock().standing = Standing::Reading;
    }

    /// What is committed is `view` from now on.
    pub(crate) fn publish(&self, view: View) {
        self.lock().standing = Standing::Leading(view);
    }

    /// The orders that wait.
    pub(crate) fn take(&self) -> VecDeque<Asked> {
        std::mem::take(&mut self.lock().waiting)
    }

    /// This instance no longer leads: orders that wait go without an answer.
    pub(crate) fn close(&self) {
        *self.lock() = Inner::default();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
