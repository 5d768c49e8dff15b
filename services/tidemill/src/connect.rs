//! The cluster that a command talks to.

use anyhow::{Context, bail};
use std::collections::BTreeMap;
use std::time::Duration;
use tidemill_events::records;
use tidemill_expr::did_you_mean;
use tidemill_kafka::admin::Admin;
use tidemill_kafka::pipelines;
use tidemill_kafka::registry::{Blocking, Registry};
use tidemill_pipeline::Pipeline;
use tokio::runtime::Runtime;

/// How long a command waits for a registry that is down.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where Kafka and the registry are.
#[derive(Debug, Clone, clap::Args)]
#[group(id = "connection")]
#[command(next_help_heading = "Connection")]
pub struct Flags {
    /// Kafka brokers
    #[arg(long, env = "TIDEMILL_KAFKA", value_name = "HOST:PORT,…")]
    pub kafka: String,
    /// Schema registry
    #[arg(long, env = "TIDEMILL_REGISTRY", value_name = "URL")]
    pub registry: String,
}

/// A connection to Kafka and the registry, for a thread of its own.
pub struct Cluster {
    /// Kafka brokers.
    pub brokers: String,
    /// Topics and offsets.
    pub admin: Admin,
    /// Schemas.
    pub registry: Blocking,
    client: Registry,
    runtime: Runtime,
}

impl Cluster {
    /// Connects; the first call finds out whether anything is there.
    ///
    /// # Errors
    /// When a client cannot be made.
    pub fn new(flags: &Flags) -> anyhow::Result<Self> {
        let runtime = Runtime::new().context("cannot start the runtime")?;
        let client = Registry::new(&flags.registry, PATIENCE)?;
        let registry = {
            let _inside = runtime.enter();
            client.blocking()
        };
        Ok(Self { brokers: flags.kafka.clone(), admin: Admin::new(&flags.kafka)?, registry, client, runtime })
    }

    /// Waits for `future`.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    /// The registry for async code.
    #[must_use]
    pub fn registry_client(&self) -> &Registry {
        &self.client
    }

    /// What is applied, by name.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn applied(&self) -> anyhow::Result<BTreeMap<String, records::Pipeline>> {
        let applied = pipelines::applied(&self.brokers, &self.registry);
        applied.with_context(|| format!("cannot read the applied pipelines from Kafka at {}", self.brokers))
    }

    /// The applied pipeline called `name`, as it was applied and compiled.
    ///
    /// # Errors
    /// When it is not applied (with those that are), or this version cannot compile it.
    pub fn pipeline(&self, name: &str) -> anyhow::Result<(records::Pipeline, Pipeline)> {
        let mut applied = self.applied()?;
        let Some(record) = applied.remove(name) else {
            let known: Vec<&str> = applied.keys().map(String::as_str).collect();
            match did_you_mean(name, known.iter().copied()) {
                _ if known.is_empty() => bail!("no pipeline is applied yet: tidemill apply FILE"),
                Some(hint) => bail!("no pipeline `{name}` is applied: {hint}"),
                None => bail!("no pipeline `{name}` is applied; applied: {}", known.join(", ")),
            }
        };
        let pipeline = compile(&record)?;
        Ok((record, pipeline))
    }
}

/// Compiles an applied pipeline.
///
/// # Errors
/// What is wrong with it, drawn.
pub fn compile(record: &records::Pipeline) -> anyhow::Result<Pipeline> {
    tidemill_pipeline::from_record(record).map_err(|diagnostics| {
        let drawn = tidemill_pipeline::render(&diagnostics, &format!("{}.yaml", record.pipeline), &record.file, false);
        anyhow::anyhow!("this version of tidemill cannot run pipeline `{}` as it was applied:\n{drawn}", record.pipeline)
    })
}
