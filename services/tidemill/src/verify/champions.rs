//! One champion at each position (invariant 9 of the design). Along a partition of the predictions the models follow each other as
//! they were deployed: none that was not, and never one that another had already replaced.

use super::ledger::Derived;
use super::report::{At, Invariant, Section, Violation};
use std::collections::HashMap;
use tidemill_events::records::ModelRef;

/// What was deployed, and how far each partition has come with it.
pub(super) struct Champions {
    /// Deployments in order; the bootstrap comes first.
    deployed: Vec<Served>,
    /// Per partition, the earliest deployment that its last prediction may be of.
    at: HashMap<i32, usize>,
    section: Section,
}

/// A model as it is told apart. The bootstrap has no deployment of its own, and its text may change.
struct Served {
    version: i32,
    digest: Option<String>,
}

impl Served {
    fn of(model: &ModelRef) -> Self {
        Self { version: model.version, digest: (model.version > 0).then(|| model.digest.clone()) }
    }

    fn is(&self, model: &ModelRef) -> bool {
        self.version == model.version && self.digest.as_ref().is_none_or(|digest| *digest == model.digest)
    }
}

impl Champions {
    /// Of a pipeline whose deployments were these, in order.
    pub(super) fn new<'m>(deployments: impl IntoIterator<Item = &'m ModelRef>) -> Self {
        let bootstrap = Served { version: 0, digest: None };
        let deployed = std::iter::once(bootstrap).chain(deployments.into_iter().map(Served::of)).collect();
        Self { deployed, at: HashMap::new(), section: Section::new(Invariant::Champion) }
    }

    /// Takes up a prediction; those of one partition come in offset order.
    pub(super) fn prediction(&mut self, record: &Derived<'_>, event_id: &str, model: &ModelRef) {
        let now = self.at.entry(record.partition).or_default();
        // at the full rate nothing is allocated: almost always it is the model of the one before
        let next = (*now..self.deployed.len()).find(|deployment| self.deployed[*deployment].is(model));
        let before = *now;
        *now = next.unwrap_or(before);
        self.section.check(next.is_some(), || Violation {
            at: Some(At { topic: record.topic.to_owned(), partition: record.partition, offset: record.offset }),
            event_id: Some(event_id.to_owned()),
            expected: if self.deployed.iter().any(|d| d.is(model)) {
                format!("version {} or one deployed after it", self.deployed[before].version)
            } else {
                "a model that was deployed".to_owned()
            },
            found: format!("version {}, {}", model.version, model.digest),
        });
    }

    /// The verdict.
    pub(super) fn finish(self) -> Section {
        self.section
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidemill_events::Source;

    fn model(version: i32) -> ModelRef {
        ModelRef { name: "p".into(), version, digest: format!("sha256:{version}"), stage: "champion".into() }
    }

    /// Violations of partition 0 when its predictions are by these versions.
    fn violations(deployed: &[i32], predicted: &[i32]) -> Vec<i64> {
        let deployed: Vec<ModelRef> = deployed.iter().map(|v| model(*v)).collect();
        let mut champions = Champions::new(&deployed);
        for (offset, version) in (0..).zip(predicted) {
            let source = Source::default();
            let record = Derived { topic: "p.predictions", partition: 0, offset, key: None, source: &source };
            champions.prediction(&record, "e", &model(*version));
        }
        champions.finish().first.iter().filter_map(|v| Some(v.at.as_ref()?.offset)).collect()
    }

    #[test]
    fn models_follow_each_other_as_they_were_deployed() {
        assert_eq!(violations(&[], &[0, 0]), [0; 0]);
        assert_eq!(violations(&[1, 2], &[0, 1, 1, 2]), [0; 0]);
        assert_eq!(violations(&[1, 2], &[2, 2]), [0; 0], "a partition may miss a deployment");
        assert_eq!(violations(&[1, 2, 1], &[1, 2, 1]), [0; 0], "a roll-back is a deployment");
        assert_eq!(violations(&[1, 0], &[1, 0]), [0; 0], "to the bootstrap, too");
    }

    #[test]
    fn never_back_and_never_a_stranger() {
        assert_eq!(violations(&[1, 2], &[2, 1, 2]), [1]);
        assert_eq!(violations(&[1], &[1, 0]), [1], "not back to the bootstrap by itself");
        assert_eq!(violations(&[1], &[0, 3]), [1]);
    }
}
