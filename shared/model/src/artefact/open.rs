//! Opening an artefact: nothing is used before its digest was checked, and nothing is served that does not score
//! as its learner's library did.

use super::manifest::File;
use super::{Golden, Manifest, sha256};
use crate::{Reason, Refused, Scorer, shown};

/// A model that may be served.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// What was trained, on what.
    pub manifest: Manifest,
    /// The manifest's digest, `sha256:<hex>`.
    pub digest: String,
    /// What scores.
    pub scorer: Scorer,
    /// Distributions of the training set, unread.
    pub references: Vec<u8>,
}

/// Why an artefact is not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError<E> {
    /// The bytes are not those that were asked for.
    #[error("{what}: the digest is {found}, {expected} was asked for")]
    DigestMismatch {
        /// Which bytes.
        what: &'static str,
        /// The digest that was asked for.
        expected: String,
        /// The digest of what came.
        found: String,
    },
    /// Fewer or more bytes came than the manifest says.
    #[error("{what}: {found} bytes, the manifest says {expected}")]
    Truncated {
        /// Which file.
        what: &'static str,
        /// Bytes that the manifest says.
        expected: u64,
        /// Bytes that came.
        found: u64,
    },
    /// The model looks at other features than its pipeline gives, or in another order.
    #[error("feature {index}: {where_} says `{found}`, the pipeline gives `{expected}`")]
    WrongFeatures {
        /// The first that differs, from 0.
        index: usize,
        /// The manifest or the model.
        where_: &'static str,
        /// What is there; empty if nothing is.
        found: String,
        /// What the pipeline gives; empty if nothing.
        expected: String,
    },
    /// The manifest, the model or its golden rows are not accepted.
    #[error("{what}: {refused}")]
    Refused {
        /// Which file.
        what: &'static str,
        /// Why.
        refused: Refused,
    },
    /// The file could not be fetched; the same may work later.
    #[error("{what} cannot be fetched")]
    Fetch {
        /// Which file.
        what: &'static str,
        /// Why.
        #[source]
        source: E,
    },
}

impl<E> OpenError<E> {
    /// The reason's name in logs, metrics and answers.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::DigestMismatch { .. } => "digest_mismatch",
            Self::Truncated { .. } => "truncated",
            Self::WrongFeatures { .. } => "wrong_features",
            Self::Fetch { .. } => "not_fetched",
            Self::Refused { what, refused } => match (refused.reason, *what) {
                (Reason::UnknownFormat, _) => "unknown_format",
                (Reason::GoldenMismatch, _) => "golden_mismatch",
                (_, "the manifest") => "bad_manifest",
                (_, "the golden rows") => "bad_golden",
                _ => "bad_model",
            },
        }
    }
}

impl Model {
    /// Opens the artefact whose manifest has `expected_digest` (`sha256:<hex>`), for a pipeline that gives
    /// `features`. `fetch` gets a file by its SHA-256 (hexadecimal) and size in bytes, and should not hand out
    /// more than that.
    ///
    /// # Errors
    /// Whatever is not exactly what was trained, by name; see [`OpenError::reason`].
    pub fn open<E>(
        manifest: &[u8],
        expected_digest: &str,
        features: &[&str],
        mut fetch: impl FnMut(&str, u64) -> Result<Vec<u8>, E>,
    ) -> Result<Self, OpenError<E>> {
        let digest = Manifest::digest_of(manifest);
        if digest != expected_digest {
            return Err(OpenError::DigestMismatch { what: "the manifest", expected: shown(expected_digest), found: digest });
        }
        let refused = |what: &'static str| move |refused: Refused| OpenError::Refused { what, refused };
        let manifest = Manifest::read(manifest).map_err(refused("the manifest"))?;
        same_features("the manifest", manifest.features.iter().map(|f| f.name.as_str()), features)?;
        let model = file("the model", &manifest.files.model, &mut fetch)?;
        let golden = file("the golden rows", &manifest.files.golden, &mut fetch)?;
        let references = file("the references", &manifest.files.references, &mut fetch)?;
        let scorer = Scorer::read(manifest.learner, &model).map_err(refused("the model"))?;
        same_features("the model", scorer.features().iter().map(String::as_str), features)?;
        Golden::read(&golden).and_then(|golden| golden.check(&scorer)).map_err(refused("the golden rows"))?;
        Ok(Self { manifest, digest, scorer, references })
    }
}

fn file<E>(what: &'static str, file: &File, fetch: &mut impl FnMut(&str, u64) -> Result<Vec<u8>, E>) -> Result<Vec<u8>, OpenError<E>> {
    let bytes = fetch(&file.sha256, file.bytes).map_err(|source| OpenError::Fetch { what, source })?;
    if bytes.len() as u64 != file.bytes {
        return Err(OpenError::Truncated { what, expected: file.bytes, found: bytes.len() as u64 });
    }
    let found = sha256(&bytes);
    if found != file.sha256 {
        return Err(OpenError::DigestMismatch { what, expected: file.sha256.clone(), found });
    }
    Ok(bytes)
}

fn same_features<'a, E>(
    where_: &'static str,
    found: impl ExactSizeIterator<Item = &'a str>,
    expected: &[&str],
) -> Result<(), OpenError<E>> {
    let found: Vec<&str> = found.collect();
    let differs = (0..found.len().max(expected.len())).find(|i| found.get(*i) != expected.get(*i));
    differs.map_or(Ok(()), |index| {
        let name = |names: &[&str]| names.get(index).map_or(String::new(), |n| shown(n));
        Err(OpenError::WrongFeatures { index, where_, found: name(&found), expected: name(expected) })
    })
}
