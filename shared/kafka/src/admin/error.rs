//! What can be wrong with a cluster, in words that say what to do.

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use std::fmt;

/// Why a question to the cluster has no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The broker did not answer, or refused.
    #[error("could not {doing}: {source}")]
    Kafka {
        /// What was asked.
        doing: String,
        /// The client's word.
        source: KafkaError,
    },
    /// There is no such topic.
    #[error("topic {0} does not exist: apply the pipeline first")]
    NoTopic(String),
    /// The broker does not have this setting, or does not tell.
    #[error("the broker does not say what its setting {0} is")]
    NoSetting(String),
    /// Topics exist in another shape than wanted; all of them.
    #[error("{}", lines(.0))]
    Mismatch(Vec<Mismatch>),
    /// Topics were created but got no leader in time.
    #[error("the topics {} were created but have no leader: are all brokers up?", .0.join(", "))]
    NoLeader(Vec<String>),
}

/// How an existing topic differs from what is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// The topic.
    pub topic: String,
    /// `partitions`, or the name of a topic setting.
    pub what: String,
    /// What it has.
    pub has: String,
    /// What is wanted.
    pub wants: String,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { topic, what, has, wants } = self;
        if what == "partitions" {
            write!(f, "topic {topic} has {has} partitions, the pipeline file wants {wants}; topics never grow: ")?;
            write!(f, "set `source.partitions: {has}`, or apply under another pipeline name")
        } else {
            write!(f, "topic {topic} has {what}={has}, Tidemill needs {wants}; ")?;
            write!(f, "set it with kafka-configs, or delete the topic if nothing in it matters, and apply again")
        }
    }
}

fn lines(all: &[Mismatch]) -> String {
    all.iter().map(Mismatch::to_string).collect::<Vec<_>>().join("\n")
}

impl Error {
    pub(super) fn kafka(doing: &str, source: KafkaError) -> Self {
        Error::Kafka { doing: doing.to_owned(), source }
    }

    /// Whether the same question may be answered later.
    #[must_use]
    pub fn is_retriable(&self) -> bool {
        let Error::Kafka { source, .. } = self else { return matches!(self, Error::NoLeader(_)) };
        let code = if let KafkaError::AdminOp(code) = source { Some(*code) } else { source.rdkafka_error_code() };
        !matches!(
            code,
            Some(
                RDKafkaErrorCode::TopicAuthorizationFailed
                    | RDKafkaErrorCode::GroupAuthorizationFailed
                    | RDKafkaErrorCode::ClusterAuthorizationFailed
                    | RDKafkaErrorCode::PolicyViolation
                    | RDKafkaErrorCode::InvalidConfig
                    | RDKafkaErrorCode::InvalidPartitions
            )
        )
    }
}
