//! Notices that a member of a group gets nothing: no partitions, or nothing of one of them.

use super::consume::Membership;
use crate::delivery::Delivery;
use rdkafka::consumer::{BaseConsumer, Consumer};
use std::collections::BTreeSet;
use std::time::Duration;
use tidemill_stream::{Error, Input};

/// How long a member may wait for the group to assign something, be it nothing: twice the session, after which the group
/// waits for nobody. It may wait longer for a member that restores its state; then a new client does no harm.
const UNASSIGNED: Duration = Duration::from_secs(12);

/// Looks, when it is time to. Of what is `held` back nothing is expected.
///
/// # Errors
/// [`Error::Rebuild`] when this client will not deliver what is there.
pub(super) fn check(consumer: &BaseConsumer<Membership>, delivery: &mut Delivery, held: &BTreeSet<Input>) -> Result<(), Error> {
    let membership = consumer.context();
    if let Some(waited) = membership.waits()
        && waited > UNASSIGNED
    {
        return Err(Error::Rebuild(format!("the group has assigned nothing in {waited:?}")));
    }
    let partitions = membership.partitions();
    let expected = partitions.into_iter().filter(|input| !held.contains(input));
    delivery
        .missing(consumer, &membership.fetched, |input| membership.name_of(input), expected)
        .map_or(Ok(()), |what| Err(Error::Rebuild(what)))
}
