//! Why the store did not do what was asked.

/// A fault of the store, or of what was asked of it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is not one.
    #[error("object store address `{address}`: {why}; write file:///a/folder")]
    Address {
        /// What was given.
        address: String,
        /// What is wrong with it.
        why: String,
    },
    /// The path is not one that is stored here.
    #[error("path `{path}`: {why}")]
    Path {
        /// What was given.
        path: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// There is no such file.
    #[error("there is no `{path}` in the object store")]
    NotFound {
        /// Its path.
        path: String,
    },
    /// The file is larger than the caller wants to hold.
    #[error("`{path}` has {bytes} bytes, {most} are most")]
    TooLarge {
        /// Its path.
        path: String,
        /// Its size.
        bytes: u64,
        /// The caller's bound.
        most: u64,
    },
    /// The bytes under a digest have another one.
    #[error("`{path}` is damaged: its digest is {found}")]
    Damaged {
        /// Its path, which names the digest it should have.
        path: String,
        /// The digest of what is there.
        found: String,
    },
    /// Called from inside an async task, which it would block.
    #[error("the object store was called from an async task; use spawn_blocking")]
    AsyncCaller,
    /// The store did not answer, or not with what was asked; the same may work later.
    #[error("the object store cannot {what}: {why}")]
    Unavailable {
        /// What was tried.
        what: String,
        /// What went wrong.
        why: String,
    },
}

impl Error {
    /// Whether the same call may work later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }
}
