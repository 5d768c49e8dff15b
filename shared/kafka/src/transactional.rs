//! [`tidemill_stream::Broker`] on Kafka: a consumer in a group and a transactional producer.
//!
//! What had to be right for exactly-once and for speed is in docs/decisions/transactions.md; each
//! setting in `config` says why it is there.

mod config;
mod consume;
mod produce;
mod quiet;
pub(crate) mod record;
mod spans;

use consume::Membership;
use produce::Deliveries;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, Producer};
use rdkafka::topic_partition_list::Offset;
use record::{record, traceparent};
use spans::LoopSpans;
use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use std::time::{Duration, Instant};
use tidemill_stream::fault::Fault;
use tidemill_stream::task::{Restore, Until};
use tidemill_stream::{Broker, Committed, Delivered, Error, Input, Outputs, Polled, Record, Spans};

use crate::delivery::Delivery;
use crate::reader::{self, Isolation, Scan};
use crate::trace::tracer;

/// How long a question to the broker may take: longer than a broker's restart.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a scan of what is done may deliver nothing before another is begun.
const SCAN: Duration = Duration::from_secs(5);
/// Records of a batch that are handed over within `LINGER_SMALL`.
const SMALL: usize = 1_000;
/// The producer of larger ones.
const LARGE: usize = 2;
/// Between the two halves of what a fault tears apart: a dozen kills are to hit it.
const TORN: Duration = Duration::from_millis(50);
/// A member that is shut out twice within this time has a rival.
const RIVALRY: Duration = Duration::from_secs(30);

/// Which topics a task set reads and writes, and as whom.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `host:port,…` of the brokers.
    pub brokers: String,
    /// Consumer group, `tidemill.<service>.<pipeline>`.
    pub group: String,
    /// This member's slot: its `group.instance.id` and the root of its `transactional.id`s. A process that takes
    /// a dead one's place uses the same, which ends the dead one's transaction at once.
    pub slot: String,
    /// Input topics, in the order of [`tidemill_stream::Input::topic`].
    pub inputs: Vec<String>,
    /// Output topics, in the order of [`tidemill_stream::Output::topic`].
    pub outputs: Vec<String>,
    /// How long the broker may keep input back to answer with more of it; zero: not at all.
    pub gather: Duration,
    /// A rule to break, in tests.
    pub fault: Option<Fault>,
}

/// The clients of one task set.
pub struct KafkaBroker {
    settings: Settings,
    clients: Option<Clients>,
    /// When the group last shut this member out.
    shut_out: Option<Instant>,
}

struct Clients {
    consumer: BaseConsumer<Membership>,
    /// The first two write small batches in turn: for some milliseconds after a commit the broker still writes its markers,
    /// and refuses the same producer's next transaction; the client then waits for 20 ms. The third writes large ones.
    producers: [BaseProducer<Deliveries>; 3],
    /// Whose turn it is.
    turn: usize,
    delivery: Delivery,
    held: BTreeSet<Input>,
}

impl Clients {
    /// Chooses the producer of the next transaction, of so many records.
    fn begin(&mut self, records: usize) {
        self.turn = match self.turn {
            _ if records > SMALL => LARGE,
            0 => 1,
            _ => 0,
        };
    }

    /// The producer of the present transaction.
    fn producer(&self) -> &BaseProducer<Deliveries> {
        &self.producers[self.turn]
    }
}

impl KafkaBroker {
    /// A broker that [`Broker::connect`] connects.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self { settings, clients: None, shut_out: None }
    }

    fn clients(&self) -> Result<&Clients, Error> {
        self.clients.as_ref().ok_or_else(not_connected)
    }

    fn partitions<'a>(&self, offsets: impl IntoIterator<Item = (Input, i64, &'a str)>) -> Result<TopicPartitionList, Error> {
        let mut list = TopicPartitionList::new();
        for (input, offset, metadata) in offsets {
            let mut element = list.add_partition(&self.settings.inputs[input.topic], input.partition);
            element.set_offset(Offset::Offset(offset)).map_err(rebuild)?;
            element.set_metadata(metadata);
        }
        Ok(list)
    }

    /// What it means to be shut out of the group. Once may be our own doing: a join that was sent twice while the
    /// broker came back fences its first half. A second time soon after new clients is another process of this
    /// slot, and the older of the two, which meets it first, has to go.
    fn rivalled(&mut self, error: &KafkaError) -> Error {
        let before = self.shut_out.replace(Instant::now());
        if before.is_none_or(|before| before.elapsed() > RIVALRY) {
            return Error::Rebuild(error.to_string());
        }
        Error::Fatal(format!(
            "the broker has shut {} out ({error}): another process runs under the same slot; give each instance its own TIDEMILL_INSTANCE",
            self.settings.slot
        ))
    }

    /// Makes a producer; whatever transaction its predecessor had open has ended when it returns.
    fn producer(&self, turn: usize) -> Result<BaseProducer<Deliveries>, Error> {
        let context = Deliveries::new(self.settings.outputs.len());
        let producer: BaseProducer<Deliveries> = config::producer(&self.settings, turn).create_with_context(context).map_err(rebuild)?;
        if self.settings.fault.is_none() {
            producer.init_transactions(PATIENCE).map_err(rebuild)?;
        }
        Ok(producer)
    }

    /// Makes the producers at once: each has a few questions to the broker, and must wait for their answers.
    fn producers(&self) -> Result<[BaseProducer<Deliveries>; 3], Error> {
        let made = thread::scope(|scope| {
            let making = [0, 1, LARGE].map(|turn| scope.spawn(move || self.producer(turn)));
            making.map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        });
        let [first, second, large] = made;
        Ok([first?, second?, large?])
    }
}

impl Broker for KafkaBroker {
    fn poll(&mut self, wait: Duration, each: &mut dyn FnMut(&Record<'_>) -> bool) -> Result<Polled, Error> {
        let Clients { consumer, producers, delivery, held, .. } = self.clients.as_mut().ok_or_else(not_connected)?;
        // what they have to say while nothing is written: that a broker went away
        producers.iter().for_each(|producer| producer.poll(Duration::ZERO));
        // in whole milliseconds: the client spins through what is left of one
        let mut wait = whole_millis(wait);
        let mut polled = Polled::default();
        let mut shut_out = None;
        loop {
            match consumer.poll(wait) {
                Some(Ok(message)) => {
                    let record = record(&message, consumer.context().index_of(message.topic()), traceparent(&message));
                    delivery.record(Input { partition: record.partition, topic: record.topic });
                    if !each(&record) {
                        break;
                    }
                    wait = Duration::ZERO;
                }
                Some(Err(error @ KafkaError::MessageConsumptionFatal(_))) => {
                    shut_out = Some(error);
                    break;
                }
                // the client goes on by itself: a broker that went away, a coordinator that moved
                Some(Err(error)) => {
                    tracing::debug!(%error, slot = self.settings.slot, "poll");
                    break;
                }
                None => break,
            }
            if consumer.context().has_changed() {
                break;
            }
        }
        polled.rebalanced = consumer.context().take_changed();
        if polled.rebalanced {
            delivery.restart();
        } else if shut_out.is_none() {
            quiet::check(consumer, delivery, held)?;
        }
        shut_out.map_or(Ok(polled), |error| Err(self.rivalled(&error)))
    }

    fn spans(&self) -> Option<Box<dyn Spans>> {
        Some(Box::new(LoopSpans::new(&self.settings, tracer())))
    }

    fn topics(&self) -> usize {
        self.settings.inputs.len()
    }

    fn assignment(&self) -> Vec<Input> {
        self.clients.as_ref().map_or_else(Vec::new, |c| c.consumer.context().partitions())
    }

    fn committed(&mut self, partitions: &[Input]) -> Result<BTreeMap<Input, Committed>, Error> {
        if partitions.is_empty() {
            return Ok(BTreeMap::new());
        }
        let mut asked = TopicPartitionList::new();
        for input in partitions {
            asked.add_partition(&self.settings.inputs[input.topic], input.partition);
        }
        let Clients { consumer, .. } = self.clients()?;
        let told = consumer.committed_offsets(asked, PATIENCE).map_err(rebuild)?;
        told.elements()
            .iter()
            .map(|e| {
                e.error().map_err(rebuild)?;
                let offset = if let Offset::Offset(offset) = e.offset() { Some(offset) } else { None };
                let input = Input { partition: e.partition(), topic: consumer.context().index_of(e.topic()) };
                Ok((input, Committed { offset, metadata: e.metadata().to_owned() }))
            })
            .collect()
    }

    fn resume(&mut self, offsets: &BTreeMap<Input, i64>) -> Result<(), Error> {
        let list = self.partitions(offsets.iter().map(|(p, o)| (*p, *o, "")))?;
        // an assignment does not end a pause
        self.hold(&BTreeSet::new())?;
        self.clients()?.consumer.assign(&list).map_err(rebuild)
    }

    fn hold(&mut self, inputs: &BTreeSet<Input>) -> Result<(), Error> {
        let Clients { consumer, held, .. } = self.clients()?;
        if inputs == held {
            return Ok(());
        }
        let partitions = |inputs: &mut dyn Iterator<Item = &Input>| self.partitions(inputs.map(|input| (*input, 0, "")));
        let (stop, go) = (partitions(&mut inputs.difference(held))?, partitions(&mut held.difference(inputs))?);
        consumer.pause(&stop).and_then(|()| consumer.resume(&go)).map_err(rebuild)?;
        self.clients.as_mut().ok_or_else(not_connected)?.held.clone_from(inputs);
        Ok(())
    }

    fn fold(&mut self, restore: &Restore, each: &mut dyn FnMut(&Record<'_>) -> Result<(), Error>) -> Result<(), Error> {
        let (end, must_be_seen) = match restore.until {
            Until::Before(offset) => (offset, None),
            Until::Through(offset) => (offset + 1, Some(offset)),
        };
        let deadline = Instant::now() + PATIENCE;
        let mut next = 0;
        'scans: loop {
            let mut scan = Scan::new(&self.settings.brokers, &restore.topic, &[(restore.partition, next)], Isolation::ReadCommitted)
                .map_err(|e| Error::Rebuild(e.to_string()))?
                .patient_for(SCAN);
            loop {
                let record = match scan.next() {
                    Ok(Some(record)) => record,
                    Ok(None) => break,
                    // a client that was told of no leader may stay with that: the next one asks anew
                    Err(reader::Error::Stalled { .. }) if Instant::now() < deadline => continue 'scans,
                    Err(error) => return Err(Error::Rebuild(error.to_string())),
                };
                if record.offset() >= end {
                    break;
                }
                next = record.offset() + 1;
                each(&record.as_input(restore.input))?;
            }
            // the markers of a committed transaction may reach this partition a moment after the offsets'
            if must_be_seen.is_none_or(|offset| next > offset) {
                return Ok(());
            }
            if Instant::now() > deadline {
                let Restore { topic, partition, .. } = restore;
                return Err(Error::Rebuild(format!("{topic} partition {partition} ends at {next}, but {end} is committed")));
            }
        }
    }

    fn produce(&mut self, outputs: &Outputs) -> Result<Delivered, Error> {
        if self.settings.fault == Some(Fault::CommitFirst) {
            return Ok(Delivered::default());
        }
        let clients = self.clients.as_mut().ok_or_else(not_connected)?;
        clients.begin(outputs.len());
        let producer = clients.producer();
        if self.settings.fault.is_none() {
            producer.begin_transaction().map_err(|e| produce::decide(producer, &e))?;
        }
        produce::write(producer, &self.settings.outputs, outputs)
    }

    fn commit(&mut self, outputs: &Outputs, offsets: &BTreeMap<Input, (i64, String)>) -> Result<(), Error> {
        let list = self.partitions(offsets.iter().map(|(p, (o, m))| (*p, *o, m.as_str())))?;
        let clients = self.clients()?;
        let (consumer, producer) = (&clients.consumer, clients.producer());
        match self.settings.fault {
            None => {
                let group = consumer.group_metadata().ok_or_else(|| Error::Rebuild("the consumer has no group metadata".into()))?;
                producer.send_offsets_to_transaction(&list, &group, PATIENCE).map_err(|e| produce::decide(producer, &e))?;
                producer.commit_transaction(PATIENCE).map_err(|e| produce::decide(producer, &e))
            }
            Some(Fault::NoTransactions) => {
                thread::sleep(TORN);
                consumer.commit(&list, rdkafka::consumer::CommitMode::Sync).map_err(rebuild)
            }
            Some(Fault::CommitFirst) => {
                consumer.commit(&list, rdkafka::consumer::CommitMode::Sync).map_err(rebuild)?;
                thread::sleep(TORN);
                produce::write(producer, &self.settings.outputs, outputs).map(|_| ())
            }
        }
    }

    fn connect(&mut self) -> Result<(), Error> {
        // the old clients go first: two of one static member would fence each other
        self.clients = None;
        let consumer: BaseConsumer<Membership> =
            config::consumer(&self.settings).create_with_context(Membership::new(&self.settings.inputs)).map_err(rebuild)?;
        let topics: Vec<&str> = self.settings.inputs.iter().map(String::as_str).collect();
        // it joins while the producers are made; what is committed is asked for after that
        consumer.subscribe(&topics).map_err(rebuild)?;
        let producers = self.producers()?;
        self.clients = Some(Clients { consumer, producers, turn: 0, delivery: Delivery::new(), held: BTreeSet::new() });
        Ok(())
    }
}

fn not_connected() -> Error {
    Error::Rebuild("not connected".into())
}

fn whole_millis(time: Duration) -> Duration {
    Duration::from_millis(time.as_micros().div_ceil(1_000) as u64)
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn rebuild(error: KafkaError) -> Error {
    Error::Rebuild(error.to_string())
}
