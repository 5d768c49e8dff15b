//! Deployments that are to be served and are not yet: opened one by one. What is refused changes nothing, and is looked at
//! again, as somebody may put the right bytes there.

use crate::newest::{Deployed, Newest};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tidemill_artefacts::Unopened;
use tidemill_events::control::Deployment;
use tidemill_events::records::ModelRef;
use tidemill_model::Scorer;

/// How long what was refused is left alone. What is away is asked for each time.
const AGAIN: Duration = Duration::from_secs(10);

/// Opens a model; `None` is the bootstrap.
pub(crate) type Open<'a> = dyn Fn(&ModelRef) -> Result<Option<Arc<Scorer>>, Unopened> + 'a;

/// The newest deployment of each pipeline that is not served yet.
#[derive(Default)]
pub(crate) struct Wanted(BTreeMap<String, Waiting>);

struct Waiting {
    deployment: Deployment,
    /// Until then it is left alone.
    rests: Option<Instant>,
}

/// A refusal that has not been told before.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) pipeline: String,
    /// The reason's name.
    pub(crate) reason: &'static str,
}

impl Wanted {
    /// A deployment is there; it takes the place of an older one.
    pub(crate) fn add(&mut self, deployment: Deployment) {
        self.0.insert(deployment.pipeline.clone(), Waiting { deployment, rests: None });
    }

    /// Whether there is anything to be opened at `now`.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.0.values().any(|waiting| waiting.is_due(now))
    }

    /// Opens what is due at `now` and can be opened, into `newest`, and tells what is refused.
    pub(crate) fn open(&mut self, now: Instant, open: &Open<'_>, newest: &mut Newest) -> Vec<Refusal> {
        let mut refusals = Vec::new();
        self.0.retain(|_, waiting| {
            if !waiting.is_due(now) {
                return true;
            }
            let Err(unopened) = serve(&waiting.deployment, open, newest) else { return false };
            waiting.rests = matches!(unopened, Unopened::Refused { .. }).then(|| now + AGAIN);
            refusals.extend(withhold(&waiting.deployment, &unopened, newest));
            if waiting.rests.is_some() {
                serve_what_it_replaces(&waiting.deployment, open, newest);
            }
            true
        });
        refusals
    }
}

impl Waiting {
    fn is_due(&self, now: Instant) -> bool {
        self.rests.is_none_or(|until| until <= now)
    }
}

fn serve(deployment: &Deployment, open: &Open<'_>, newest: &mut Newest) -> Result<(), Unopened> {
    let Deployment { pipeline, number, model, .. } = deployment;
    let scorer = open(model)?;
    tracing::info!(pipeline, number, version = model.version, digest = model.digest, "deployed");
    newest.withheld.remove(pipeline);
    newest.deployed.insert(pipeline.clone(), Deployed { number: *number, model: Arc::new(model.clone()), scorer });
    Ok(())
}

/// Notes why it is not served; the refusal, where it is one and was not noted before.
fn withhold(deployment: &Deployment, unopened: &Unopened, newest: &mut Newest) -> Option<Refusal> {
    let Deployment { pipeline, number, model, .. } = deployment;
    let why = format!("deployment {number}, model version {}, is not served: {unopened}", model.version);
    if newest.withheld.get(pipeline) == Some(&why) {
        return None;
    }
    tracing::error!(pipeline, digest = model.digest, "{why}");
    newest.withheld.insert(pipeline.clone(), why);
    let Unopened::Refused { reason, .. } = *unopened else { return None };
    Some(Refusal { pipeline: pipeline.clone(), reason })
}

/// A process that has just started has no older model: the topic keeps the newest deployment alone, and that one names the
/// model before it. Partitions that have gone over to the refused one do not go back to it.
fn serve_what_it_replaces(refused: &Deployment, open: &Open<'_>, newest: &mut Newest) {
    if newest.deployed.contains_key(&refused.pipeline) {
        return;
    }
    let Deployment { pipeline, number, replaces: model, .. } = refused;
    match open(model) {
        Ok(scorer) => {
            tracing::warn!(pipeline, number, version = model.version, "the model before it is served");
            newest.deployed.insert(pipeline.clone(), Deployed { number: number - 1, model: Arc::new(model.clone()), scorer });
        }
        Err(unopened) => tracing::error!(pipeline, digest = model.digest, "nor is the model before it: {unopened}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(version: i32) -> ModelRef {
        ModelRef { name: "p".into(), version, digest: format!("sha256:{version}"), stage: "champion".into() }
    }

    fn deployment(number: i64, version: i32, replaces: i32) -> Deployment {
        let (model, replaces) = (model(version), model(replaces));
        let (route, detail) = ("default".into(), String::new());
        Deployment { pipeline: "p".into(), number, route, model, replaces, detail, registry_seq: 0, deployed_at: 0 }
    }

    /// Opens the versions in `sound` (as if they were bootstraps); `away` is the store.
    fn opener(sound: &'static [i32], away: bool) -> impl Fn(&ModelRef) -> Result<Option<Arc<Scorer>>, Unopened> {
        move |model| match model.version {
            _ if away => Err(Unopened::Away("the store does not answer".into())),
            version if sound.contains(&version) => Ok(None),
            _ => Err(Unopened::Refused { reason: "digest_mismatch", detail: "other bytes".into() }),
        }
    }

    fn served(newest: &Newest) -> Option<(i64, i32)> {
        newest.deployed.get("p").map(|d| (d.number, d.model.version))
    }

    #[test]
    fn what_is_refused_leaves_the_model_that_is_there_and_is_looked_at_again() {
        let (mut wanted, mut newest, now) = (Wanted::default(), Newest::default(), Instant::now());
        wanted.add(deployment(1, 1, 0));
        assert_eq!(wanted.open(now, &opener(&[1], false), &mut newest), []);
        assert_eq!((served(&newest), wanted.is_due(now)), (Some((1, 1)), false));
        wanted.add(deployment(2, 2, 1));
        let refusal = Refusal { pipeline: "p".into(), reason: "digest_mismatch" };
        assert_eq!(wanted.open(now, &opener(&[1], false), &mut newest), [refusal]);
        assert_eq!(served(&newest), Some((1, 1)));
        assert!(newest.withheld["p"].contains("deployment 2, model version 2, is not served"), "{:?}", newest.withheld);
        assert!(!wanted.is_due(now) && wanted.is_due(now + AGAIN));
        assert_eq!(wanted.open(now + AGAIN, &opener(&[1], false), &mut newest), [], "it is told once");
        assert_eq!(wanted.open(now + 2 * AGAIN, &opener(&[1, 2], false), &mut newest), []);
        assert_eq!((served(&newest), newest.withheld.len()), (Some((2, 2)), 0), "the right bytes were put there");
    }

    #[test]
    fn a_process_that_starts_at_a_refused_model_serves_the_one_before_it() {
        let (mut wanted, mut newest, now) = (Wanted::default(), Newest::default(), Instant::now());
        wanted.add(deployment(7, 4, 3));
        wanted.open(now, &opener(&[3], false), &mut newest);
        assert_eq!((served(&newest), newest.withheld.len()), (Some((6, 3)), 1));
        let (mut wanted, mut newest) = (Wanted::default(), Newest::default());
        wanted.add(deployment(7, 4, 3));
        wanted.open(now, &opener(&[], false), &mut newest);
        assert_eq!(served(&newest), None, "both are refused");
    }

    #[test]
    fn what_is_away_is_waited_for() {
        let (mut wanted, mut newest, now) = (Wanted::default(), Newest::default(), Instant::now());
        wanted.add(deployment(7, 4, 0));
        assert_eq!(wanted.open(now, &opener(&[], true), &mut newest), []);
        assert_eq!((served(&newest), wanted.is_due(now)), (None, true));
        wanted.open(now, &opener(&[4], false), &mut newest);
        assert_eq!((served(&newest), newest.withheld.len()), (Some((7, 4)), 0));
    }
}
