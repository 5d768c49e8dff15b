//! Notices that a consumer delivers nothing although there is something to deliver.
//!
//! After a broker was away for some seconds librdkafka 2.12 can stay without a partition's leader, or outside its group, and
//! says nothing; only a new client helps (librdkafka #5430). Nothing is what an idle topic delivers, too: what tells them
//! apart is that the topic has grown.

use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::Offset;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long nothing comes before the broker is asked where the partitions end: what grows later must be delivered.
const SETTLED: Duration = Duration::from_secs(1);
/// Between two answers that are compared. A question is one request, so this is also what an idle topic costs.
const QUIET: Duration = Duration::from_secs(20);
/// How long the question may take.
const ASK: Duration = Duration::from_secs(2);

/// The end of what is committed, by topic and partition.
type Ends = BTreeMap<(String, i32), i64>;

/// How long a consumer has been quiet, and what its partitions did meanwhile.
pub(crate) struct Growth {
    quiet: Duration,
    since: Instant,
    /// When the broker was last asked.
    ends: Option<Ends>,
}

impl Growth {
    pub(crate) fn new() -> Self {
        Self::asking_after(QUIET)
    }

    pub(crate) fn asking_after(quiet: Duration) -> Self {
        Self { quiet, since: Instant::now(), ends: None }
    }

    /// Something was delivered, if only the end of a partition, or there are other partitions.
    pub(crate) fn delivered(&mut self) {
        *self = Self::asking_after(self.quiet);
    }

    /// Asks the broker, when it is time to. Names the first of `partitions` (topic, partition) that has grown while nothing
    /// was delivered: this client will not deliver what is there.
    pub(crate) fn undelivered<'t, C: ConsumerContext>(
        &mut self,
        consumer: &BaseConsumer<C>,
        partitions: impl Iterator<Item = (&'t str, i32)>,
    ) -> Option<String> {
        if self.since.elapsed() < if self.ends.is_none() { self.quiet.min(SETTLED) } else { self.quiet } {
            return None;
        }
        self.since = Instant::now();
        // a broker that does not answer is asked again
        let ends = ends(consumer, partitions).ok()?;
        let before = self.ends.replace(ends);
        grown(&before?, self.ends.as_ref()?).map(|(topic, partition)| format!("{topic} partition {partition}"))
    }
}

fn ends<'t, C: ConsumerContext>(consumer: &BaseConsumer<C>, partitions: impl Iterator<Item = (&'t str, i32)>) -> Result<Ends, KafkaError> {
    let mut asked = TopicPartitionList::new();
    for (topic, partition) in partitions {
        asked.add_partition_offset(topic, partition, Offset::End)?;
    }
    if asked.count() == 0 {
        return Ok(Ends::new());
    }
    let told = consumer.offsets_for_times(asked, ASK)?;
    let end = |offset| if let Offset::Offset(end) = offset { Some(end) } else { None };
    Ok(told.elements().iter().filter_map(|e| Some(((e.topic().to_owned(), e.partition()), end(e.offset())?))).collect())
}

/// The first that has grown; partitions that are not in both are new or gone.
fn grown<'a>(before: &'a Ends, now: &Ends) -> Option<&'a (String, i32)> {
    before.iter().find(|(partition, end)| now.get(*partition).is_some_and(|now| now > *end)).map(|(partition, _)| partition)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_there_before_can_have_grown() {
        let ends = |ends: &[i64]| -> Ends { (0..).zip(ends).map(|(partition, end)| (("t".into(), partition), *end)).collect() };
        assert_eq!(grown(&ends(&[5, 5]), &ends(&[5, 6])), Some(&("t".into(), 1)));
        assert_eq!(grown(&ends(&[5]), &ends(&[5, 6])), None);
        assert_eq!(grown(&ends(&[5, 5]), &ends(&[5])), None);
    }
}
