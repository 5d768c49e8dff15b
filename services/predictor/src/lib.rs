//! The predictor: scores every vector of the stream, and single events over REST from the online store.
//!
//! `handler` is the pure task of the stream; `deployments` follows what is deployed, `wanted` is what of it is still to be
//! opened, `newest` what can be served, `in_force` which of it a partition's predictions are made by, `score` how;
//! `serving` is what REST needs of a pipeline, `rest` the endpoint; this file wires them.

mod config;
mod deployments;
mod handler;
mod in_force;
mod newest;
mod rest;
mod score;
mod serving;
mod wanted;

pub use config::Config;
pub use handler::{PredictorTask, Shared, Writers};
pub use newest::{Deployed, Newest};
pub use score::{Scored, Scorer};

use anyhow::Context as _;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use std::sync::Arc;
use std::time::Duration;
use tidemill_artefacts::ArtefactStore;
use tidemill_events::codec::{PredictionCodec, VectorCodec};
use tidemill_events::topics::PerPipeline;
use tidemill_kafka::registry::Blocking;
use tidemill_kafka::transactional::KafkaBroker;
use tidemill_online_store::RedisStore;
use tidemill_service::metrics::Labels;
use tidemill_service::{Context, Service};
use tidemill_stream::{Committed, Error, Limits, Restore, Stage};
use tidemill_task_sets::{Applied, TaskSet, Wiring, WriterSchemas, lookup, supervise, writers};
use tokio::sync::watch;

/// The stage's name, as it is in the group.
const STAGE: &str = "predictor";
/// How long Redis may take to answer a REST read.
const REDIS_TIMEOUT: Duration = Duration::from_millis(500);

/// The service.
pub struct Predictor;

impl Service for Predictor {
    const NAME: &'static str = "tidemill-predictor";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const LISTEN: &'static str = "127.0.0.1:8084";
    type Config = Config;

    async fn start(config: Config, context: Context) -> anyhow::Result<axum::Router> {
        let wiring = Wiring::new(config.as_ref(), &context)?.with_fault(config.fault.fault.as_deref())?;
        let follower = wiring.follow()?;
        let store = RedisStore::new(&config.redis.redis, REDIS_TIMEOUT).context("cannot use Redis")?;
        let newest = follow_deployments(&config, &wiring, &context)?;
        let routes = rest::routes(follower.applied(), newest.clone(), store, context.clock().clone(), context.metrics());

        let unscored = Family::<Labels, Counter>::default();
        let help = "Vectors that the model could not score, decided as if above the threshold";
        context.metrics().register(|r| r.register("unscored", help, unscored.clone()));
        let make = move |applied: &Applied| {
            let settings = wiring.settings(STAGE, &applied.pipeline.layout, &[PerPipeline::Features], &[PerPipeline::Predictions]);
            let labels = Labels { pipeline: applied.pipeline.name.as_str().into(), stage: STAGE, outcome: "" };
            let stage = PredictorStage::new(applied, &wiring.registry, newest.clone(), unscored.get_or_create(&labels).clone())?;
            Ok(vec![TaskSet::new(STAGE, KafkaBroker::new(settings), stage, Limits::default(), wiring.clock.clone())])
        };
        supervise(&context, follower, Box::new(make))?;
        Ok(routes)
    }
}

/// Follows what is deployed on a thread of its own.
fn follow_deployments(config: &Config, wiring: &Wiring, context: &Context) -> anyhow::Result<watch::Receiver<Newest>> {
    let refused = Family::<Labels, Counter>::default();
    let help = "Deployed models that were not served, by reason";
    context.metrics().register(|r| r.register("models_refused", help, refused.clone()));
    let (state, newest) = watch::channel(Newest::default());
    let follower = deployments::Follower {
        brokers: wiring.brokers.clone(),
        schemas: WriterSchemas::new(wiring.registry.clone(), []),
        store: ArtefactStore::open(&config.store.store).context("cannot use the object store")?,
        refused,
        ready: context.readiness().check("deployments"),
        stop: context.stop().clone(),
        state,
    };
    context.spawn_thread("deployments", move || follower.run())?;
    Ok(newest)
}

/// The predictor of one pipeline.
struct PredictorStage {
    shared: Shared,
    registry: Blocking,
}

impl PredictorStage {
    fn new(applied: &Applied, registry: &Blocking, newest: watch::Receiver<Newest>, unscored: Counter) -> Result<Self, Error> {
        let layout = &applied.pipeline.layout;
        let fault = |e: tidemill_events::codec::Error| Error::Fatal(e.to_string());
        let shared = Shared {
            pipeline: applied.pipeline.clone(),
            newest,
            vectors: VectorCodec::new(layout, lookup(registry, layout, PerPipeline::Features)?).map_err(fault)?,
            predictions: PredictionCodec::new(layout, lookup(registry, layout, PerPipeline::Predictions)?).map_err(fault)?,
            unscored: Arc::new(move || {
                unscored.inc();
            }),
        };
        Ok(Self { shared, registry: registry.clone() })
    }
}

impl Stage for PredictorStage {
    type Task = PredictorTask;

    fn open(&mut self, _: i32, _: &[Committed], task_bytes: &[u8], _: u64) -> Result<(PredictorTask, Vec<Restore>), Error> {
        Ok((PredictorTask::new(self.shared.clone(), writers(&self.registry, []), task_bytes)?, Vec::new()))
    }
}
