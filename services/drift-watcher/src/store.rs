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
        Err(error) => return failed(store, &error),
    };
    let manifest = match manifest {
        Ok(manifest) => manifest,
        Err(refused) => return Fetched::Nothing(refused.to_string()),
    };
    match store.get_blob(&manifest.files.references.sha256, MOST).map(|bytes| read(&bytes)) {
        Ok(Ok(references)) => Fetched::Found(Box::new(references)),
        Ok(Err(error)) => Fetched::Nothing(format!("its references cannot be read: {error}")),
        Err(error) => failed(store, &error),
    }
}

/// A store that is away is asked again. What is damaged or gone may stay so for ever, and windows that wait for it keep all
/// that come after them from being watched: such a model has no references.
fn failed(store: &ArtefactStore, error: &Error) -> Fetched {
    if error.is_transient() || is_not_mounted(store, error) {
        Fetched::Away(error.to_string())
    } else {
        Fetched::Nothing(error.to_string())
    }
}

/// Whether what was not found may be there yet: a store without a single blob is not the one that the model was put into. The
/// folder of one that is not mounted looks like that; a window that is told without its model's references is never told again.
fn is_not_mounted(store: &ArtefactStore, error: &Error) -> bool {
    matches!(error, Error::NotFound { .. }) && store.list("blobs").map_or(true, |blobs| blobs.is_empty())
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
    use std::fs;
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

    fn digest(sha256: &str) -> String {
        format!("sha256:{sha256}")
    }

    fn store() -> (tempfile::TempDir, ArtefactStore) {
        let dir = tempfile::tempdir().unwrap();
        let store = ArtefactStore::open(&format!("file://{}", dir.path().display())).unwrap();
        (dir, store)
    }

    #[test]
    fn references_are_found_by_the_digest_of_the_model() {
        let (_dir, store) = store();
        let fetch = fetch(store.clone());
        for bytes in [serde_json::to_vec(&references()).unwrap(), serde_json::to_vec(&references().columns).unwrap()] {
            let model = digest(&store.put_blob(manifest(&bytes)).unwrap());
            store.put_blob(bytes).unwrap();
            assert_eq!(fetch(&model), Fetched::Found(Box::new(references())));
        }
        assert!(matches!(fetch("bootstrap"), Fetched::Nothing(_)));
        let other = digest(&store.put_blob(b"{}".to_vec()).unwrap());
        assert!(matches!(fetch(&other), Fetched::Nothing(_)), "no manifest: asking again does not help");
    }

    #[test]
    fn what_is_damaged_or_gone_is_not_waited_for() {
        let (dir, store) = store();
        let fetch = fetch(store.clone());
        let file = |sha256: &str| dir.path().join("blobs/sha256").join(&sha256[..2]).join(sha256);
        let bytes = serde_json::to_vec(&references()).unwrap();
        let sha256 = store.put_blob(manifest(&bytes)).unwrap();
        assert!(matches!(fetch(&digest(&sha256)), Fetched::Nothing(_)), "the manifest is there, so the references are lost");
        let named = store.put_blob(bytes).unwrap();
        for damaged in [named, sha256.clone()] {
            let good = fs::read(file(&damaged)).unwrap();
            fs::write(file(&damaged), b"other bytes").unwrap();
            assert!(matches!(fetch(&digest(&sha256)), Fetched::Nothing(_)), "{damaged} is damaged");
            fs::write(file(&damaged), good).unwrap();
            assert!(matches!(fetch(&digest(&sha256)), Fetched::Found(_)));
        }
        fs::remove_file(file(&sha256)).unwrap();
        assert!(matches!(fetch(&digest(&sha256)), Fetched::Nothing(_)), "gone from a store that has other blobs");
    }

    #[test]
    fn a_store_that_is_away_or_not_mounted_yet_is_waited_for() {
        let (dir, store) = store();
        let fetch = fetch(store.clone());
        let bytes = serde_json::to_vec(&references()).unwrap();
        let model = manifest(&bytes);
        let sha256 = File::of(&model).sha256;
        assert!(matches!(fetch(&digest(&sha256)), Fetched::Away(_)), "it has no blob at all");
        fs::write(dir.path().join("blobs"), b"no folder").unwrap();
        assert!(matches!(fetch(&digest(&sha256)), Fetched::Away(_)), "it cannot be read");
        fs::remove_file(dir.path().join("blobs")).unwrap();
        for blob in [model, bytes] {
            store.put_blob(blob).unwrap();
        }
        assert!(matches!(fetch(&digest(&sha256)), Fetched::Found(_)));
    }
}
