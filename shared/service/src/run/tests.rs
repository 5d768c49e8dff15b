//! Lifecycles: asked to stop, failing, not stopping.

use super::*;
use clap::Parser;
use std::sync::Mutex;

#[derive(Debug, Clone, Parser)]
struct Config {
    #[command(flatten)]
    common: Common,
}

impl AsRef<Common> for Config {
    fn as_ref(&self) -> &Common {
        &self.common
    }
}

fn config() -> Config {
    Config::parse_from(["x", "--kafka", "a:1", "--registry", "http://r:2", "--listen", "127.0.0.1:0"])
}

static ORDERLY: Mutex<Vec<&str>> = Mutex::new(Vec::new());

struct Orderly;

impl Service for Orderly {
    const NAME: &'static str = "orderly";
    const VERSION: &'static str = "0";
    const LISTEN: &'static str = "127.0.0.1:0";
    type Config = Config;
    async fn start(_: Config, context: Context) -> anyhow::Result<Router> {
        let stop = context.stop().clone();
        context.spawn("task", async move {
            stop.cancelled().await;
            ORDERLY.lock().unwrap().push("task");
            Ok(())
        });
        let stop = context.stop().clone();
        let runtime = tokio::runtime::Handle::current();
        context.spawn_thread("thread", move || {
            runtime.block_on(stop.cancelled());
            ORDERLY.lock().unwrap().push("thread");
            Ok(())
        })?;
        context.spawn("short", async { Ok(()) });
        Ok(Router::new())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_waits_for_every_component() {
    run_until::<Orderly>(
        config(),
        async {
            tokio::task::yield_now().await;
            "SIGTERM"
        },
        GRACE,
    )
    .await
    .unwrap();
    let mut done = ORDERLY.lock().unwrap().clone();
    done.sort_unstable();
    assert_eq!(done, ["task", "thread"]);
}

struct Failing;

impl Service for Failing {
    const NAME: &'static str = "failing";
    const VERSION: &'static str = "0";
    const LISTEN: &'static str = "127.0.0.1:0";
    type Config = Config;
    async fn start(_: Config, context: Context) -> anyhow::Result<Router> {
        context.spawn("kafka", async { Err(anyhow::anyhow!("fenced")) });
        let stop = context.stop().clone();
        context.spawn("other", async move {
            stop.cancelled().await;
            Ok(())
        });
        Ok(Router::new())
    }
}

#[tokio::test]
async fn a_component_that_fails_ends_the_service() {
    let error = run_until::<Failing>(config(), std::future::pending(), GRACE).await.unwrap_err();
    assert_eq!(format!("{error:#}"), "kafka failed: fenced");
}

struct Stuck;

impl Service for Stuck {
    const NAME: &'static str = "stuck";
    const VERSION: &'static str = "0";
    const LISTEN: &'static str = "127.0.0.1:0";
    type Config = Config;
    async fn start(_: Config, context: Context) -> anyhow::Result<Router> {
        context.spawn("deaf", std::future::pending());
        Ok(Router::new())
    }
}

#[tokio::test]
async fn a_component_that_does_not_stop_is_named() {
    let error = run_until::<Stuck>(config(), async { "SIGTERM" }, Duration::from_millis(50)).await.unwrap_err();
    assert_eq!(error.to_string(), "still running after 50ms: deaf");
}

#[tokio::test]
async fn a_taken_address_is_said() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = config();
    config.common.listen = taken.local_addr().unwrap();
    let error = run_until::<Orderly>(config, std::future::pending(), GRACE).await.unwrap_err().to_string();
    assert!(error.starts_with("cannot listen on 127.0.0.1:"), "{error}");
}
