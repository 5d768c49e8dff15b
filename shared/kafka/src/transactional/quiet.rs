//! Notices that a member of a group gets nothing: no partitions, or nothing of them.

use super::consume::Membership;
use crate::growth::Growth;
use rdkafka::consumer::{BaseConsumer, Consumer};
use std::collections::BTreeSet;
use std::time::Duration;
use tidemill_stream::{Error, Input};

/// How long a member may wait for the group to assign something, be it nothing: twice the session, after which the group
/// waits for nobody. It may wait longer for a member that restores its state; then a new client does no harm.
const UNASSIGNED: Duration = Duration::from_secs(12);

/// Whether the member still has reason to be quiet.
pub(super) struct Quiet {
    growth: Growth,
}

impl Quiet {
    pub(super) fn new() -> Self {
        Self { growth: Growth::new() }
    }

    /// A record came, or an end of a partition, or another assignment.
    pub(super) fn broken(&mut self) {
        self.growth.delivered();
    }

    /// Asks, when it is time to. Of what is `held` back nothing is expected.
    ///
    /// # Errors
    /// [`Error::Rebuild`] when this client will not deliver what is there.
    pub(super) fn check(&mut self, consumer: &BaseConsumer<Membership>, held: &BTreeSet<Input>) -> Result<(), Error> {
        let membership = consumer.context();
        if let Some(waited) = membership.waits()
            && waited > UNASSIGNED
        {
            return Err(Error::Rebuild(format!("the group has assigned nothing in {waited:?}")));
        }
        let partitions = membership.partitions();
        let expected = partitions.iter().filter(|input| !held.contains(input));
        match self.growth.undelivered(consumer, expected.map(|input| (membership.name_of(*input), input.partition))) {
            Some(partition) => Err(Error::Rebuild(format!("{partition} grows, but nothing of it is delivered"))),
            None => Ok(()),
        }
    }
}
