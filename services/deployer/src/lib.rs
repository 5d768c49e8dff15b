//! The deployer: registers every model, decides by policy or by order who serves, and tells the predictors.
//!
//! `registry` is the state machine, `policy` what the applied pipelines want of it, `handler` the loop, `rest` the
//! endpoints, `desk` where the two meet; this file wires them.

mod config;
pub mod desk;
pub mod handler;
mod meters;
pub mod policy;
pub mod registry;
mod rest;

pub use config::Config;
pub use meters::Meters;

use crate::desk::Desk;
use crate::handler::{DeployerFold, INPUTS, OUTPUTS, Schemas};
use crate::policy::Policies;
use anyhow::Context as _;
use std::sync::Arc;
use std::time::Duration;
use tidemill_events::codec::AvroSchema;
use tidemill_events::layout::control_avro;
use tidemill_events::topics::{Control, subject};
use tidemill_kafka::pipelines::Follower;
use tidemill_kafka::registry::{Blocking, Registry};
use tidemill_service::http::Token;
use tidemill_service::{Context, Service};
use tidemill_stream::Error;
use tidemill_task_sets::observer::{Seat, Topics, observer};
use tidemill_task_sets::{WriterSchemas, alone};

/// The consumer group.
const GROUP: &str = "tidemill.deployer";

/// The service.
pub struct Deployer;

impl Service for Deployer {
    const NAME: &'static str = "tidemill-deployer";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const LISTEN: &'static str = "127.0.0.1:8087";
    type Config = Config;

    async fn start(config: Config, context: Context) -> anyhow::Result<axum::Router> {
        let common = config.as_ref();
        let registry = Registry::new(&common.registry, Duration::from_secs(2))?.blocking();
        let follower = Follower::start(&common.kafka, registry.clone()).context("cannot follow the applied pipelines")?;
        let (policies, desk) = (Policies::new(follower.applied()), Arc::new(Desk::default()));
        let meters = Arc::new(Meters::new(context.metrics()));
        let routes = rest::routes(desk.clone(), Token::new(config.write.token.clone()));

        let seat = Seat { brokers: common.kafka.clone(), instance: common.instance, group: GROUP.to_owned() };
        let name = |topics: [Control; 2]| topics.map(|t| t.name().to_owned()).to_vec();
        let topics = Topics { inputs: name(INPUTS), outputs: name(OUTPUTS) };
        let make = move || Ok(DeployerFold::new(schemas(&registry)?, policies.clone(), desk.clone(), meters.clone()));
        let set = observer(meters::STAGE, &seat, topics, context.clock().clone(), make);
        begin(&context, follower, set)?;
        Ok(routes)
    }
}

/// Starts the loop when the first pipeline is applied: that makes the topics, and registers their schemas.
fn begin(context: &Context, follower: Follower, set: tidemill_task_sets::TaskSet) -> std::io::Result<()> {
    let supervised = context.clone();
    let check = context.readiness().check("pipelines");
    check.set_not_ready("tidemill.pipelines has not been read yet");
    context.spawn("pipelines", async move {
        let (stop, mut applied) = (supervised.stop().clone(), follower.applied());
        let begin = async {
            // never closed: the follower is here
            let _ = applied.wait_for(|a| a.caught_up).await.is_ok();
            check.set_ready();
            let _ = applied.wait_for(|a| !a.pipelines.is_empty()).await.is_ok();
        };
        tokio::select! { () = begin => {}, () = stop.cancelled() => return Ok(()) }
        alone(&supervised, set)?;
        stop.cancelled().await;
        // waits for its thread
        tokio::task::spawn_blocking(move || drop(follower)).await?;
        Ok(())
    });
    Ok(())
}

fn schemas(registry: &Blocking) -> Result<Schemas, Error> {
    let mut writers = WriterSchemas::new(registry.clone(), []);
    Ok(Schemas {
        writer: Box::new(move |id| writers.get(id)),
        registry: own(registry, Control::Registry)?,
        deployments: own(registry, Control::Deployments)?,
    })
}

/// The schema of a topic that this service writes, and the id under which `apply` registered it.
fn own(registry: &Blocking, topic: Control) -> Result<(AvroSchema, u32), Error> {
    let text = control_avro(topic);
    // not registered yet: the first apply is under way, or made by an older version
    let id = registry.lookup(&subject(topic.name()), text).map_err(|e| Error::Unavailable(e.to_string()))?;
    Ok((AvroSchema::parse(text).map_err(|e| Error::Fatal(e.to_string()))?, id))
}
