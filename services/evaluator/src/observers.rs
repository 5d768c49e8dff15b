//! The evaluator's observers of a pipeline: its performance, and the judge of its candidates.

use crate::judge::{Bench, JudgeFold};
use crate::performance::{PerformanceFold, Settings};
use crate::vault::Artefacts;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use std::sync::Arc;
use tidemill_events::codec::OutcomeCodec;
use tidemill_events::topics::{Control, PerPipeline};
use tidemill_pipeline::Pipeline;
use tidemill_service::metrics::Labels;
use tidemill_stream::Error;
use tidemill_task_sets::observer::{Topics, observer};
use tidemill_task_sets::{TaskSet, Wiring, control_schema, lookup, names, topic_schema, writers};

const PERFORMANCE: &str = "evaluator.performance";
const JUDGE: &str = "evaluator.judge";

/// What observers of every pipeline need.
#[derive(Clone)]
pub(crate) struct Observers {
    pub(crate) wiring: Wiring,
    pub(crate) vault: Artefacts,
    /// Outcomes that came when their window was closed.
    pub(crate) late: Family<Labels, Counter>,
}

impl Observers {
    /// Those of `pipeline`: performance where it has that section and labels, the judge where it has a model.
    ///
    /// # Errors
    /// [`Error::Unavailable`] while the registry is away; [`Error::Fatal`].
    pub(crate) fn of(&self, pipeline: &Arc<Pipeline>) -> Result<Vec<TaskSet>, Error> {
        let performance = Settings::of(pipeline).map(|settings| self.performance(pipeline, settings));
        let judge = pipeline.learning.model.as_ref().map(|_| self.judge(pipeline));
        performance.into_iter().chain(judge).collect()
    }

    fn performance(&self, pipeline: &Arc<Pipeline>, settings: Settings) -> Result<TaskSet, Error> {
        let layout = &pipeline.layout;
        let topics = Topics { inputs: names(layout, &[PerPipeline::Outcomes]), outputs: names(layout, &[PerPipeline::Performance]) };
        let own = topic_schema(&self.wiring.registry, layout, PerPipeline::Performance)?;
        let labels = Labels { pipeline: pipeline.name.as_str().into(), stage: PERFORMANCE, outcome: "late" };
        let (late, registry) = (self.late.clone(), self.wiring.registry.clone());
        let late = Arc::new(move || _ = late.get_or_create(&labels).inc());
        let id = lookup(&registry, layout, PerPipeline::Outcomes)?;
        let outcomes = OutcomeCodec::new(layout, id).map_err(|e| Error::Fatal(e.to_string()))?;
        let make = move || {
            let writers = writers(&registry, [(id, outcomes.schema().clone())]);
            Ok(PerformanceFold::new(settings, outcomes.clone(), writers, own.clone(), late.clone()))
        };
        Ok(observer(PERFORMANCE, &self.wiring.seat(PERFORMANCE, &pipeline.name), topics, self.wiring.clock.clone(), make))
    }

    fn judge(&self, pipeline: &Arc<Pipeline>) -> Result<TaskSet, Error> {
        let topics = Topics {
            inputs: [Control::Candidates, Control::Deployments].map(|topic| topic.name().to_owned()).to_vec(),
            outputs: vec![Control::Evaluations.name().to_owned()],
        };
        let own = control_schema(&self.wiring.registry, Control::Evaluations)?;
        let bench = Arc::new(Bench::new(pipeline.clone(), Box::new(self.vault.clone())));
        let registry = self.wiring.registry.clone();
        let make = move || Ok(JudgeFold::new(bench.clone(), writers(&registry, []), own.clone()));
        Ok(observer(JUDGE, &self.wiring.seat(JUDGE, &pipeline.name), topics, self.wiring.clock.clone(), make))
    }
}
