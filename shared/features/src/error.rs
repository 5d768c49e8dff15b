//! Why a hop cannot run, or packed bytes are not a state of it.

/// A fault of this crate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The hop's features and columns do not fit together or the event schema.
    #[error("entity `{entity}`: {what}")]
    Spec {
        /// The hop's entity.
        entity: String,
        /// What does not fit.
        what: String,
    },
    /// The bytes end too early.
    #[error("the packed state ends too early")]
    Truncated,
    /// The bytes are of a format that this version does not know.
    #[error("packed state of format {0}: this version reads format {known}", known = crate::pack::FORMAT)]
    Format(u8),
    /// The bytes were packed under other columns, another horizon, or with or without outcomes.
    #[error("packed state of another specification ({found:016x}, here {expected:016x}): it must be rebuilt")]
    OtherSpec {
        /// Fingerprint in the bytes.
        found: u64,
        /// Fingerprint of the hop at hand.
        expected: u64,
    },
    /// The bytes are not what [`crate::KeyState::pack`] writes.
    #[error("the packed state is damaged: {0}")]
    Damaged(&'static str),
}
