//! Follows the applied pipelines for as long as a service lives.

use super::{Change, Decoder, Error};
use crate::consumer;
use crate::context::Reading;
use crate::growth::Growth;
use crate::registry::Blocking;
use rdkafka::ClientConfig;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::topic_partition_list::Offset;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tidemill_events::records::Pipeline;
use tidemill_events::topics::Control;
use tokio::sync::watch;

const POLL: Duration = Duration::from_millis(100);
/// Between two attempts when the broker, the topic or the registry is not there.
const PAUSE: Duration = Duration::from_millis(500);
const TIMEOUT: Duration = Duration::from_secs(5);

/// What is applied, as far as it was read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Applied {
    /// Whether all there was at the start has been read; before that, `pipelines` is empty.
    pub caught_up: bool,
    /// The pipelines by name.
    pub pipelines: BTreeMap<String, Arc<Pipeline>>,
}

/// A thread that reads `tidemill.pipelines` from its beginning and keeps on reading.
///
/// It waits for a broker, a registry or a topic that is not there yet, and outlives their restarts.
/// Dropping it stops the thread.
pub struct Follower {
    state: watch::Receiver<Applied>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Follower {
    /// Starts to follow.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start(brokers: &str, registry: Blocking) -> std::io::Result<Self> {
        let (sender, state) = watch::channel(Applied::default());
        let stop = Arc::new(AtomicBool::new(false));
        let reader = Reader { brokers: brokers.to_owned(), decoder: Decoder::new(registry), sender, stop: stop.clone() };
        let thread = thread::Builder::new().name("pipelines".into()).spawn(move || reader.run())?;
        Ok(Self { state, stop, thread: Some(thread) })
    }

    /// What is applied; changes as it changes.
    #[must_use]
    pub fn applied(&self) -> watch::Receiver<Applied> {
        self.state.clone()
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // the thread ends within POLL or TIMEOUT; a panic in it was reported when it happened
            let _ = thread.join();
        }
    }
}

struct Reader {
    brokers: String,
    decoder: Decoder,
    sender: watch::Sender<Applied>,
    stop: Arc<AtomicBool>,
}

impl Reader {
    fn run(mut self) {
        while !self.stopped() {
            if let Err(error) = self.follow() {
                tracing::warn!(%error, "the applied pipelines cannot be read for now");
                self.pause();
            }
        }
    }

    /// Reads from the beginning until told to stop.
    fn follow(&mut self) -> Result<(), Error> {
        let topic = Control::Pipelines.name();
        let fault = |source| Error::Kafka { doing: "read tidemill.pipelines", source };
        let consumer = config(&self.brokers).create_with_context::<_, BaseConsumer<_>>(Reading).map_err(fault)?;
        let mut said = false;
        while !exists(&consumer).map_err(fault)? {
            if !std::mem::replace(&mut said, true) {
                tracing::info!("{topic} does not exist yet: waiting for the first `tidemill apply`");
            }
            self.pause();
            if self.stopped() {
                return Ok(());
            }
        }
        let mut assignment = TopicPartitionList::new();
        assignment.add_partition_offset(topic, 0, Offset::Beginning).map_err(fault)?;
        consumer.assign(&assignment).map_err(fault)?;
        // built anew, so that what was removed while nobody looked is gone
        let mut applied = Applied::default();
        let mut growth = Growth::new();
        while !self.stopped() {
            match consumer.poll(POLL) {
                None => {
                    if let Some(partition) = growth.undelivered(&consumer, [(topic, 0)].into_iter()) {
                        tracing::warn!("{partition} grows, but nothing of it is delivered: making the client anew");
                        return Ok(());
                    }
                    continue;
                }
                Some(Ok(message)) => self.take(&message, &mut applied),
                Some(Err(KafkaError::PartitionEOF(_))) => applied.caught_up = true,
                Some(Err(source @ KafkaError::MessageConsumptionFatal(_))) => return Err(fault(source)),
                Some(Err(error)) => {
                    tracing::debug!(%error, "the client reconnects");
                    continue;
                }
            }
            growth.delivered();
            if applied.caught_up {
                self.sender.send_if_modified(|state| {
                    let changed = *state != applied;
                    state.clone_from(&applied);
                    changed
                });
            }
        }
        Ok(())
    }

    fn take(&mut self, message: &BorrowedMessage<'_>, applied: &mut Applied) {
        while !self.stopped() {
            match self.decoder.decode(message.offset(), message.key(), message.payload()) {
                Ok(Change::Applied(pipeline)) => {
                    applied.pipelines.insert(pipeline.pipeline.clone(), Arc::new(pipeline));
                }
                Ok(Change::Removed(name)) => {
                    applied.pipelines.remove(&name);
                }
                Err(Error::Registry(error)) if error.is_retriable() => {
                    tracing::warn!(%error, "a pipeline cannot be read for now");
                    self.pause();
                    continue;
                }
                Err(error) => tracing::error!(%error, "left out"),
            }
            return;
        }
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn pause(&self) {
        if !self.stopped() {
            thread::park_timeout(PAUSE);
        }
    }
}

fn exists(consumer: &BaseConsumer<Reading>) -> Result<bool, KafkaError> {
    let metadata = consumer.fetch_metadata(Some(Control::Pipelines.name()), TIMEOUT)?;
    Ok(metadata.topics().iter().any(|t| t.error().is_none() && !t.partitions().is_empty()))
}

fn config(brokers: &str) -> ClientConfig {
    let mut config = consumer::config(brokers);
    config
        // librdkafka assigns only to a consumer that has a group; nothing joins it or commits to it
        .set("group.id", "tidemill.pipelines")
        .set("enable.partition.eof", "true")
        .set("auto.offset.reset", "earliest")
        .set("isolation.level", "read_committed");
    config
}
