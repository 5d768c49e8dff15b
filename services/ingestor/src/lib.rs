//! HTTP in, acknowledged raw records out.
//!
//! Follow an event: [`handler`] takes the request, [`split`] cuts it into records, [`cloudevents`] takes off an
//! envelope, [`intake`] reads each and says where it goes, [`seen`] stops what was taken before, [`sink`] appends,
//! [`answer`] tells the caller. Or [`foreign`] reads it from a topic of the upstream's own, exactly once.

pub mod answer;
pub mod catalog;
mod cloudevents;
pub mod config;
mod foreign;
pub mod handler;
pub mod intake;
mod meters;
mod outcome;
pub mod route;
pub mod sample;
mod seen;
pub mod sink;
mod split;
mod work;

use crate::catalog::Catalog;
use crate::config::Config;
use crate::handler::{App, Settings};
use crate::meters::Meters;
use crate::sample::Sampler;
use anyhow::Context as _;
use axum::Router;
use std::sync::Arc;
use std::time::Duration;
use tidemill_kafka::append::{self, Appender};
use tidemill_kafka::pipelines::Follower;
use tidemill_kafka::registry::Registry;
use tidemill_service::config::Common;
use tidemill_service::health::Check;
use tidemill_service::http::{Budget, Limits, Token};
use tidemill_service::{CancellationToken, Context, Service};
use tidemill_task_sets::{Applied, Wiring, supervise};
use tokio::runtime::Handle;

/// How long a call to a registry that is down is repeated before it counts as failed.
const REGISTRY_PATIENCE: Duration = Duration::from_secs(5);
/// Between two looks whether Kafka is there.
const PING_EVERY: Duration = Duration::from_secs(5);
const PING_TIME: Duration = Duration::from_secs(4);

/// The ingestor.
pub struct Ingestor;

impl Service for Ingestor {
    const NAME: &'static str = "tidemill-ingestor";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const LISTEN: &'static str = "127.0.0.1:7101";
    type Config = Config;

    async fn start(config: Config, context: Context) -> anyhow::Result<Router> {
        let appender = Arc::new(Appender::new(&append::Settings {
            brokers: config.common.kafka.clone(),
            client_id: format!("{}-{}", Self::NAME, config.common.instance),
            delivery_timeout: config.ack_timeout,
            queue_bytes: config.in_flight_bytes,
        })?);
        watch_kafka(&context, &appender);

        let registry = Registry::new(&config.common.registry, REGISTRY_PATIENCE)?.blocking();
        let follower = Follower::start(&config.common.kafka, registry.clone()).context("cannot follow the pipelines")?;
        let catalog = Catalog::default();
        let check = context.readiness().check("routes");
        context.spawn_thread("pipelines", {
            let (catalog, stop, runtime) = (catalog.clone(), context.stop().clone(), Handle::current());
            move || {
                catalog::follow(&catalog, &follower, &registry, config.seen_events, &check, &stop, &runtime);
                Ok(())
            }
        })?;

        let settings = Settings {
            token: Token::new(config.write.token),
            limits: Limits { size: config.max_body_bytes, time: config.body_timeout },
            budget: Budget::new(config.in_flight_bytes),
            sampler: Sampler::new(if config.common.otlp.is_some() { config.trace_ratio } else { 0.0 }),
        };
        let app = App::new(settings, catalog, appender, context.metrics());
        follow_upstreams(&config.common, &context, app.meters().clone())?;
        Ok(handler::routes(app))
    }
}

/// A loop for each pipeline with a topic of the upstream's own.
fn follow_upstreams(common: &Common, context: &Context, meters: Meters) -> anyhow::Result<()> {
    let wiring = Wiring::new(common, context)?;
    let follower = wiring.follow()?;
    let make = move |applied: &Applied| Ok(foreign::task_set(&applied.pipeline, &wiring, &meters)?.into_iter().collect());
    supervise(context, follower, Box::new(make))?;
    Ok(())
}

/// Two components: one turns the readiness check `kafka`, one ends the service when the producer is lost.
fn watch_kafka(context: &Context, appender: &Arc<Appender>) {
    let check = context.readiness().check("kafka");
    let (pinged, stop) = (Arc::clone(appender), context.stop().clone());
    context.spawn("kafka check", async move {
        while !stop.is_cancelled() {
            ping(&pinged, &check).await;
            wait(PING_EVERY, &stop).await;
        }
        Ok(())
    });
    let (appender, stop) = (Arc::clone(appender), context.stop().clone());
    context.spawn("producer", async move {
        tokio::select! {
            reason = appender.failed() => Err(anyhow::anyhow!("it can no longer be used: {reason}")),
            () = stop.cancelled() => Ok(()),
        }
    });
}

async fn ping(appender: &Arc<Appender>, check: &Check) {
    let appender = Arc::clone(appender);
    match tokio::task::spawn_blocking(move || appender.ping(PING_TIME)).await {
        Ok(Ok(())) => check.set_ready(),
        Ok(Err(error)) => check.set_not_ready(error.to_string()),
        Err(_) => {} // the runtime is going away
    }
}

/// Waits, but not past a stop.
pub(crate) async fn wait(time: Duration, stop: &CancellationToken) {
    tokio::select! {
        () = tokio::time::sleep(time) => {}
        () = stop.cancelled() => {}
    }
}
