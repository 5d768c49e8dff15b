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
    /// `<p>.features`: [`crate::Vector`]. Key: event id. Feature-builder → predictor, trainer, drift-watcher.
    Features,
    /// `<p>.predictions`: [`crate::records::Prediction`]. Key: event id. Predictor → downstream, evaluator, drift-watcher.
    Predictions,
    /// `<p>.outcomes`: [`crate::PredictionOutcome`]. Key: event id. Evaluator → trainer, drift-watcher, people.
    Outcomes,
    /// `<p>.rejected`: [`crate::records::Reject`]. Key: as raw. Validator (events), evaluator (labels), ingestor (an upstream's own topic) → people, re-drive.
    Rejected,
    /// `<p>.quality`: [`crate::records::Quality`]. No key. Validator → people, dashboards.
    Quality,
    /// `<p>.performance`: [`crate::control::Performance`]. No key, partition 0. Evaluator → people, dashboards.
    Performance,
    /// `<p>.drift`: [`crate::control::Drift`]. No key, partition 0. Drift-watcher → people, dashboards.
    Drift,
}

/// A topic of the control plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Control {
    /// `tidemill.pipelines` (compacted): [`crate::records::Pipeline`]. Key: pipeline name. `tidemill apply` → every service.
    Pipelines,
    /// `tidemill.triggers`: [`crate::control::Trigger`]. Key: pipeline name. `tidemill train` (through the trainer) → trainer.
    Triggers,
    /// `tidemill.candidates`: [`crate::control::Candidate`]. Key: pipeline name. Trainer → evaluator, deployer.
    Candidates,
    /// `tidemill.evaluations`: [`crate::control::Evaluation`]. Key: pipeline name. Evaluator → deployer.
    Evaluations,
    /// `tidemill.registry`: [`crate::control::RegistryEvent`]. Key: pipeline name. Deployer → people, audit.
    Registry,
    /// `tidemill.deployments` (compacted): [`crate::control::Deployment`]. Key: pipeline name. Deployer → predictor, evaluator, drift-watcher.
    Deployments,
    /// `tidemill.alerts`: [`crate::control::Alert`]. Key: pipeline name. Drift-watcher → trainer, people.
    Alerts,
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
            PerPipeline::Performance => format!("{pipeline}.performance"),
            PerPipeline::Drift => format!("{pipeline}.drift"),
        }
    }

    /// Every topic of a pipeline with `hops` entities.
    pub fn all(hops: usize) -> impl Iterator<Item = PerPipeline> {
        use PerPipeline::{Drift, Features, Hop, Labels, Outcomes, Performance, Predictions, Quality, Raw, Rejected, Valid};
        let last = [Features, Predictions, Outcomes, Rejected, Quality, Performance, Drift];
        [Raw, Labels, Valid].into_iter().chain((1..hops).map(Hop)).chain(last)
    }
}

impl Control {
    /// Every topic of the control plane.
    pub const ALL: [Control; 7] = [
        Control::Pipelines,
        Control::Triggers,
        Control::Candidates,
        Control::Evaluations,
        Control::Registry,
        Control::Deployments,
        Control::Alerts,
    ];

    /// Whether only the newest record of a key is kept.
    #[must_use]
    pub fn is_compacted(self) -> bool {
        matches!(self, Control::Pipelines | Control::Deployments)
    }

    /// The topic's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Control::Pipelines => "tidemill.pipelines",
            Control::Triggers => "tidemill.triggers",
            Control::Candidates => "tidemill.candidates",
            Control::Evaluations => "tidemill.evaluations",
            Control::Registry => "tidemill.registry",
            Control::Deployments => "tidemill.deployments",
            Control::Alerts => "tidemill.alerts",
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
