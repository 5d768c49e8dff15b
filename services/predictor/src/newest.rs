//! What is deployed, as far as it is known and can be served.

use crate::score;
use std::collections::BTreeMap;
use std::sync::Arc;
use tidemill_events::records::ModelRef;
use tidemill_model::Scorer;
use tidemill_pipeline::Pipeline;

/// A deployment that can be served.
#[derive(Debug, Clone)]
pub struct Deployed {
    /// [`Deployment::number`].
    pub number: i64,
    /// The model.
    pub model: Arc<ModelRef>,
    /// What scores; `None` is the pipeline's bootstrap expression.
    pub scorer: Option<Arc<Scorer>>,
}

impl Deployed {
    /// What scores the vectors of `pipeline`.
    ///
    /// # Errors
    /// When the model does not fit them.
    pub(crate) fn scorer(&self, pipeline: &Arc<Pipeline>) -> Result<score::Scorer, String> {
        match &self.scorer {
            None => Ok(score::Scorer::bootstrap(pipeline.clone())),
            Some(scorer) => score::Scorer::trained(pipeline.clone(), self.model.clone(), scorer.clone()),
        }
    }
}

/// What is deployed, as far as it is known.
#[derive(Debug, Clone, Default)]
pub struct Newest {
    /// Whether all there was at the start has been read and looked at.
    pub caught_up: bool,
    /// The newest deployment of each pipeline that could be opened.
    pub deployed: BTreeMap<String, Deployed>,
    /// Why the newest one is not served, by pipeline: its artefact was refused, or cannot be fetched now.
    pub withheld: BTreeMap<String, String>,
}
