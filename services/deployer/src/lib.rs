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
use std::sync::Arc;
use tidemill_events::topics::Control;
use tidemill_kafka::pipelines::Follower;
use tidemill_kafka::registry::Blocking;
use tidemill_service::http::Token;
use tidemill_service::{Context, Service};
use tidemill_stream::Error;
use tidemill_task_sets::observer::{Topics, observer};
use tidemill_task_sets::{TaskSet, Wiring, alone, control_schema, writers};

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
        let wiring = Wiring::new(config.as_ref(), &context)?;
        let follower = wiring.follow()?;
        let (policies, desk) = (Policies::new(follower.applied()), Arc::new(Desk::default()));
        let meters = Arc::new(Meters::new(context.metrics()));
        let routes = rest::routes(desk.clone(), Token::new(config.write.token.clone()));

        let seat = wiring.seat_in(GROUP.to_owned());
        let name = |topics: [Control; 2]| topics.map(|t| t.name().to_owned()).to_vec();
        let topics = Topics { inputs: name(INPUTS), outputs: name(OUTPUTS) };
        let make = move || Ok(DeployerFold::new(schemas(&wiring.registry)?, policies.clone(), desk.clone(), meters.clone()));
        let set = observer(meters::STAGE, &seat, topics, context.clock().clone(), make);
        begin(&context, follower, set)?;
        Ok(routes)
    }
}

/// Starts the loop when the first pipeline is applied: that makes the topics, and registers their schemas.
fn begin(context: &Context, follower: Follower, set: TaskSet) -> std::io::Result<()> {
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
    Ok(Schemas {
        writer: writers(registry, []),
        registry: control_schema(registry, Control::Registry)?,
        deployments: control_schema(registry, Control::Deployments)?,
    })
}
