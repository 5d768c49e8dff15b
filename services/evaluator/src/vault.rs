//! Models and the rows held back for them, in the object store.

use crate::judge::{Failed, Holdout, Opened, Vault};
use bytes::Bytes;
use tidemill_artefacts::{ArtefactStore, Error, Unopened};
use tidemill_model::artefact::{Model, TrainingFile, sha256};
use tidemill_training_set::Rows;

/// Largest file of rows that is read, bytes.
const MAX_ROWS: u64 = 4 << 30;
/// Where the trainer puts the rows that it holds back, among the files of the training set.
const HELD_BACK: &str = "holdout/";

/// The object store as a [`Vault`].
#[derive(Clone)]
pub(crate) struct Artefacts(pub(crate) ArtefactStore);

struct OpenedModel {
    store: ArtefactStore,
    model: Model,
}

fn failed(error: &Error) -> Failed {
    if error.is_transient() { Failed::Away(error.to_string()) } else { Failed::Refused(error.to_string()) }
}

fn refused(reason: &str, why: impl std::fmt::Display) -> Failed {
    Failed::Refused(format!("{reason}: {why}"))
}

impl Vault for Artefacts {
    fn open(&self, digest: &str) -> Result<Box<dyn Opened>, Failed> {
        let model = self.0.model(digest).map_err(|unopened| match unopened {
            Unopened::Away(why) => Failed::Away(why),
            refused => Failed::Refused(refused.to_string()),
        })?;
        Ok(Box::new(OpenedModel { store: self.0.clone(), model }))
    }
}

impl OpenedModel {
    fn rows(&self, file: &TrainingFile) -> Result<Rows, Failed> {
        let bytes = self.store.get(&file.path, MAX_ROWS).map_err(|e| failed(&e))?;
        let found = sha256(&bytes);
        if found != file.sha256 {
            return Err(refused("digest_mismatch", format!("{} has {found}, the manifest says {}", file.path, file.sha256)));
        }
        tidemill_training_set::read(Bytes::from(bytes)).map_err(|e| refused("bad_rows", format!("{}: {e}", file.path)))
    }
}

impl Opened for OpenedModel {
    fn features(&self) -> &[String] {
        self.model.scorer.features()
    }

    fn scores(&self, rows: &[f64]) -> Vec<f64> {
        let mut scores = Vec::new();
        self.model.scorer.scores(rows, &mut scores);
        scores
    }

    fn holdout(&self) -> Result<Holdout, Failed> {
        let mut holdout = Holdout::default();
        for file in self.model.manifest.training_files.iter().filter(|file| file.path.starts_with(HELD_BACK)) {
            let rows = self.rows(file)?;
            let features: Vec<String> = rows.columns.features.iter().map(ToString::to_string).collect();
            if holdout.labels.is_empty() {
                holdout.columns = vec![Vec::new(); features.len()];
                holdout.features = features;
            } else if holdout.features != features {
                return Err(refused("bad_rows", format!("{} has other columns than the files before it", file.path)));
            }
            for (column, values) in holdout.columns.iter_mut().zip(rows.features) {
                column.extend(values);
            }
            holdout.labels.extend(rows.label);
        }
        Ok(holdout)
    }
}

#[cfg(test)]
mod tests;
