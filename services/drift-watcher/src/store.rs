//! References out of the object store: a model's digest names its manifest, the manifest the references.

use crate::references::{Fetch, Fetched};
use tidemill_artefacts::{ArtefactStore, Error};
use tidemill_model::artefact::Manifest;
use tidemill_statistics::drift::{ColumnReference, References};

/// Largest manifest and references that are read, bytes.
const MOST: u64 = 256 << 20;

/// Fetches from `store`.
pub(crate) fn fetch(store: ArtefactStore) -> Box<Fetch> {
    Box::new(move |digest| references(&store, digest))
}

fn references(store: &ArtefactStore, digest: &str) -> Fetched {
    let Some(sha256) = digest.strip_prefix("sha256:") else { return Fetched::Nothing(format!("`{digest}` is no digest")) };
    let manifest = match store.get_blob(sha256, MOST) {
        Ok(bytes) => Manifest::read(&bytes),
        Err(error) => return failed(&error),
    };
    let manifest = match manifest {
        Ok(manifest) => manifest,
        Err(refused) => return Fetched::Nothing(refused.to_string()),
    };
    match store.get_blob(&manifest.files.references.sha256, MOST).map(|bytes| read(&bytes)) {
        Ok(Ok(references)) => Fetched::Found(Box::new(references)),
        Ok(Err(error)) => Fetched::Nothing(format!("its references cannot be read: {error}")),
        Err(error) => failed(&error),
    }
}

/// A file that a model names is somewhere: if it is not found, or damaged, the store is not whole yet.
fn failed(error: &Error) -> Fetched {
    match error {
        Error::TooLarge { .. } | Error::Path { .. } => Fetched::Nothing(error.to_string()),
        other => Fetched::Away(other.to_string()),
    }
}

/// References, or the bare list of columns: then nothing is known of what is usual.
fn read(bytes: &[u8]) -> serde_json::Result<References> {
    let list = || serde_json::from_slice::<Vec<ColumnReference>>(bytes).map(References::new);
    serde_json::from_slice(bytes).or_else(|error| list().map_err(|_| error))
}
