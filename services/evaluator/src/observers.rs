//! The evaluator's observers of a pipeline: its performance, and the judge of its candidates.

use crate::Writers;
use crate::judge::{Bench, JudgeFold};
use crate::performance::{PerformanceFold, Settings};
use crate::vault::Artefacts;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use std::sync::Arc;
use tidemill_events::codec::AvroSchema;
use tidemill_events::layout::control_avro;
use tidemill_events::topics::{Control, PerPipeline};
use tidemill_kafka::registry::Blocking;
use tidemill_pipeline::Pipeline;
use tidemill_service::Clock;
use tidemill_service::metrics::Labels;
use tidemill_stream::Error;
use tidemill_task_sets::observer::{Seat, Topics, names, observer};
use tidemill_task_sets::{TaskSet, WriterSchemas, lookup, lookup_control};

const PERFORMANCE: &str = "evaluator.performance";
const JUDGE: &str = "evaluator.judge";

/// Rows of a window that are kept one by one: 16 MB.
const EXACT: usize = 1_000_000;

/// What observers of every pipeline need.
#[derive(Clone)]
pub(crate) struct Observers {
    pub(crate) brokers: String,
    pub(crate) instance: u32,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) registry: Blocking,
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
        let learning = &pipeline.learning;
        let performance = learning.performance.as_ref().zip(learning.labels.as_ref()).map(|(performance, labels)| {
            let settings = Settings {
                window: performance.window,
                horizon: labels.horizon,
                partitions: pipeline.source.partitions,
                threshold: pipeline.decision.threshold,
                precision_at: performance.precision_at.and_then(|k| usize::try_from(k).ok()),
                exact: EXACT,
            };
            self.performance(pipeline, settings)
        });
        let judge = learning.model.as_ref().map(|_| self.judge(pipeline));
        performance.into_iter().chain(judge).collect()
    }

    fn performance(&self, pipeline: &Arc<Pipeline>, settings: Settings) -> Result<TaskSet, Error> {
        let layout = &pipeline.layout;
        let topics = Topics { inputs: names(layout, &[PerPipeline::Outcomes]), outputs: names(layout, &[PerPipeline::Performance]) };
        let own = (schema(&layout.avro(PerPipeline::Performance))?, lookup(&self.registry, layout, PerPipeline::Performance)?);
        let labels = Labels { pipeline: pipeline.name.as_str().into(), stage: PERFORMANCE, outcome: "late" };
        let (late, registry) = (self.late.clone(), self.registry.clone());
        let late = Arc::new(move || _ = late.get_or_create(&labels).inc());
        let make = move || Ok(PerformanceFold::new(settings, writers(&registry), own.clone(), late.clone()));
        Ok(observer(PERFORMANCE, &self.seat(PERFORMANCE, pipeline), topics, self.clock.clone(), make))
    }

    fn judge(&self, pipeline: &Arc<Pipeline>) -> Result<TaskSet, Error> {
        let topics = Topics {
            inputs: [Control::Candidates, Control::Deployments].map(|topic| topic.name().to_owned()).to_vec(),
            outputs: vec![Control::Evaluations.name().to_owned()],
        };
        let own = (schema(control_avro(Control::Evaluations))?, lookup_control(&self.registry, Control::Evaluations)?);
        let bench = Arc::new(Bench::new(pipeline.clone(), Box::new(self.vault.clone())));
        let registry = self.registry.clone();
        let make = move || Ok(JudgeFold::new(bench.clone(), writers(&registry), own.clone()));
        Ok(observer(JUDGE, &self.seat(JUDGE, pipeline), topics, self.clock.clone(), make))
    }

    fn seat(&self, stage: &str, pipeline: &Pipeline) -> Seat {
        Seat::of_pipeline(&self.brokers, self.instance, stage, &pipeline.name)
    }
}

fn schema(text: &str) -> Result<AvroSchema, Error> {
    AvroSchema::parse(text).map_err(|e| Error::Fatal(e.to_string()))
}

fn writers(registry: &Blocking) -> Writers {
    let mut schemas = WriterSchemas::new(registry.clone(), []);
    Box::new(move |id| schemas.get(id))
}
