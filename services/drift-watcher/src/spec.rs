//! What the watcher needs of a pipeline's file.

use crate::concept;
use crate::measure::Thresholds;
use crate::policy;
use tidemill_events::time::DAY;
use tidemill_pipeline::Pipeline;
use tidemill_pipeline::learning::{Detector, Labels, Trigger};

/// A pipeline that is watched.
#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    /// Length of a window, microseconds.
    pub(crate) window: i64,
    /// How late an event may be, microseconds.
    pub(crate) lateness: i64,
    /// Partitions of its topics.
    pub(crate) partitions: usize,
    pub(crate) thresholds: Thresholds,
    pub(crate) concept: Option<concept::Settings>,
    pub(crate) policy: policy::Settings,
}

impl Spec {
    /// Whether outcomes are read.
    #[must_use]
    pub fn watches_errors(&self) -> bool {
        self.concept.is_some()
    }

    /// That of `pipeline`; `None` if its file has no `drift`.
    #[must_use]
    pub fn of(pipeline: &Pipeline) -> Option<Self> {
        let learning = &pipeline.learning;
        let drift = learning.drift.as_ref()?;
        let labels = learning.labels.as_ref();
        let watch = |(detector, labels): (Detector, &Labels)| concept::Settings {
            length: drift.window,
            horizon: labels.horizon,
            slack: labels.default.map_or(0, |_| pipeline.source.lateness),
            threshold: pipeline.decision.threshold,
            detector,
        };
        let train = learning.model.as_ref().and_then(|model| model.train.as_ref());
        Some(Self {
            window: drift.window,
            lateness: pipeline.source.lateness,
            partitions: usize::try_from(pipeline.source.partitions).unwrap_or(1),
            thresholds: Thresholds { features: drift.features.clone(), score: drift.score.clone() },
            // without labels there are no errors
            concept: drift.concept.zip(labels).map(watch),
            policy: policy::Settings {
                pipeline: pipeline.name.clone(),
                retrain: train.is_some_and(|train| train.on.contains(&Trigger::Drift)),
                window: drift.window,
                horizon: labels.map_or(DAY, |labels| labels.horizon),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidemill_events::time::MINUTE;

    const FILE: &str = include_str!("../../../examples/payments/pipeline.yaml");
    const SCHEMA: &str = include_str!("../../../examples/payments/payment.avsc");

    #[test]
    fn the_lateness_counts_where_the_file_has_a_default_label() {
        let waits = |file: &str| {
            let (pipeline, _) = tidemill_pipeline::compile("pipeline.yaml", file, |_| Ok(SCHEMA.to_owned())).unwrap();
            Spec::of(&pipeline).and_then(|spec| spec.concept).map(|concept| (concept.horizon, concept.slack))
        };
        let with = FILE.replace("labels: { horizon: 7d }", "labels: { horizon: 7d, default: 0 }");
        assert_eq!(waits(FILE), Some((7 * DAY, 0)));
        assert_eq!(waits(&with), Some((7 * DAY, 10 * MINUTE)));
    }
}
