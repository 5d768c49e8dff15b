//! From a feature vector to a score and a decision, and who made it.

use compact_str::CompactString;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use tidemill_events::Value;
use tidemill_events::records::ModelRef;
use tidemill_pipeline::Pipeline;

/// The model in force: until one is trained, the pipeline's `bootstrap` expression.
#[derive(Clone)]
pub struct Scorer {
    pipeline: Arc<Pipeline>,
    model: Arc<ModelRef>,
}

/// A score and what follows from it.
#[derive(Debug, Clone, PartialEq)]
pub struct Scored {
    /// The score; NaN where the expression could not be evaluated.
    pub score: f64,
    /// The decision.
    pub decision: CompactString,
}

impl Scorer {
    /// The bootstrap of `pipeline`, marked as such.
    #[must_use]
    pub fn bootstrap(pipeline: Arc<Pipeline>) -> Self {
        let digest = format!("sha256:{}", hex::encode(Sha256::digest(pipeline.bootstrap.source())));
        let model = ModelRef { name: pipeline.name.as_str().into(), version: 0, digest, stage: "bootstrap".into() };
        Self { pipeline, model: Arc::new(model) }
    }

    /// Who scores.
    #[must_use]
    pub fn model(&self) -> &Arc<ModelRef> {
        &self.model
    }

    /// Scores a vector, its columns in the order of the layout. What cannot be scored (an error, null or
    /// NaN) gets the decision for scores above the threshold: somebody should look at it.
    #[must_use]
    pub fn score(&self, features: &[Value]) -> Scored {
        let score = self.pipeline.bootstrap.eval(features).ok().and_then(|v| v.as_f64()).unwrap_or(f64::NAN);
        let decision = &self.pipeline.decision;
        let word = if score < decision.threshold { &decision.below } else { &decision.above };
        Scored { score, decision: word.as_str().into() }
    }
}
