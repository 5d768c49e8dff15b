//! Why the store did not answer.

/// The store could not do what was asked; the same may work later.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The address is not one.
    #[error("Redis address `{address}`: {why}; write host:port or redis://user:password@host:port/db")]
    Address {
        /// What was given.
        address: String,
        /// What is wrong with it.
        why: String,
    },
    /// No answer, or one that is an error.
    #[error("Redis at {address}: {why}")]
    Unavailable {
        /// The server, without credentials.
        address: String,
        /// What it said, or what became of the connection.
        why: String,
    },
}
