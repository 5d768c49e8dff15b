//! Creates topics once, and says how one that exists differs.

use super::{Error, Mismatch, TIMEOUT};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::{Client, DefaultClientContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// A topic as it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicSpec {
    /// Its name.
    pub name: String,
    /// Its partitions.
    pub partitions: i32,
    /// Whether only the latest record of a key is kept (control topics); else all are, for ever.
    pub compacted: bool,
}

/// What became of a [`TopicSpec`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was not there.
    Created,
    /// It was there, and is as it must be.
    Existed,
}

impl TopicSpec {
    /// Settings that must hold on a topic that exists as well: with other timestamps, retention deletes history.
    fn required(&self) -> [(&'static str, &'static str); 2] {
        [("message.timestamp.type", "LogAppendTime"), ("cleanup.policy", if self.compacted { "compact" } else { "delete" })]
    }

    fn settings(&self) -> Vec<(&'static str, &'static str)> {
        let mut settings = self.required().to_vec();
        if !self.compacted {
            settings.push(("retention.ms", "-1"));
        }
        settings
    }
}

/// Partition counts of those of `topics` that exist.
pub(super) fn partitions_of(client: &Client<DefaultClientContext>, topics: &[&str]) -> Result<HashMap<String, i32>, Error> {
    Ok(describe(client, topics)?.into_iter().map(|(name, (partitions, _))| (name, partitions)).collect())
}

/// Partition counts of those of `topics` that exist, and whether all their partitions have a leader.
fn describe(client: &Client<DefaultClientContext>, topics: &[&str]) -> Result<HashMap<String, (i32, bool)>, Error> {
    let mut found = HashMap::new();
    for topic in topics {
        let doing = || format!("look up topic {topic}");
        let metadata = client.fetch_metadata(Some(topic), TIMEOUT).map_err(|e| Error::kafka(&doing(), e))?;
        for described in metadata.topics() {
            match described.error().map(RDKafkaErrorCode::from) {
                None | Some(RDKafkaErrorCode::LeaderNotAvailable) => {
                    let led = described.partitions().iter().all(|p| p.leader() >= 0);
                    found.insert(described.name().to_owned(), (described.partitions().len() as i32, led));
                }
                Some(RDKafkaErrorCode::UnknownTopicOrPartition) => {}
                Some(code) => return Err(Error::kafka(&doing(), KafkaError::MetadataFetch(code))),
            }
        }
    }
    found.retain(|_, (partitions, _)| *partitions > 0);
    Ok(found)
}

pub(super) async fn create(admin: &AdminClient<DefaultClientContext>, specs: &[TopicSpec]) -> Result<Vec<(String, Outcome)>, Error> {
    let names: Vec<&str> = specs.iter().map(|s| s.name.as_str()).collect();
    let existing = partitions_of(admin.inner(), &names)?;
    let mismatches = mismatches(admin, specs, &existing).await?;
    if !mismatches.is_empty() {
        return Err(Error::Mismatch(mismatches));
    }
    let missing: Vec<&TopicSpec> = specs.iter().filter(|s| !existing.contains_key(&s.name)).collect();
    let raced = request(admin, &missing).await?;
    wait_for_leaders(admin.inner(), &missing).await?;
    if !raced.is_empty() {
        // another apply created them in the meantime: they must be what we wanted
        let existing = partitions_of(admin.inner(), &names)?;
        let mismatches = self::mismatches(admin, specs, &existing).await?;
        if !mismatches.is_empty() {
            return Err(Error::Mismatch(mismatches));
        }
    }
    let created = |spec: &TopicSpec| !existing.contains_key(&spec.name) && !raced.contains(&spec.name);
    Ok(specs.iter().map(|s| (s.name.clone(), if created(s) { Outcome::Created } else { Outcome::Existed })).collect())
}

/// Asks for `missing` topics; gives the names of those that were there after all.
async fn request(admin: &AdminClient<DefaultClientContext>, missing: &[&TopicSpec]) -> Result<Vec<String>, Error> {
    if missing.is_empty() {
        return Ok(Vec::new());
    }
    let new = missing.iter().map(|spec| {
        let topic = NewTopic::new(&spec.name, spec.partitions, TopicReplication::Fixed(-1));
        spec.settings().into_iter().fold(topic, |topic, (key, value)| topic.set(key, value))
    });
    let new: Vec<NewTopic<'_>> = new.collect();
    let options = AdminOptions::new().request_timeout(Some(TIMEOUT)).operation_timeout(Some(TIMEOUT));
    let results = admin.create_topics(&new, &options).await.map_err(|e| Error::kafka("create topics", e))?;
    let mut raced = Vec::new();
    for result in results {
        match result {
            Ok(_) => {}
            Err((name, RDKafkaErrorCode::TopicAlreadyExists)) => raced.push(name),
            Err((name, code)) => return Err(Error::kafka(&format!("create topic {name}"), KafkaError::AdminOp(code))),
        }
    }
    Ok(raced)
}

async fn wait_for_leaders(client: &Client<DefaultClientContext>, topics: &[&TopicSpec]) -> Result<(), Error> {
    let give_up = Instant::now() + TIMEOUT;
    let mut waiting: Vec<&str> = topics.iter().map(|s| s.name.as_str()).collect();
    loop {
        let described = describe(client, &waiting)?;
        waiting.retain(|name| !described.get(*name).is_some_and(|(_, led)| *led));
        if waiting.is_empty() {
            return Ok(());
        }
        if Instant::now() > give_up {
            return Err(Error::NoLeader(waiting.into_iter().map(str::to_owned).collect()));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn mismatches(
    admin: &AdminClient<DefaultClientContext>,
    specs: &[TopicSpec],
    existing: &HashMap<String, i32>,
) -> Result<Vec<Mismatch>, Error> {
    let doing = "read topic settings";
    let present: Vec<&TopicSpec> = specs.iter().filter(|s| existing.contains_key(&s.name)).collect();
    if present.is_empty() {
        return Ok(Vec::new());
    }
    let resources: Vec<ResourceSpecifier<'_>> = present.iter().map(|s| ResourceSpecifier::Topic(&s.name)).collect();
    let options = AdminOptions::new().request_timeout(Some(TIMEOUT));
    let answers = admin.describe_configs(&resources, &options).await.map_err(|e| Error::kafka(doing, e))?;
    let mut found = Vec::new();
    for (spec, answer) in present.iter().zip(answers) {
        let settings = answer.map_err(|code| Error::kafka(doing, KafkaError::AdminOp(code)))?;
        let setting = |name: &str| settings.get(name).and_then(|e| e.value.clone()).unwrap_or_default();
        found.extend(differences(spec, existing.get(&spec.name).copied().unwrap_or(0), setting));
    }
    Ok(found)
}

/// How a topic with `partitions` and settings `setting` differs from `spec`.
fn differences(spec: &TopicSpec, partitions: i32, setting: impl Fn(&str) -> String) -> Vec<Mismatch> {
    let mismatch = |what: &str, has: String, wants: String| {
        (has != wants).then(|| Mismatch { topic: spec.name.clone(), what: what.to_owned(), has, wants })
    };
    let counts = mismatch("partitions", partitions.to_string(), spec.partitions.to_string());
    let settings = spec.required().into_iter().filter_map(|(name, wants)| mismatch(name, setting(name), wants.to_owned()));
    counts.into_iter().chain(settings).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(partitions: i32, compacted: bool) -> TopicSpec {
        TopicSpec { name: "p.raw".into(), partitions, compacted }
    }

    fn settings(timestamps: &'static str, cleanup: &'static str) -> impl Fn(&str) -> String {
        move |name| if name == "cleanup.policy" { cleanup.to_owned() } else { timestamps.to_owned() }
    }

    #[test]
    fn a_topic_as_specified_does_not_differ() {
        assert_eq!(differences(&spec(4, false), 4, settings("LogAppendTime", "delete")), []);
        assert_eq!(differences(&spec(1, true), 1, settings("LogAppendTime", "compact")), []);
    }

    #[test]
    fn every_difference_is_named_with_its_fix() {
        let found = differences(&spec(4, false), 2, settings("CreateTime", "compact"));
        let text = Error::Mismatch(found).to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines[0].contains("p.raw has 2 partitions") && lines[0].contains("wants 4") && lines[0].contains("source.partitions: 2"));
        assert!(lines[1].contains("message.timestamp.type=CreateTime"));
        assert!(lines[2].contains("cleanup.policy=compact"));
    }
}
