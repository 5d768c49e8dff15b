//! A model made again from the training set that its manifest names: the proof that nothing else went into it.

use crate::artefact::table;
use crate::files;
use crate::interrupted::Interrupted;
use crate::learner::{self, Parameters};
use tidemill_artefacts::ArtefactStore;
use tidemill_model::artefact::{File, Manifest};

/// What came of making a model again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reproduced {
    /// SHA-256 of the bytes that came out: `manifest.files.model.sha256`, or something is not as it was.
    pub sha256: String,
    /// Rows it was trained on.
    pub rows: usize,
    /// Libraries that are not those of the manifest: `NAME VERSION, the manifest has VERSION`.
    pub other_libraries: Vec<String>,
}

/// Trains again what `manifest` describes, with the parameters that were found then, on the training set that it names.
///
/// # Errors
/// [`Interrupted`]: a file of the training set is not there or not the same, or the learner failed.
pub fn reproduce(manifest: &Manifest, store: &ArtefactStore) -> Result<Reproduced, Interrupted> {
    let (rows, holdout) = files::load(store, &manifest.training_files)?;
    let names: Vec<&str> = manifest.features.iter().map(|f| f.name.as_str()).collect();
    if !rows.columns.features.iter().map(|name| name.as_str()).eq(names) {
        return Err(Interrupted::Failed("the training files have other features than the manifest".into()));
    }
    let parameters: Parameters = manifest.parameters.clone();
    let seed = u32::try_from(manifest.seed).map_err(|_| Interrupted::Failed(format!("seed {} is not possible", manifest.seed)))?;
    let fitted = learner::fit(manifest.learner, &table(&rows, 0..holdout)?, &parameters, seed)?;
    Ok(Reproduced { sha256: File::of(&fitted.bytes).sha256, rows: holdout, other_libraries: other_libraries(manifest) })
}

fn other_libraries(manifest: &Manifest) -> Vec<String> {
    let here = learner::libraries(manifest.learner);
    let names = manifest.libraries.keys().chain(here.keys().filter(|name| !manifest.libraries.contains_key(*name)));
    let differs = |name: &&String| manifest.libraries.get(*name) != here.get(*name);
    let version = |version: Option<&String>| version.map_or("no version", String::as_str).to_owned();
    let tell = |name: &String| format!("{name} {}, the manifest has {}", version(here.get(name)), version(manifest.libraries.get(name)));
    names.filter(differs).map(tell).collect()
}
