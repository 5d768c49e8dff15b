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

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use tidemill_model::Learner;
    use tidemill_model::artefact::{File, Files, Span};
    use tidemill_statistics::drift::{Number, Reference};

    fn manifest(references: &[u8]) -> Vec<u8> {
        let span = Span { from: 0, to: 1 };
        let (model, golden, references) = (File::of(b"m"), File::of(b"g"), File::of(references));
        let manifest = Manifest {
            format: Manifest::FORMAT,
            pipeline: "p".into(),
            pipeline_version: 1,
            pipeline_digest: format!("sha256:{}", "0".repeat(64)),
            name: "p".into(),
            version: 1,
            objective: "binary".into(),
            learner: Learner::Lightgbm,
            libraries: BTreeMap::new(),
            parameters: BTreeMap::new(),
            search: Vec::new(),
            seed: 0,
            features: Vec::new(),
            train: span,
            validation: span,
            holdout: span,
            label_horizon: 1,
            sources: Vec::new(),
            training_files: Vec::new(),
            files: Files { model, golden, references },
            metrics: BTreeMap::new(),
            rows: 1,
            positives: 0,
        };
        manifest.to_bytes().unwrap()
    }

    fn references() -> References {
        References::new(vec![ColumnReference { name: "a".into(), reference: Reference::Number(Number::new(&[1.0, 2.5])) }])
    }

    #[test]
    fn references_are_found_by_the_digest_of_the_model() {
        let dir = tempfile::tempdir().unwrap();
        let store = ArtefactStore::open(&format!("file://{}", dir.path().display())).unwrap();
        let fetch = fetch(store.clone());
        for bytes in [serde_json::to_vec(&references()).unwrap(), serde_json::to_vec(&references().columns).unwrap()] {
            let digest = format!("sha256:{}", store.put_blob(manifest(&bytes)).unwrap());
            // the model is deployed, so what it names is somewhere: wait for it
            assert!(matches!(fetch(&digest), Fetched::Away(_)));
            store.put_blob(bytes).unwrap();
            assert_eq!(fetch(&digest), Fetched::Found(Box::new(references())));
        }
        assert!(matches!(fetch(&format!("sha256:{}", "1".repeat(64))), Fetched::Away(_)));
        assert!(matches!(fetch("bootstrap"), Fetched::Nothing(_)));
        let other = format!("sha256:{}", store.put_blob(b"{}".to_vec()).unwrap());
        assert!(matches!(fetch(&other), Fetched::Nothing(_)), "no manifest: asking again does not help");
    }
}
