//! One runner, N services: configuration, log, admin endpoints, signals, graceful end.

mod context;

pub use context::Context;

use crate::config::{self, Common};
use crate::http::{admin, serve};
use crate::logging;
use crate::metrics::Metrics;
use crate::telemetry::Telemetry;
use axum::Router;
use clap::{CommandFactory, FromArgMatches};
use context::Ended;
use std::fmt::Debug;
use std::future::Future;
use std::process::ExitCode;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, timeout_at};

/// How long a service may take to finish what it has begun.
const GRACE: Duration = Duration::from_secs(10);
/// What a client has to send a request's head.
const HEADER_TIME: Duration = Duration::from_secs(15);

/// A service: what differs between binaries.
pub trait Service {
    /// The binary's name.
    const NAME: &'static str;
    /// Its version.
    const VERSION: &'static str;
    /// Where it listens unless told otherwise, `address:port`.
    const LISTEN: &'static str;
    /// Its configuration; holds a [`Common`].
    type Config: CommandFactory + FromArgMatches + AsRef<Common> + Debug + Send + 'static;

    /// Connects, starts what runs on its own ([`Context::spawn`], [`Context::spawn_thread`]), gives the
    /// routes. Returns soon: what takes long belongs into a component that turns a readiness check.
    fn start(config: Self::Config, context: Context) -> impl Future<Output = anyhow::Result<Router>> + Send;
}

/// Runs a service from its command line to its end. The exit code is 0 after a stop that was asked for,
/// 1 when something failed, 2 when the configuration was refused.
#[must_use]
pub fn run<S: Service>() -> ExitCode {
    let config = match config::load::<S::Config>(S::LISTEN, std::env::args_os()) {
        Ok(config) => config,
        Err(error) => return error.report(),
    };
    let common = config.as_ref().clone();
    if let Err(error) = logging::init(&common.log, common.log_format) {
        eprintln!("error: {error:#}");
        return ExitCode::from(2);
    }
    logging::abort_on_panic();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(common.workers.into()).enable_all().build();
    let result = runtime.map_err(anyhow::Error::from).and_then(|runtime| {
        let result = runtime.block_on(run_until_signal::<S>(config));
        runtime.shutdown_background();
        result
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{} ends: {error:#}", S::NAME);
            ExitCode::FAILURE
        }
    }
}

async fn run_until_signal<S: Service>(config: S::Config) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let signal = async move {
        tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        }
    };
    run_until::<S>(config, signal, GRACE).await
}

async fn run_until<S: Service>(config: S::Config, asked: impl Future<Output = &'static str>, grace: Duration) -> anyhow::Result<()> {
    tracing::info!(version = S::VERSION, ?config, "{} starts", S::NAME);
    let metrics = Metrics::new(S::NAME, S::VERSION);
    let telemetry = Telemetry::start(config.as_ref(), S::NAME, S::VERSION, &metrics)?;
    let result = serve_until::<S>(config, metrics, asked, grace).await;
    if let Some(telemetry) = telemetry {
        // also of a service that failed: its last spans say most
        let _ = tokio::task::spawn_blocking(move || telemetry.stop()).await;
    }
    result
}

async fn serve_until<S: Service>(
    config: S::Config,
    metrics: Metrics,
    asked: impl Future<Output = &'static str>,
    grace: Duration,
) -> anyhow::Result<()> {
    let address = config.as_ref().listen;
    let listener = TcpListener::bind(address).await.map_err(|e| anyhow::anyhow!("cannot listen on {address}: {e}"))?;
    let (context, mut ended) = Context::new(metrics);
    let stop = context.stop().clone();
    tokio::pin!(asked);

    let routes = tokio::select! {
        biased;
        routes = S::start(config, context.clone()) => routes?,
        signal = &mut asked => {
            tracing::info!("{signal} while starting");
            return Ok(());
        }
    };
    tracing::info!("listening on {}", listener.local_addr()?);
    let router = admin(routes, context.readiness().clone(), context.metrics().clone(), stop.clone());
    let server = tokio::spawn(serve(listener, router, HEADER_TIME, stop.clone()));

    let failed = tokio::select! {
        signal = &mut asked => {
            tracing::info!("{signal}: finishing what has begun");
            None
        }
        failed = first_failure(&mut ended) => Some(failed),
    };
    stop.cancel();
    finish(&context, server, &mut ended, grace, failed).await
}

/// The first component that failed; those that are done in good order do not matter.
async fn first_failure(ended: &mut UnboundedReceiver<Ended>) -> anyhow::Error {
    loop {
        match ended.recv().await {
            Some(Ended { name, result: Err(error) }) => return error.context(format!("{name} failed")),
            Some(Ended { name, result: Ok(()) }) => tracing::debug!("{name} is done"),
            None => std::future::pending().await,
        }
    }
}

async fn finish(
    context: &Context,
    server: tokio::task::JoinHandle<()>,
    ended: &mut UnboundedReceiver<Ended>,
    grace: Duration,
    mut failed: Option<anyhow::Error>,
) -> anyhow::Result<()> {
    let deadline = Instant::now() + grace;
    if timeout_at(deadline, server).await.is_err() {
        failed.get_or_insert_with(|| anyhow::anyhow!("requests were still under way after {grace:?}"));
    }
    while !context.running().is_empty() {
        match timeout_at(deadline, ended.recv()).await {
            Ok(Some(Ended { name, result: Err(error) })) => {
                tracing::error!("{name} failed while stopping: {error:#}");
                failed.get_or_insert_with(|| error.context(format!("{name} failed while stopping")));
            }
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => {
                let late = context.running().join(", ");
                failed.get_or_insert_with(|| anyhow::anyhow!("still running after {grace:?}: {late}"));
                break;
            }
        }
    }
    failed.map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests;
