//! Which deployment a partition's predictions are made by. It changes between transactions only, never goes back,
//! and its number is committed with the offset: a restart goes on with it or with a newer one.

use crate::newest::Newest;
use crate::score::Scorer;
use std::sync::Arc;
use tidemill_pipeline::Pipeline;
use tidemill_stream::Error;
use tidemill_stream::metadata::{put_varint, take_varint};
use tokio::sync::watch;

/// The deployment in force at one partition.
pub(crate) struct InForce {
    pipeline: Arc<Pipeline>,
    newest: watch::Receiver<Newest>,
    /// Number of the newest deployment that this partition has seen predictions of; 0 is none, the bootstrap.
    number: i64,
    /// `None` until the first record after a start.
    scorer: Option<Scorer>,
    /// The deployment that does not fit the pipeline's vectors, and why.
    unfit: Option<(i64, String)>,
}

impl InForce {
    /// As the metadata says.
    ///
    /// # Errors
    /// [`Error::Fatal`] when it was not written by [`InForce::checkpoint`].
    pub(crate) fn new(pipeline: Arc<Pipeline>, newest: watch::Receiver<Newest>, mut task_bytes: &[u8]) -> Result<Self, Error> {
        let number = if task_bytes.is_empty() { Some(0) } else { take_varint(&mut task_bytes) };
        let number = number.and_then(|n| i64::try_from(n).ok()).filter(|_| task_bytes.is_empty());
        let number =
            number.ok_or_else(|| Error::Fatal("the offset metadata names no deployment: was it written by a newer version?".into()))?;
        Ok(Self { pipeline, newest, number, scorer: None, unfit: None })
    }

    /// Goes over to the newest deployment that can be served. Call it when a transaction begins.
    ///
    /// # Errors
    /// [`Error::Unavailable`], with nothing changed, when there is none yet that this partition may go on with.
    pub(crate) fn adopt(&mut self) -> Result<(), Error> {
        let newest = self.newest.borrow();
        if !newest.caught_up {
            return Err(Error::Unavailable("tidemill.deployments has not been read yet".into()));
        }
        let name = &self.pipeline.name;
        if let Some(deployed) = newest.deployed.get(name)
            && (deployed.number > self.number || self.scorer.is_none())
            && deployed.number >= self.number
            && self.unfit.as_ref().is_none_or(|(unfit, _)| *unfit != deployed.number)
        {
            match deployed.scorer(&self.pipeline) {
                Ok(scorer) => {
                    let missing = scorer.missing();
                    if !missing.is_empty() {
                        let (number, missing) = (deployed.number, missing.join(", "));
                        tracing::warn!(
                            pipeline = name,
                            number,
                            missing,
                            "the pipeline no longer has features of the model: scored without"
                        );
                    }
                    self.number = deployed.number;
                    self.scorer = Some(scorer);
                }
                Err(why) => {
                    tracing::error!(pipeline = name, number = deployed.number, why, "the deployed model is not served");
                    self.unfit = Some((deployed.number, why));
                }
            }
        }
        if self.scorer.is_none() {
            if self.number > 0 {
                let why = newest.withheld.get(name).or(self.unfit.as_ref().map(|(_, why)| why));
                let why = why.map_or("it is not on tidemill.deployments", String::as_str);
                return Err(Error::Unavailable(format!("deployment {} was in force and cannot be served: {why}", self.number)));
            }
            self.scorer = Some(Scorer::bootstrap(self.pipeline.clone()));
        }
        Ok(())
    }

    /// Who scores; `None` before the first [`InForce::adopt`] that returned.
    pub(crate) fn scorer(&self) -> Option<&Scorer> {
        self.scorer.as_ref()
    }

    /// For the offset metadata.
    pub(crate) fn checkpoint(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        put_varint(&mut bytes, self.number.unsigned_abs());
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::newest::Deployed;
    use tidemill_events::{Value, records};
    use tidemill_model::{Learner, Scorer as Trained};

    fn pipeline() -> Arc<Pipeline> {
        let record = records::Pipeline {
            pipeline: "payments-fraud".into(),
            pipeline_version: 1,
            digest: String::new(),
            file: include_str!("../../../examples/payments/pipeline.yaml").into(),
            event_schema: include_str!("../../../examples/payments/payment.avsc").into(),
            applied_at: 0,
        };
        Arc::new(tidemill_pipeline::from_record(&record).unwrap())
    }

    /// A trained model of one feature.
    fn trained(feature: &str) -> Arc<Trained> {
        trained_on(&[feature])
    }

    /// A trained model that splits by the first of its features.
    fn trained_on(features: &[&str]) -> Arc<Trained> {
        let (most, infos) = (features.len() - 1, vec!["[0:1]"; features.len()].join(" "));
        let tree = "Tree=0\nnum_leaves=2\nnum_cat=0\nsplit_feature=0\nsplit_gain=1\nthreshold=100\ndecision_type=2\nleft_child=-1\n\
                    right_child=-2\nleaf_value=-1 1\nleaf_weight=1 1\nleaf_count=1 1\ninternal_value=0\ninternal_weight=2\n\
                    internal_count=2\nis_linear=0\nshrinkage=1\n\n\n";
        let head = format!(
            "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\nmax_feature_idx={most}\nobjective=binary sigmoid:1\n\
             feature_names={}\nfeature_infos={infos}\ntree_sizes={}\n\n",
            features.join(" "),
            tree.len()
        );
        let tree = format!("{head}{tree}end of trees\n");
        Arc::new(Trained::read(Learner::Lightgbm, tree.as_bytes()).unwrap())
    }

    fn deployed(number: i64, version: i32, scorer: Option<Arc<Trained>>) -> Deployed {
        let stage = if version == 0 { "bootstrap" } else { "champion" };
        let model = records::ModelRef { name: "payments-fraud".into(), version, digest: format!("sha256:{version}"), stage: stage.into() };
        Deployed { number, model: Arc::new(model), scorer }
    }

    struct Bed {
        state: watch::Sender<Newest>,
        pipeline: Arc<Pipeline>,
    }

    impl Bed {
        fn new() -> Self {
            Self { state: watch::channel(Newest { caught_up: true, ..Newest::default() }).0, pipeline: pipeline() }
        }

        fn deploy(&self, deployed: Deployed) {
            self.state.send_modify(|state| {
                state.deployed.insert("payments-fraud".into(), deployed);
            });
        }

        fn task(&self, bytes: &[u8]) -> InForce {
            InForce::new(self.pipeline.clone(), self.state.subscribe(), bytes).unwrap()
        }
    }

    fn version(in_force: &InForce) -> i32 {
        in_force.scorer().unwrap().model().version
    }

    #[test]
    fn goes_over_to_what_is_deployed_and_never_back() {
        let bed = Bed::new();
        let mut task = bed.task(&[]);
        task.adopt().unwrap();
        assert_eq!((version(&task), task.checkpoint()), (0, vec![0]));
        bed.deploy(deployed(3, 1, Some(trained("amount"))));
        assert_eq!(version(&task), 0, "not before the next transaction");
        task.adopt().unwrap();
        assert_eq!((version(&task), task.checkpoint()), (1, vec![3]));
        bed.deploy(deployed(2, 7, Some(trained("amount"))));
        task.adopt().unwrap();
        assert_eq!(version(&task), 1, "an older deployment is not adopted");
        bed.deploy(deployed(4, 0, None));
        task.adopt().unwrap();
        assert_eq!((version(&task), task.checkpoint()), (0, vec![4]), "a roll-back to the bootstrap is a newer deployment");
    }

    #[test]
    fn a_restart_waits_for_what_was_in_force() {
        let bed = Bed::new();
        let mut task = bed.task(&[3]);
        assert!(matches!(task.adopt(), Err(Error::Unavailable(_))));
        bed.deploy(deployed(2, 1, Some(trained("amount"))));
        assert!(matches!(task.adopt(), Err(Error::Unavailable(_))), "the one before it is no substitute");
        bed.deploy(deployed(3, 2, Some(trained("amount"))));
        task.adopt().unwrap();
        assert_eq!((version(&task), task.checkpoint()), (2, vec![3]));
    }

    #[test]
    fn what_does_not_fit_the_vectors_leaves_the_model_that_is_there() {
        let bed = Bed::new();
        bed.deploy(deployed(1, 1, Some(trained("amount"))));
        let mut task = bed.task(&[]);
        task.adopt().unwrap();
        bed.deploy(deployed(2, 2, Some(trained("amount_of_another_pipeline"))));
        task.adopt().unwrap();
        assert_eq!((version(&task), task.checkpoint()), (1, vec![1]));
        let mut restarted = bed.task(&[2]);
        let Err(Error::Unavailable(why)) = restarted.adopt() else { panic!("it was in force and does not fit") };
        assert!(why.ends_with("model version 2 knows none of the pipeline's features"), "{why}");
    }

    #[test]
    fn a_model_outlives_features_that_the_pipeline_no_longer_has() {
        let bed = Bed::new();
        bed.deploy(deployed(1, 1, Some(trained_on(&["amount", "customer_tx_count_14d"]))));
        let mut task = bed.task(&[1]);
        task.adopt().unwrap();
        assert_eq!((version(&task), task.scorer().unwrap().missing()), (1, vec!["customer_tx_count_14d"]));
        let columns = &bed.pipeline.layout.features;
        let vector: Vec<Value> = columns.iter().map(|c| Value::Double(if c.name == "amount" { 200.0 } else { 0.0 })).collect();
        assert!(task.scorer().unwrap().score(&vector).score > 0.7, "what is left still counts");
    }

    #[test]
    fn nothing_is_scored_before_the_deployments_are_known() {
        let bed = Bed::new();
        bed.state.send_modify(|state| state.caught_up = false);
        assert!(matches!(bed.task(&[]).adopt(), Err(Error::Unavailable(_))));
        assert!(InForce::new(bed.pipeline.clone(), bed.state.subscribe(), &[0x80]).is_err(), "not our metadata");
        assert!(InForce::new(bed.pipeline.clone(), bed.state.subscribe(), &[1, 1]).is_err(), "more than we wrote");
    }
}
