//! Errors that carry the decision: wait, abort, rebuild or give up.

/// What went wrong, by what must be done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A part that the task needs is away (say, the registry): nothing was changed, try the record again later.
    #[error("{0}")]
    Unavailable(String),
    /// The transaction was aborted, or never reached the broker: go back to the committed offsets.
    #[error("transaction aborted: {0}")]
    Aborted(String),
    /// The outcome is unknown or the client is unusable: make the clients anew, then go back to the
    /// committed offsets. Never reuse the old ones.
    #[error("the Kafka clients must be made anew: {0}")]
    Rebuild(String),
    /// Going on would be wrong or useless: stop the process and say why.
    #[error("{0}")]
    Fatal(String),
}

impl Error {
    /// Says at which record it happened.
    pub(crate) fn at(self, record: &crate::Record<'_>) -> Self {
        match self {
            Error::Fatal(why) => Error::Fatal(format!("partition {} offset {}: {why}", record.partition, record.offset)),
            other => other,
        }
    }
}
