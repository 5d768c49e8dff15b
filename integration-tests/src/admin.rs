//! Topics made and deleted, as those do who run the broker.

use anyhow::{Context, Result, ensure};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(10);

/// Creates a topic as people create them: with the time that producers say.
///
/// # Errors
/// When the broker refuses.
pub fn create_topic(brokers: &str, topic: &str, partitions: i32) -> Result<()> {
    let new = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
    for outcome in wait(client(brokers)?.create_topics([&new], &options()))?? {
        ensure!(outcome.is_ok(), "{outcome:?}");
    }
    Ok(())
}

/// Deletes the topics that begin with `prefix`.
///
/// # Errors
/// When the broker refuses.
pub fn delete_topics(brokers: &str, prefix: &str) -> Result<()> {
    let client = client(brokers)?;
    let metadata = client.inner().fetch_metadata(None, TIMEOUT).context("the broker does not tell its topics")?;
    let topics: Vec<&str> = metadata.topics().iter().map(|t| t.name()).filter(|name| name.starts_with(prefix)).collect();
    for outcome in wait(client.delete_topics(&topics, &options()))?? {
        ensure!(outcome.is_ok(), "{outcome:?}");
    }
    Ok(())
}

fn client(brokers: &str) -> Result<AdminClient<DefaultClientContext>> {
    ClientConfig::new().set("bootstrap.servers", brokers).create().context("cannot set up an admin client")
}

fn options() -> AdminOptions {
    AdminOptions::new().operation_timeout(Some(TIMEOUT))
}

fn wait<F: Future>(future: F) -> Result<F::Output> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(future))
}
