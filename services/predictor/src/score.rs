//! From a feature vector to a score, a decision, its reasons, and who made it.

use compact_str::CompactString;
use std::sync::Arc;
use tidemill_events::layout::FeatureType;
use tidemill_events::records::{ModelRef, Reason};
use tidemill_events::{Layout, Value};
use tidemill_model::Scorer as Trained;
use tidemill_pipeline::Pipeline;

/// A model in force for a pipeline.
#[derive(Clone)]
pub struct Scorer {
    pipeline: Arc<Pipeline>,
    model: Arc<ModelRef>,
    by: By,
}

/// What scores.
#[derive(Clone)]
enum By {
    /// The pipeline's `bootstrap` expression, until a model is trained.
    Bootstrap,
    /// A trained model, and at which column of the vector each of its features stands, where it does.
    Trained { scorer: Arc<Trained>, columns: Arc<[Option<usize>]> },
}

/// A score and what follows from it.
#[derive(Debug, Clone, PartialEq)]
pub struct Scored {
    /// The score; NaN where the vector could not be scored.
    pub score: f64,
    /// The decision.
    pub decision: CompactString,
    /// How much each feature moved a trained model's raw score (log odds), the farthest first; only where the
    /// decision is that at or above the threshold. They and the model's expected value add up to the raw score.
    pub reasons: Vec<Reason>,
}

impl Scorer {
    /// The bootstrap of `pipeline`, marked as such.
    #[must_use]
    pub fn bootstrap(pipeline: Arc<Pipeline>) -> Self {
        let model = Arc::new(pipeline.bootstrap_model());
        Self { pipeline, model, by: By::Bootstrap }
    }

    /// A trained model on the vectors of `pipeline`. A feature that the pipeline no longer has is missing from each of them, as
    /// the judge takes it, too: the champion serves until one is trained on those that there are ([`Scorer::missing`]).
    ///
    /// # Errors
    /// When the pipeline has none of the model's features.
    pub fn trained(pipeline: Arc<Pipeline>, model: Arc<ModelRef>, scorer: Arc<Trained>) -> Result<Self, String> {
        let columns: Arc<[_]> = scorer.features().iter().map(|name| column_of(&pipeline.layout, name)).collect();
        if columns.iter().all(Option::is_none) {
            return Err(format!("model version {} knows none of the pipeline's features", model.version));
        }
        Ok(Self { pipeline, model, by: By::Trained { scorer, columns } })
    }

    /// Features of the model that the pipeline does not have.
    #[must_use]
    pub fn missing(&self) -> Vec<&str> {
        let By::Trained { scorer, columns } = &self.by else { return Vec::new() };
        let named = scorer.features().iter().zip(&**columns);
        named.filter(|(_, column)| column.is_none()).map(|(name, _)| name.as_str()).collect()
    }

    /// Who scores.
    #[must_use]
    pub fn model(&self) -> &Arc<ModelRef> {
        &self.model
    }

    /// Scores a vector, its columns in the order of the layout. What cannot be scored (an error, null or
    /// NaN of the bootstrap) gets the decision for scores above the threshold: somebody should look at it.
    #[must_use]
    pub fn score(&self, features: &[Value]) -> Scored {
        let decision = &self.pipeline.decision;
        match &self.by {
            By::Bootstrap => {
                let score = self.pipeline.bootstrap.eval(features).ok().and_then(|v| v.as_f64()).unwrap_or(f64::NAN);
                let word = if score < decision.threshold { &decision.below } else { &decision.above };
                Scored { score, decision: word.as_str().into(), reasons: Vec::new() }
            }
            By::Trained { scorer, columns } => {
                let row: smallvec::SmallVec<[f64; 32]> =
                    columns.iter().map(|c| c.and_then(|c| features[c].as_f64()).unwrap_or(f64::NAN)).collect();
                let score = scorer.score(&row);
                if score < decision.threshold {
                    return Scored { score, decision: decision.below.as_str().into(), reasons: Vec::new() };
                }
                Scored { score, decision: decision.above.as_str().into(), reasons: reasons(scorer, &row) }
            }
        }
    }
}

/// The column of the number `name`.
fn column_of(layout: &Layout, name: &str) -> Option<usize> {
    layout.features.iter().position(|column| column.name == name && column.ty == FeatureType::Double)
}

fn reasons(scorer: &Trained, row: &[f64]) -> Vec<Reason> {
    let contributions = scorer.contributions(row).into_iter().zip(scorer.features());
    let mut reasons: Vec<Reason> = contributions
        .filter(|(contribution, _)| *contribution != 0.0)
        .map(|(contribution, feature)| Reason { feature: feature.as_str().into(), contribution })
        .collect();
    reasons.sort_by(|a, b| b.contribution.abs().total_cmp(&a.contribution.abs()));
    reasons
}
