//! From rows to an artefact in the store: training set, model, golden rows, references, manifest. The same rows and
//! settings give the same bytes; nothing names the artefact before all of it is there.

use crate::files;
use crate::golden::golden;
use crate::interrupted::Interrupted;
use crate::learner::{self, Dataset, Found, Progress};
use crate::references::references;
use crate::split::Split;
use std::collections::BTreeMap;
use std::ops::Range;
use tidemill_artefacts::ArtefactStore;
use tidemill_events::control;
use tidemill_model::Learner;
use tidemill_model::artefact::{File, Files, Manifest, OffsetRange, Span, Trial, TypedFeature};
use tidemill_pipeline::learning::{self, Search};
use tidemill_training_set::Rows;

/// The seed of everything random in a training.
const SEED: u32 = 1;

/// What a training goes by, besides its rows.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The pipeline's name, which is the model's too.
    pub pipeline: String,
    /// Version of its file.
    pub pipeline_version: i32,
    /// Digest of its file.
    pub pipeline_digest: String,
    /// What trains.
    pub learner: Learner,
    /// What the search tries.
    pub search: Search,
    /// How long a label may take, microseconds.
    pub horizon: i64,
    /// Length of the windows in which drift is watched, microseconds.
    pub drift_window: i64,
}

/// A model in the store.
#[derive(Debug, Clone, PartialEq)]
pub struct Made {
    /// `sha256:…` of its manifest.
    pub digest: String,
    /// What was measured on the validation part.
    pub metrics: BTreeMap<String, f64>,
}

/// The learner that a file names.
#[must_use]
pub fn learner_of(model: &learning::Model) -> Learner {
    match model.learner {
        learning::Learner::Lightgbm => Learner::Lightgbm,
        learning::Learner::Logistic => Learner::Logistic,
    }
}

/// What watches a training while it is made.
pub trait Watch {
    /// Files are written.
    fn files(&self);
    /// The search is at a point; whether it shall go on.
    fn search(&self, progress: Progress) -> bool;
    /// The model goes into the store.
    fn store(&self);
}

/// Trains on `rows`, split into parts, and puts all that belongs to the model into `store`.
///
/// # Errors
/// [`Interrupted`].
pub fn make(
    setup: &Setup,
    (version, rows, split): (i32, &Rows, &Split),
    sources: Vec<OffsetRange>,
    store: &ArtefactStore,
    watch: &dyn Watch,
) -> Result<Made, Interrupted> {
    watch.files();
    let training_files = files::store(store, &setup.pipeline, rows, split)?;
    let (train, validation) = (table(rows, split.train.rows.clone())?, table(rows, split.validation.rows.clone())?);
    let found = learner::search(setup.learner, (&train, &validation), &setup.search, SEED, &|progress| watch.search(progress))?;
    drop((train, validation));
    watch.store();
    let files = put_files(setup, &found, (rows, split), store)?;
    let metrics = BTreeMap::from([("validation_log_loss".to_owned(), found.metric)]);
    let manifest = Manifest {
        format: Manifest::FORMAT,
        pipeline: setup.pipeline.clone(),
        pipeline_version: setup.pipeline_version,
        pipeline_digest: setup.pipeline_digest.clone(),
        name: setup.pipeline.clone(),
        version,
        objective: "binary".to_owned(),
        learner: setup.learner,
        libraries: learner::libraries(setup.learner),
        parameters: found.parameters.clone(),
        search: found.trials.iter().map(|t| Trial { parameters: t.parameters.clone(), metric: t.metric }).collect(),
        seed: SEED.into(),
        features: rows.columns.features.iter().map(|name| TypedFeature { name: name.to_string(), kind: "double".to_owned() }).collect(),
        train: span(split.train.span),
        validation: span(split.validation.span),
        holdout: span(split.holdout.span),
        label_horizon: setup.horizon,
        sources,
        training_files,
        files,
        metrics: metrics.clone(),
        rows: split.trained_rows().len() as u64,
        positives: rows.positives(split.trained_rows()) as u64,
    };
    // the digest is that of these bytes: whoever knows it finds everything
    let sha256 = store.put_blob(manifest.to_bytes()?)?;
    Ok(Made { digest: format!("sha256:{sha256}"), metrics })
}

fn put_files(setup: &Setup, found: &Found, (rows, split): (&Rows, &Split), store: &ArtefactStore) -> Result<Files, Interrupted> {
    let fitted = &found.fitted;
    let golden = golden(setup.learner, &fitted.bytes, &fitted.scorer, rows, split.trained_rows())?;
    golden.check(&fitted.scorer)?;
    let put = |bytes: Vec<u8>| -> Result<File, Interrupted> {
        let file = File::of(&bytes);
        store.put_blob(bytes)?;
        Ok(file)
    };
    Ok(Files {
        model: put(fitted.bytes.clone())?,
        golden: put(golden.to_bytes()?)?,
        references: put(references(rows, split, setup.drift_window, &fitted.scorer)?)?,
    })
}

/// The rows of `range`, to learn from.
pub(crate) fn table(rows: &Rows, range: Range<usize>) -> Result<Dataset, Interrupted> {
    let names = rows.columns.features.iter().map(ToString::to_string).collect();
    let labels = rows.label[range.clone()].iter().map(|label| *label >= 0.5).collect();
    Ok(Dataset::new(names, files::row_major(rows, range), labels)?)
}

fn span(span: control::Span) -> Span {
    Span { from: span.from, to: span.to }
}
