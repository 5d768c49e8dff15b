//! A pipeline as every service runs it: checked, compiled, immutable.

use crate::section::decision::Decision;
use crate::section::expect::Expectation;
use crate::section::learning::Learning;
use crate::section::row::RowFeature;
use crate::section::source::SourceSpec;
use sha2::{Digest, Sha256};
use tidemill_events::Layout;
use tidemill_events::records::ModelRef;
use tidemill_expr::Program;
use tidemill_features::HopSpec;

/// A pipeline file and its event schema, checked and compiled.
#[derive(Debug, Clone)]
pub struct Pipeline {
    /// Its name, `<p>` of its topics.
    pub name: String,
    /// `sha256:…` of the file's text and the schema's.
    pub digest: String,
    /// The file's name, for diagnostics.
    pub file_name: String,
    /// The file's text.
    pub text: String,
    /// How events are identified, dated and spread.
    pub source: SourceSpec,
    /// The shape of its records.
    pub layout: Layout,
    /// What valid events are like, in file order.
    pub expectations: Vec<Expectation>,
    /// Its entities, in file order: the first is the key of raw events.
    pub hops: Vec<HopSpec>,
    /// Features of one event, in file order; the columns after those of the hops.
    pub row: Vec<RowFeature>,
    /// The first champion: a score from the columns of the vector ([`Layout::features`]).
    pub bootstrap: Program,
    /// What a score means.
    pub decision: Decision,
    /// How it learns.
    pub learning: Learning,
}

impl Pipeline {
    /// The bootstrap expression as a model: version 0, with the digest of its text, at stage `bootstrap`.
    #[must_use]
    pub fn bootstrap_model(&self) -> ModelRef {
        let digest = format!("sha256:{}", hex::encode(Sha256::digest(self.bootstrap.source())));
        ModelRef { name: self.name.as_str().into(), version: 0, digest, stage: "bootstrap".into() }
    }

    /// The positions of the hops, among [`Pipeline::hops`], with a feature on labels: an outcome belongs
    /// into the input of each of them, under the key that its event has there.
    #[must_use]
    pub fn label_hops(&self) -> Vec<usize> {
        let hops = self.hops.iter().enumerate();
        hops.filter(|(_, hop)| hop.reads_labels()).map(|(position, _)| position).collect()
    }
}
