//! What the applied pipelines want of their models.

use std::collections::BTreeMap;
use tidemill_events::records;
use tidemill_events::records::ModelRef;
use tidemill_kafka::pipelines::Applied;
use tidemill_pipeline::learning::Approval;
use tokio::sync::watch;

/// What a pipeline wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Who has to agree before a model serves; nobody where the file has no `rollout`.
    pub approval: Approval,
    /// What serves before any model does.
    pub bootstrap: ModelRef,
}

/// The policies of the applied pipelines.
#[derive(Clone)]
pub struct Policies {
    applied: watch::Receiver<Applied>,
    /// Compiled pipelines by name, each for one digest; `None` for a file that this version cannot read.
    compiled: BTreeMap<String, (String, Option<Policy>)>,
}

impl Policies {
    /// The policies of what is `applied`, as it changes.
    #[must_use]
    pub fn new(applied: watch::Receiver<Applied>) -> Self {
        Self { applied, compiled: BTreeMap::new() }
    }

    /// Whether what is applied has been read.
    #[must_use]
    pub fn are_known(&self) -> bool {
        self.applied.borrow().caught_up
    }

    /// The policy of `pipeline`; `None` where it is not applied.
    pub fn of(&mut self, pipeline: &str) -> Option<Policy> {
        let record = self.applied.borrow().pipelines.get(pipeline).cloned()?;
        if let Some((digest, policy)) = self.compiled.get(pipeline)
            && *digest == record.digest
        {
            return policy.clone();
        }
        let policy = compile(&record);
        self.compiled.insert(pipeline.to_owned(), (record.digest.clone(), policy.clone()));
        policy
    }
}

fn compile(record: &records::Pipeline) -> Option<Policy> {
    match tidemill_pipeline::from_record(record) {
        Ok(pipeline) => {
            let approval = pipeline.learning.rollout.as_ref().map_or(Approval::Automatic, |r| r.approval);
            Some(Policy { approval, bootstrap: pipeline.bootstrap_model() })
        }
        Err(diagnostics) => {
            let why: Vec<String> = diagnostics.iter().map(|d| format!("{} {}", d.code, d.message)).collect();
            tracing::error!(pipeline = record.pipeline, "cannot read this pipeline, deploys nothing of it: {}", why.join("; "));
            None
        }
    }
}
