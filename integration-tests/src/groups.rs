//! Who has which partitions, as the broker's group coordinator says.

use crate::environment::Environment;
use anyhow::{Context, Result, ensure};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use std::collections::BTreeMap;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(10);

/// The partitions of each member of `group`, by the member's client id; of all its topics together.
///
/// # Errors
/// When the broker does not tell, or the group is being rebalanced.
pub fn assignments(environment: &Environment, group: &str) -> Result<BTreeMap<String, Vec<(String, i32)>>> {
    let client: BaseConsumer = ClientConfig::new().set("bootstrap.servers", &environment.kafka).create()?;
    let list = client.client().fetch_group_list(Some(group), TIMEOUT).context("the broker lists no groups")?;
    let group = list.groups().iter().find(|g| g.name() == group).with_context(|| format!("there is no group {group}"))?;
    ensure!(group.state() == "Stable", "group {} is {}", group.name(), group.state());
    let member = |m: &rdkafka::groups::GroupMemberInfo| Ok((m.client_id().to_owned(), partitions(m.assignment().unwrap_or_default())?));
    group.members().iter().map(member).collect()
}

/// Reads Kafka's `ConsumerProtocolAssignment`: version, then topics, each with its partitions.
fn partitions(mut bytes: &[u8]) -> Result<Vec<(String, i32)>> {
    let mut found = Vec::new();
    take(&mut bytes, 2)?;
    for _ in 0..number(&mut bytes)? {
        let length = take(&mut bytes, 2)?;
        let topic = take(&mut bytes, usize::from(u16::from_be_bytes([length[0], length[1]])))?;
        let topic = String::from_utf8_lossy(topic).into_owned();
        for _ in 0..number(&mut bytes)? {
            found.push((topic.clone(), number(&mut bytes)?));
        }
    }
    Ok(found)
}

fn number(bytes: &mut &[u8]) -> Result<i32> {
    let four = take(bytes, 4)?;
    Ok(i32::from_be_bytes([four[0], four[1], four[2], four[3]]))
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Result<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(count).context("the assignment ends early")?;
    *bytes = rest;
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_assignment_is_read() {
        let bytes = [&[0, 1, 0, 0, 0, 1, 0, 3][..], b"p.r", &[0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 3, 0xff, 0xff, 0xff, 0xff]].concat();
        assert_eq!(partitions(&bytes).unwrap(), [("p.r".to_owned(), 0), ("p.r".to_owned(), 3)]);
        assert!(partitions(&bytes[..bytes.len() - 9]).is_err());
        assert!(partitions(&[0, 1, 0, 0, 0, 0]).unwrap().is_empty());
    }
}
