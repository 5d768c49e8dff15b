//! The training manifest: what was trained, on what, by what; the same inputs give the same bytes.
//!
//! There is no wall clock in it and no name of a machine: two trainings on the same data, with the same settings
//! and libraries, have the same digest.

use super::{is_sha256, sha256};
use crate::{Learner, Reason, Refused, shown};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The only format there is.
const FORMAT: u32 = 1;
/// The largest file an artefact may name, bytes.
pub(super) const MAX_FILE: u64 = 1 << 30;

/// What was trained, on what, by what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// 1.
    pub format: u32,
    /// The pipeline's name.
    pub pipeline: String,
    /// The pipeline file's version.
    pub pipeline_version: i32,
    /// The pipeline file's digest, `sha256:<hex>`.
    pub pipeline_digest: String,
    /// The model's name.
    pub name: String,
    /// The model's version, from 1.
    pub version: i32,
    /// What it predicts: `binary`.
    pub objective: String,
    /// What trained it, and so the form of `files.model`.
    pub learner: Learner,
    /// The libraries that took part, with their versions.
    pub libraries: BTreeMap<String, String>,
    /// The parameters it was trained with.
    pub parameters: BTreeMap<String, f64>,
    /// What the search tried, in its order.
    pub search: Vec<Trial>,
    /// The seed of everything random in the training.
    pub seed: u64,
    /// The features, in the order of a row.
    pub features: Vec<TypedFeature>,
    /// Event times that were trained on.
    pub train: Span,
    /// Event times that parameters were chosen on.
    pub validation: Span,
    /// Event times that nothing was chosen on.
    pub holdout: Span,
    /// How long a label may take, microseconds: only events older than this were taken.
    pub label_horizon: i64,
    /// The records that were read.
    pub sources: Vec<OffsetRange>,
    /// The training set's files.
    pub training_files: Vec<TrainingFile>,
    /// The artefact's own files.
    pub files: Files,
    /// What was measured, by name.
    pub metrics: BTreeMap<String, f64>,
    /// Rows trained on.
    pub rows: u64,
    /// Of them, those with label 1.
    pub positives: u64,
}

/// A combination of parameters that was tried.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trial {
    /// The parameters.
    pub parameters: BTreeMap<String, f64>,
    /// The search's measure on the validation span.
    pub metric: f64,
}

/// A feature of a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TypedFeature {
    /// Its name in the pipeline file.
    pub name: String,
    /// Its type in the pipeline file.
    #[serde(rename = "type")]
    pub kind: String,
}

/// A half-open range of event times, `from <= t < to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Span {
    /// Microseconds since 1970, included.
    pub from: i64,
    /// Microseconds since 1970, not included.
    pub to: i64,
}

/// A half-open range of a partition's offsets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OffsetRange {
    /// The topic.
    pub topic: String,
    /// Its partition.
    pub partition: i32,
    /// The first offset that was read.
    pub from: i64,
    /// The first offset that was not.
    pub to: i64,
}

/// A file of the training set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingFile {
    /// Its path in the training store.
    pub path: String,
    /// Of its bytes, in hexadecimal.
    pub sha256: String,
    /// Rows in it.
    pub rows: u64,
}

/// The artefact's files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Files {
    /// The model, in its learner's form.
    pub model: File,
    /// Rows with the scores that the learner's own library gave.
    pub golden: File,
    /// Distributions of the training set, against which drift is measured.
    pub references: File,
}

/// A file, by its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Of its bytes, in hexadecimal.
    pub sha256: String,
    /// Its size.
    pub bytes: u64,
}

impl File {
    /// The file with these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self { sha256: sha256(bytes), bytes: bytes.len() as u64 }
    }
}

impl Manifest {
    /// The format that this crate writes: for [`Manifest::format`].
    pub const FORMAT: u32 = FORMAT;

    /// The manifest as it is stored: JSON, the same for the same manifest.
    ///
    /// # Errors
    /// A manifest that [`Manifest::read`] would refuse, or a number that JSON cannot say.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Refused> {
        self.check()?;
        let mut bytes = serde_json::to_vec_pretty(self).map_err(|e| Refused::new(Reason::Malformed, "the manifest", e.to_string()))?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// `sha256:<hex>` of [`Manifest::to_bytes`]: what names the model everywhere.
    ///
    /// # Errors
    /// As [`Manifest::to_bytes`].
    pub fn digest(&self) -> Result<String, Refused> {
        self.to_bytes().map(|bytes| Self::digest_of(&bytes))
    }

    /// The digest of a manifest's stored bytes.
    #[must_use]
    pub fn digest_of(bytes: &[u8]) -> String {
        format!("sha256:{}", sha256(bytes))
    }

    /// Reads what [`Manifest::to_bytes`] writes.
    ///
    /// # Errors
    /// Other JSON, another format, digests that are none, ranges that end before they begin.
    pub fn read(bytes: &[u8]) -> Result<Self, Refused> {
        // The format is looked at first: a newer manifest may have fields that are not known here.
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        let malformed = |e: serde_json::Error| {
            let reason = if e.is_eof() { Reason::Truncated } else { Reason::Malformed };
            Refused::new(reason, format!("manifest, line {} column {}", e.line(), e.column()), shown(&e.to_string()))
        };
        let format = serde_json::from_slice::<Format>(bytes).map_err(malformed)?.format;
        if format != FORMAT {
            return Err(Refused::new(Reason::UnknownFormat, "manifest, format", format!("format {format}, only {FORMAT} is read here")));
        }
        let manifest: Self = serde_json::from_slice(bytes).map_err(malformed)?;
        manifest.check()?;
        Ok(manifest)
    }

    fn check(&self) -> Result<(), Refused> {
        let refuse = |place: &str, what: String| Err(Refused::new(Reason::Malformed, format!("manifest, {place}"), what));
        if self.format != FORMAT || self.objective != "binary" {
            return refuse("objective", format!("format {}, objective `{}`", self.format, shown(&self.objective)));
        }
        let files = [&self.files.model, &self.files.golden, &self.files.references];
        let digests = files.iter().map(|f| &f.sha256).chain(self.training_files.iter().map(|f| &f.sha256));
        if let Some(wrong) = digests.into_iter().find(|d| !is_sha256(d)) {
            return refuse("sha256", format!("`{}` is no digest", shown(wrong)));
        }
        if !self.pipeline_digest.strip_prefix("sha256:").is_some_and(is_sha256) {
            return refuse("pipeline_digest", format!("`{}` is no digest", shown(&self.pipeline_digest)));
        }
        if let Some(file) = files.iter().find(|f| f.bytes > MAX_FILE) {
            return Err(Refused::new(Reason::TooLarge, "manifest, files", format!("{} bytes; {MAX_FILE} are most", file.bytes)));
        }
        let backwards = [self.train, self.validation, self.holdout].iter().any(|s| s.to < s.from);
        if backwards || self.sources.iter().any(|s| s.to < s.from) || self.positives > self.rows {
            return refuse("ranges", "one ends before it begins, or there are more positives than rows".to_owned());
        }
        let trials = self.search.iter().flat_map(|t| t.parameters.values().chain([&t.metric]));
        if let Some(number) = self.parameters.values().chain(self.metrics.values()).chain(trials).find(|n| !n.is_finite()) {
            return Err(Refused::new(Reason::BadNumber, "manifest", number.to_string()));
        }
        Ok(())
    }
}
