//! The one catalogue: topic → record → key → producer → consumers.
//!
//! Every per-pipeline topic has `source.partitions` partitions, every control topic one.

/// A topic of one pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PerPipeline {
    /// `<p>.raw`: the upstream's own record. Key: first entity. Ingestor → validator.
    Raw,
    /// `<p>.labels`: [`crate::records::Label`]. Key: event id. Ingestor → evaluator.
    Labels,
    /// `<p>.valid`: [`crate::HopInput`], input of the first hop. Key: first entity. Validator, evaluator (outcomes) → feature-builder.
    Valid,
    /// `<p>.hop.<entity>`: [`crate::HopInput`], input of hop 1, 2, … Key: that entity. Feature-builder, evaluator (outcomes) → feature-builder.
    Hop(usize),
    /// `<p>.features`: [`crate::Vector`]. Key: event id. Feature-builder → predictor, trainer.
    Features,
    /// `<p>.predictions`: [`crate::records::Prediction`]. Key: event id. Predictor → downstream, evaluator.
    Predictions,
    /// `<p>.outcomes`: [`crate::PredictionOutcome`]. Key: event id. Evaluator → trainer, people.
    Outcomes,
    /// `<p>.rejected`: [`crate::records::Reject`]. Key: as raw. Validator (events), evaluator (labels), ingestor (an upstream's own topic) → people, re-drive.
    Rejected,
    /// `<p>.quality`: [`crate::records::Quality`]. No key. Validator → people, dashboards.
    Quality,
}

/// A topic of the control plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Control {
    /// `tidemill.pipelines` (compacted): [`crate::records::Pipeline`]. Key: pipeline name. `tidemill apply` → every service.
    Pipelines,
}

impl PerPipeline {
    /// The topic's name in pipeline `pipeline`, whose entities are `entities` in hop order.
    #[must_use]
    pub fn name<S: AsRef<str>>(self, pipeline: &str, entities: &[S]) -> String {
        match self {
            PerPipeline::Raw => format!("{pipeline}.raw"),
            PerPipeline::Labels => format!("{pipeline}.labels"),
            PerPipeline::Valid => format!("{pipeline}.valid"),
            PerPipeline::Hop(0) => format!("{pipeline}.valid"),
            PerPipeline::Hop(hop) => format!("{pipeline}.hop.{}", entities.get(hop).map_or("", AsRef::as_ref)),
            PerPipeline::Features => format!("{pipeline}.features"),
            PerPipeline::Predictions => format!("{pipeline}.predictions"),
            PerPipeline::Outcomes => format!("{pipeline}.outcomes"),
            PerPipeline::Rejected => format!("{pipeline}.rejected"),
            PerPipeline::Quality => format!("{pipeline}.quality"),
        }
    }

    /// Every topic of a pipeline with `hops` entities.
    pub fn all(hops: usize) -> impl Iterator<Item = PerPipeline> {
        use PerPipeline::{Features, Hop, Labels, Outcomes, Predictions, Quality, Raw, Rejected, Valid};
        [Raw, Labels, Valid].into_iter().chain((1..hops).map(Hop)).chain([Features, Predictions, Outcomes, Rejected, Quality])
    }
}

impl Control {
    /// The topic's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Control::Pipelines => "tidemill.pipelines",
        }
    }
}

/// Consumer group of a service for one pipeline.
#[must_use]
pub fn group(service: &str, pipeline: &str) -> String {
    format!("tidemill.{service}.{pipeline}")
}

/// Registry subject of a topic's values.
#[must_use]
pub fn subject(topic: &str) -> String {
    format!("{topic}-value")
}
