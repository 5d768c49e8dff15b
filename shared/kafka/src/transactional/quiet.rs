//! Notices that a consumer delivers nothing although there is something to deliver.
//!
//! After a broker was away for some seconds librdkafka 2.12 can stay without a partition's leader, or outside its group, and
//! says nothing; only a new client helps (librdkafka #5430). Nothing is what an idle topic delivers, too: what tells them
//! apart is that the topic has grown.

use super::consume::Membership;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::topic_partition_list::Offset;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use tidemill_stream::{Error, Input};

/// How long nothing comes before the broker is asked, and between its two answers that are compared. A question is one
/// request, so this is also what an idle pipeline costs.
const QUIET: Duration = Duration::from_secs(20);
/// How long a member may wait for the group to assign something, be it nothing: twice the session, after which the group
/// waits for nobody. It may wait longer for a member that restores its state; then a new client does no harm.
const UNASSIGNED: Duration = Duration::from_secs(12);
/// How long the question may take.
const ASK: Duration = Duration::from_secs(5);

/// How long a consumer has been quiet.
pub(super) struct Quiet {
    since: Instant,
    /// The inputs and their ends when the broker was last asked.
    ends: Option<Vec<(Input, i64)>>,
}

impl Quiet {
    pub(super) fn new() -> Self {
        Self { since: Instant::now(), ends: None }
    }

    /// A record came, or an end of a partition, or another assignment.
    pub(super) fn broken(&mut self) {
        *self = Self::new();
    }

    /// Asks the broker, when it is time to. Of what is `held` back nothing is expected.
    ///
    /// # Errors
    /// [`Error::Rebuild`] when this client will not deliver what is there.
    pub(super) fn check(&mut self, consumer: &BaseConsumer<Membership>, held: &BTreeSet<Input>) -> Result<(), Error> {
        if let Some(waited) = consumer.context().waits()
            && waited > UNASSIGNED
        {
            return Err(Error::Rebuild(format!("the group has assigned nothing in {waited:?}")));
        }
        if self.since.elapsed() < QUIET {
            return Ok(());
        }
        self.since = Instant::now();
        // a broker that does not answer is asked again
        let Some(ends) = ends(consumer, held) else { return Ok(()) };
        if let Some(before) = self.ends.take()
            && let Some(input) = grown(&before, &ends)
        {
            let topic = consumer.context().name_of(*input);
            return Err(Error::Rebuild(format!("{topic} partition {} grows, but nothing of it is delivered", input.partition)));
        }
        self.ends = Some(ends);
        Ok(())
    }
}

/// The end of what is committed, by partition.
fn ends(consumer: &BaseConsumer<Membership>, held: &BTreeSet<Input>) -> Option<Vec<(Input, i64)>> {
    let mut partitions = consumer.context().partitions();
    partitions.retain(|input| !held.contains(input));
    let mut asked = TopicPartitionList::with_capacity(partitions.len());
    for input in &partitions {
        asked.add_partition_offset(consumer.context().name_of(*input), input.partition, Offset::End).ok()?;
    }
    if partitions.is_empty() {
        return None;
    }
    let told = consumer.offsets_for_times(asked, ASK).ok()?;
    let end = |input: &Input| match told.find_partition(consumer.context().name_of(*input), input.partition)?.offset() {
        Offset::Offset(end) => Some((*input, end)),
        _ => None,
    };
    partitions.iter().map(end).collect()
}

/// The first that has grown; inputs that are not in both are new or gone.
fn grown<'a>(before: &'a [(Input, i64)], now: &[(Input, i64)]) -> Option<&'a Input> {
    let has_grown = |(input, end): &&(Input, i64)| now.iter().any(|(other, now)| other == input && now > end);
    before.iter().find(has_grown).map(|(input, _)| input)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_there_before_can_have_grown() {
        let at = |partition, end| (Input { partition, topic: 0 }, end);
        assert_eq!(grown(&[at(0, 5), at(1, 5)], &[at(0, 5), at(1, 6)]), Some(&Input { partition: 1, topic: 0 }));
        assert_eq!(grown(&[at(0, 5)], &[at(0, 5), at(1, 6)]), None);
        assert_eq!(grown(&[at(0, 5), at(1, 5)], &[at(0, 5)]), None);
    }
}
