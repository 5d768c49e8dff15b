//! One connection: its batches are delivered one after the other, so that events of one partition, which all go
//! by one lane, never overtake each other.

use super::acks::Acks;
use super::answer::{Answer, Failure};
use super::batch::{Batch, Kind};
use super::client::Client;
use super::tally::Tally;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::Receiver;
use tokio::time::{Instant, sleep};

const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Why a lane stopped before all was delivered.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// Nothing was taken for as long as we were to try.
    #[error("gave up after {} s without an acknowledgement; the last answer: {why}", after.as_secs())]
    GaveUp {
        /// How long.
        after: Duration,
        /// The last answer.
        why: String,
    },
    /// The ingestor will never take this.
    #[error("{0}")]
    Refused(String),
}

pub(super) struct Lane {
    pub(super) client: Arc<Client>,
    pub(super) batches: Receiver<Batch>,
    pub(super) tally: Arc<Tally>,
    pub(super) acks: Option<Acks>,
    pub(super) give_up_after: Duration,
}

/// Time without progress.
struct Patience {
    since: Instant,
    pause: Duration,
}

impl Patience {
    fn new() -> Self {
        Self { since: Instant::now(), pause: FIRST_PAUSE }
    }
}

impl Lane {
    /// Delivers batches until there are no more.
    pub(super) async fn run(mut self) -> Result<(), Error> {
        while let Some(batch) = self.batches.recv().await {
            self.deliver(batch).await?;
        }
        Ok(())
    }

    async fn deliver(&self, batch: Batch) -> Result<(), Error> {
        let mut open = VecDeque::from([batch]);
        let mut patience = Patience::new();
        while let Some(batch) = open.pop_front() {
            match self.client.post(&batch).await {
                Answer::Judged { duplicates, failures, pause } => {
                    let (temporary, why) = self.judged(&batch, duplicates, &failures).await;
                    if temporary.len() < batch.len() {
                        patience = Patience::new();
                    }
                    if !temporary.is_empty() {
                        open.push_front(batch.only(&temporary));
                        self.wait(&mut patience, why, pause).await?;
                    }
                }
                Answer::Later { why, pause } => {
                    open.push_front(batch);
                    self.wait(&mut patience, why, pause).await?;
                }
                Answer::Unfit { .. } if batch.len() > 1 => batch.split().into_iter().rev().for_each(|half| open.push_front(half)),
                Answer::Unfit { code, why } => self.tally.refuse(batch.kind, &code, || example(&batch, 0, &why)),
                Answer::Never(why) => return Err(Error::Refused(why)),
            }
        }
        Ok(())
    }

    /// Counts and notes what was taken and refused; returns the records to send again and why.
    async fn judged(&self, batch: &Batch, duplicates: u64, failures: &[Failure]) -> (Vec<usize>, String) {
        let mut failed = vec![false; batch.len()];
        let (mut temporary, mut why) = (Vec::new(), String::new());
        for failure in failures {
            let Some(flag) = failed.get_mut(failure.index) else { continue };
            *flag = true;
            if failure.is_temporary() {
                temporary.push(failure.index);
                why.clone_from(&failure.message);
            } else {
                self.tally.refuse(batch.kind, &failure.code(), || example(batch, failure.index, &failure.message));
            }
        }
        temporary.sort_unstable();
        let taken = failed.iter().filter(|f| !**f).count() as u64;
        if taken > 0 {
            self.tally.set_trouble(None);
        }
        match batch.kind {
            Kind::Events => {
                self.tally.acknowledged.add(taken);
                self.tally.duplicates.add(duplicates.min(taken));
                if let Some(acks) = &self.acks {
                    acks.note(failed.iter().enumerate().filter(|(_, failed)| !**failed).map(|(i, _)| batch.id(i))).await;
                }
            }
            Kind::Labels => self.tally.labels_acknowledged.add(taken),
        }
        (temporary, why)
    }

    async fn wait(&self, patience: &mut Patience, why: String, asked: Option<Duration>) -> Result<(), Error> {
        if patience.since.elapsed() >= self.give_up_after {
            return Err(Error::GaveUp { after: self.give_up_after, why });
        }
        self.tally.retries.add(1);
        self.tally.set_trouble(Some(why));
        sleep(asked.unwrap_or(patience.pause)).await;
        patience.pause = (patience.pause * 2).min(LONGEST_PAUSE);
        Ok(())
    }
}

fn example(batch: &Batch, index: usize, why: &str) -> String {
    let what = match batch.kind {
        Kind::Events => "event",
        Kind::Labels => "label of event",
    };
    match String::from_utf8_lossy(batch.id(index)).trim_matches('"') {
        "" => format!("{what} without an id: {why}"),
        id => format!("{what} {id}: {why}"),
    }
}
