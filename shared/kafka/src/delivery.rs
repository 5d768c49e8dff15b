//! Notices that a consumer does not deliver a partition although there is something to deliver.
//!
//! After a broker was away for some seconds librdkafka 2.12 can stay without a partition's leader, or outside its group, and
//! says nothing; only a new client helps (librdkafka #5430). Other partitions may flow meanwhile, and nothing is what an
//! idle partition delivers, too. What tells them apart: the broker says where a partition ends, and the client's statistics
//! how far it has fetched. Records alone do not, for the markers of transactions take offsets, too.

use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::statistics::Statistics;
use rdkafka::topic_partition_list::Offset;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tidemill_stream::Input;

/// Milliseconds between two statistics of a client that is watched.
pub(crate) const STATISTICS: &str = "5000";
/// After how long a new client is looked at for the first time.
const SETTLED: Duration = Duration::from_secs(1);
/// Between two looks. Of partitions that brought nothing since the last one the broker is asked where they end: one request,
/// so this is also what an idle topic costs.
const EVERY: Duration = Duration::from_secs(10);
/// How long the question may take.
const ASK: Duration = Duration::from_secs(2);

/// How far a client has fetched, as its statistics tell.
#[derive(Default)]
pub(crate) struct Fetched(Mutex<Option<(Instant, Offsets)>>);

/// The next offset to fetch, by topic and partition.
type Offsets = HashMap<String, HashMap<i32, i64>>;

impl Fetched {
    /// Takes what the client tells of itself.
    pub(crate) fn take(&self, statistics: Statistics) {
        let topics = statistics.topics.into_iter();
        let offsets = topics.map(|(name, topic)| (name, topic.partitions.into_iter().map(|(p, told)| (p, told.next_offset)).collect()));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), offsets.collect()));
    }

    /// Whether the client has said, after `since`, that it has yet to fetch something before `end`.
    fn is_short_of(&self, end: i64, topic: &str, partition: i32, since: Instant) -> bool {
        let told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((at, offsets)) = told.as_ref() else { return false };
        *at > since && offsets.get(topic).and_then(|topic| topic.get(&partition)).is_some_and(|next| *next < end)
    }
}

/// What a consumer has delivered, and what it should have.
pub(crate) struct Delivery {
    every: Duration,
    /// When it was last looked at, or the client was made.
    looked: Instant,
    /// What has brought a record since then.
    heard: BTreeSet<Input>,
    /// What brought the last one: records come in runs.
    last: Option<Input>,
    /// Where the partitions that brought nothing ended then; `None` before the first look.
    ends: Option<BTreeMap<Input, i64>>,
}

impl Delivery {
    /// Of a client just made, or one that has been given other partitions.
    pub(crate) fn new() -> Self {
        Self::looking(EVERY)
    }

    pub(crate) fn looking(every: Duration) -> Self {
        Self { every, looked: Instant::now(), heard: BTreeSet::new(), last: None, ends: None }
    }

    /// Begins anew.
    pub(crate) fn restart(&mut self) {
        *self = Self::looking(self.every);
    }

    /// A record came.
    pub(crate) fn record(&mut self, input: Input) {
        if self.last != Some(input) {
            self.last = Some(input);
            self.heard.insert(input);
        }
    }

    /// Looks, when it is time to, and names the first partition of which this client will not deliver what is there: of
    /// those of which something is `expected` it has brought no record between two looks, and has not fetched what was there
    /// at the first. `name` is what a topic is called.
    pub(crate) fn missing<'t, C: ConsumerContext>(
        &mut self,
        consumer: &BaseConsumer<C>,
        fetched: &Fetched,
        name: impl Fn(Input) -> &'t str,
        expected: impl Iterator<Item = Input>,
    ) -> Option<String> {
        if self.looked.elapsed() < if self.ends.is_none() { self.every.min(SETTLED) } else { self.every } {
            return None;
        }
        let before = std::mem::replace(&mut self.looked, Instant::now());
        let heard = std::mem::take(&mut self.heard);
        self.last = None;
        let silent: Vec<Input> = expected.filter(|input| !heard.contains(input)).collect();
        let mut ends_before = self.ends.take().unwrap_or_default();
        ends_before.retain(|input, _| silent.contains(input));
        let Ok(ends) = ends(consumer, &name, &silent) else {
            // a broker that does not answer is asked again, and nobody delivers anything meanwhile
            self.ends = Some(ends_before);
            return None;
        };
        let stuck = ends_before.iter().find(|(input, end)| fetched.is_short_of(**end, name(**input), input.partition, before));
        self.ends = Some(ends);
        stuck.map(|(input, end)| format!("{} partition {} ends at {end}, but nothing of it is delivered", name(*input), input.partition))
    }
}

/// Where what is committed of `partitions` ends.
fn ends<'t, C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    name: impl Fn(Input) -> &'t str,
    partitions: &[Input],
) -> Result<BTreeMap<Input, i64>, KafkaError> {
    if partitions.is_empty() {
        return Ok(BTreeMap::new());
    }
    let mut asked = TopicPartitionList::with_capacity(partitions.len());
    for input in partitions {
        asked.add_partition_offset(name(*input), input.partition, Offset::End)?;
    }
    let told = consumer.offsets_for_times(asked, ASK)?;
    let end = |input: &Input| match told.find_partition(name(*input), input.partition)?.offset() {
        Offset::Offset(end) => Some((*input, end)),
        _ => None,
    };
    Ok(partitions.iter().filter_map(end).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::Reading;
    use crate::reader::tests::produce;
    use crate::reader::{Isolation, config};
    use rdkafka::Message;
    use rdkafka::mocking::MockCluster;

    const TOPIC: &str = "t";

    /// Two partitions, of which the first is read to its end and then stuck: no error, no record.
    fn stuck(brokers: &str) -> BaseConsumer<Reading> {
        produce(brokers, 0, &["a"]);
        let mut config = config(brokers, Isolation::ReadCommitted);
        config.set("statistics.interval.ms", "20");
        let consumer: BaseConsumer<Reading> = config.create_with_context(Reading::default()).unwrap();
        let mut assignment = TopicPartitionList::new();
        assignment.add_partition_range(TOPIC, 0, 1);
        assignment.set_all_offsets(Offset::Beginning).unwrap();
        consumer.assign(&assignment).unwrap();
        while consumer.poll(Duration::from_secs(20)).unwrap().is_err() {}
        let mut first = TopicPartitionList::new();
        first.add_partition(TOPIC, 0);
        consumer.pause(&first).unwrap();
        consumer
    }

    /// What is found in three looks, each after new statistics.
    fn look(delivery: &mut Delivery, consumer: &BaseConsumer<Reading>, expected: &[Input]) -> Option<String> {
        let fetched = &consumer.context().fetched;
        (0..3).find_map(|_| {
            let since = Instant::now();
            while fetched.0.lock().unwrap().as_ref().is_none_or(|(at, _)| *at <= since) {
                if let Some(Ok(message)) = consumer.poll(Duration::from_millis(5)) {
                    delivery.record(input(message.partition()));
                }
            }
            delivery.missing(consumer, fetched, |_| TOPIC, expected.iter().copied())
        })
    }

    fn input(partition: i32) -> Input {
        Input { partition, topic: 0 }
    }

    #[test]
    fn a_partition_that_is_stuck_is_named_though_another_flows() {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic(TOPIC, 2, 1).unwrap();
        let brokers = cluster.bootstrap_servers();
        let consumer = stuck(&brokers);
        let mut delivery = Delivery::looking(Duration::ZERO);
        assert_eq!(look(&mut delivery, &consumer, &[input(0), input(1)]), None, "all is delivered");
        produce(&brokers, 0, &["b"]);
        produce(&brokers, 1, &["c"]);
        assert_eq!(look(&mut delivery, &consumer, &[input(1)]), None, "nothing is expected of what is held back");
        let found = look(&mut delivery, &consumer, &[input(0), input(1)]).unwrap();
        assert!(found.starts_with("t partition 0 ends at 2"), "{found}");
    }
}
