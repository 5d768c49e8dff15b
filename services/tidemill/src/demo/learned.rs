//! What the demo promises to show of the learning loop, and what of it was not seen.

use tidemill_events::time::format_date;
use tidemill_pipeline::Pipeline;
use tidemill_pipeline::learning::Approval;

/// What a word of the learning loop shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    /// Neither.
    Nothing,
    /// A trained model serves.
    Model,
    /// Drift was found in a window that ends then, event time.
    Drift {
        /// The end.
        until: i64,
    },
}

/// What was seen of the learning loop.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Learned {
    deployed: bool,
    /// End of the newest window with an alert.
    drifted_until: Option<i64>,
}

impl Learned {
    /// Takes up a word of it.
    pub(super) fn take(&mut self, shown: Shown) {
        match shown {
            Shown::Nothing => {}
            Shown::Model => self.deployed = true,
            Shown::Drift { until } => self.drifted_until = self.drifted_until.max(Some(until)),
        }
    }
}

/// What has to be seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    /// A model that takes over from the rule.
    model: bool,
    /// Drift in a window from then on, event time.
    drift_from: Option<i64>,
}

impl Wanted {
    /// What `pipeline` can show where amounts drift from some time on. Where they do not there is nothing to be found, and there
    /// may be too few days for a model; and a model that waits for a person never serves here.
    pub(super) fn of(pipeline: &Pipeline, drift_from: Option<i64>) -> Self {
        let learning = &pipeline.learning;
        let trains = learning.labels.is_some() && learning.model.as_ref().is_some_and(|model| model.train.is_some());
        let deploys = learning.rollout.as_ref().is_none_or(|rollout| rollout.approval == Approval::Automatic);
        let model = drift_from.is_some() && trains && deploys;
        Self { model, drift_from: drift_from.filter(|_| model && learning.drift.is_some()) }
    }

    /// What of it is missing, in lines.
    pub(super) fn missing(&self, learned: &Learned) -> Vec<String> {
        let model = self.model && !learned.deployed;
        let model = model.then(|| "no model was deployed: the bootstrap rule has decided all the time".to_owned());
        let drift = self.drift_from.filter(|from| learned.drifted_until.is_none_or(|until| until <= *from));
        let drift = drift.map(|from| format!("no drift was found in the days from {} on, although amounts had changed", format_date(from)));
        model.into_iter().chain(drift).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidemill_events::time::DAY;

    #[test]
    fn a_model_and_drift_after_the_change_are_wanted() {
        let wanted = Wanted { model: true, drift_from: Some(60 * DAY) };
        let mut learned = Learned::default();
        let missing = |learned: &Learned| wanted.missing(learned).iter().map(|line| line[..8].to_owned()).collect::<Vec<_>>();
        assert_eq!(missing(&learned), ["no model", "no drift"]);
        assert!(wanted.missing(&learned)[1].contains("from 1970-03-02 on"));
        learned.take(Shown::Nothing);
        learned.take(Shown::Drift { until: 60 * DAY });
        assert_eq!(missing(&learned), ["no model", "no drift"], "that window ended before the change");
        learned.take(Shown::Model);
        assert_eq!(missing(&learned), ["no drift"]);
        learned.take(Shown::Drift { until: 62 * DAY });
        learned.take(Shown::Drift { until: 60 * DAY });
        assert_eq!(missing(&learned), [] as [String; 0]);
    }

    #[test]
    fn what_the_pipeline_cannot_show_is_not_wanted() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/payments/pipeline.yaml");
        let Ok((pipeline, _)) = tidemill_pipeline::load(path.as_ref()) else { panic!("{path}") };
        assert_eq!(Wanted::of(&pipeline, Some(7)), Wanted { model: true, drift_from: Some(7) });
        assert_eq!(Wanted::of(&pipeline, None), Wanted::default(), "too few days");
        let mut other = pipeline.clone();
        other.learning.drift = None;
        assert_eq!(Wanted::of(&other, Some(7)), Wanted { model: true, drift_from: None });
        let mut other = pipeline;
        if let Some(rollout) = &mut other.learning.rollout {
            rollout.approval = Approval::OnePerson;
        }
        assert_eq!(Wanted::of(&other, Some(7)), Wanted::default());
    }
}
