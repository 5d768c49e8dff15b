//! Models in the store: opened by the digest of their manifest, and by nothing else.

use crate::{ArtefactStore, Error};
use tidemill_model::artefact::{Manifest, Model, OpenError};

/// Largest manifest that is read, bytes.
const MAX_MANIFEST: u64 = 16 << 20;

/// Why a model was not opened.
#[derive(Debug, thiserror::Error)]
pub enum Unopened {
    /// The store is away: the same may work later.
    #[error("{0}")]
    Away(String),
    /// It is not what was deployed, or not fit to serve; it never will be.
    #[error("{reason}: {detail}")]
    Refused {
        /// The reason's name: `digest_mismatch`, `truncated`, `golden_mismatch`, …
        reason: &'static str,
        /// What was found, for people.
        detail: String,
    },
}

impl ArtefactStore {
    /// The manifest that has `digest` (`sha256:<hex>`).
    ///
    /// # Errors
    /// [`Unopened`].
    pub fn manifest(&self, digest: &str) -> Result<Manifest, Unopened> {
        let bytes = self.manifest_bytes(digest)?;
        Manifest::read(&bytes).map_err(|e| refused("bad_manifest", e.to_string()))
    }

    fn manifest_bytes(&self, digest: &str) -> Result<Vec<u8>, Unopened> {
        let hex = digest.strip_prefix("sha256:").ok_or_else(|| refused("bad_digest", format!("`{}`", digest.escape_debug())))?;
        self.get_blob(hex, MAX_MANIFEST).map_err(|e| unfetched("not_fetched", &e))
    }

    /// Opens the model whose manifest has `digest` (`sha256:<hex>`). Every digest and size is checked, and its golden
    /// rows are scored. Whether the caller has the features that its manifest names is for the caller to see.
    ///
    /// # Errors
    /// [`Unopened`].
    pub fn model(&self, digest: &str) -> Result<Model, Unopened> {
        let manifest = self.manifest_bytes(digest)?;
        let named = Manifest::read(&manifest).map_err(|e| refused("bad_manifest", e.to_string()))?;
        let features: Vec<&str> = named.features.iter().map(|feature| feature.name.as_str()).collect();
        Model::open(&manifest, digest, &features, |sha256, bytes| self.get_blob(sha256, bytes)).map_err(|error| match &error {
            OpenError::Fetch { source, .. } => unfetched(error.reason(), source),
            _ => refused(error.reason(), error.to_string()),
        })
    }
}

fn refused(reason: &'static str, detail: String) -> Unopened {
    Unopened::Refused { reason, detail }
}

fn unfetched(reason: &'static str, error: &Error) -> Unopened {
    if error.is_transient() { Unopened::Away(error.to_string()) } else { refused(reason, error.to_string()) }
}
