//! Whether services are ready, as they say themselves.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a service may take to answer.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Where the services are; those without an address are not asked.
#[derive(Debug, Clone, clap::Args)]
#[group(id = "services")]
#[command(next_help_heading = "Services")]
pub(super) struct Flags {
    /// The ingestor's address
    #[arg(long, env = "TIDEMILL_INGESTOR_URL", value_name = "URL")]
    ingestor: Option<String>,
    /// The validator's address
    #[arg(long, env = "TIDEMILL_VALIDATOR_URL", value_name = "URL")]
    validator: Option<String>,
    /// The feature-builder's address
    #[arg(long, env = "TIDEMILL_FEATURE_BUILDER_URL", value_name = "URL")]
    feature_builder: Option<String>,
    /// The predictor's address
    #[arg(long, env = "TIDEMILL_PREDICTOR_URL", value_name = "URL")]
    predictor: Option<String>,
    /// The evaluator's address
    #[arg(long, env = "TIDEMILL_EVALUATOR_URL", value_name = "URL")]
    evaluator: Option<String>,
    /// The trainer's address
    #[arg(long, env = "TIDEMILL_TRAINER_URL", value_name = "URL")]
    trainer: Option<String>,
    /// The deployer's address
    #[arg(long, env = "TIDEMILL_DEPLOYER_URL", value_name = "URL")]
    deployer: Option<String>,
    /// The drift-watcher's address
    #[arg(long, env = "TIDEMILL_DRIFT_WATCHER_URL", value_name = "URL")]
    drift_watcher: Option<String>,
}

/// How a service is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Health {
    pub(super) service: &'static str,
    pub(super) url: String,
    pub(super) ready: bool,
    /// What is not ready, or why nothing is known.
    pub(super) reasons: Vec<String>,
}

/// `/health/ready`, as far as it is shown.
#[derive(Deserialize)]
struct Answer {
    ready: bool,
    checks: BTreeMap<String, Check>,
}

#[derive(Deserialize)]
struct Check {
    ready: bool,
    reason: Option<String>,
}

/// Asks every service that has an address.
pub(super) async fn ask(flags: &Flags) -> reqwest::Result<Vec<Health>> {
    let http = tidemill_http_client::builder().timeout(TIMEOUT).build()?;
    let mut all = Vec::new();
    for (service, url) in [
        ("ingestor", &flags.ingestor),
        ("validator", &flags.validator),
        ("feature-builder", &flags.feature_builder),
        ("predictor", &flags.predictor),
        ("evaluator", &flags.evaluator),
        ("trainer", &flags.trainer),
        ("deployer", &flags.deployer),
        ("drift-watcher", &flags.drift_watcher),
    ] {
        if let Some(url) = url {
            all.push(ask_one(&http, service, url).await);
        }
    }
    Ok(all)
}

async fn ask_one(http: &reqwest::Client, service: &'static str, url: &str) -> Health {
    let health = |ready, reasons| Health { service, url: url.to_owned(), ready, reasons };
    let answer = async { http.get(format!("{}/health/ready", url.trim_end_matches('/'))).send().await?.json::<Answer>().await };
    match answer.await {
        Ok(answer) => {
            let reasons = answer.checks.into_iter().filter(|(_, check)| !check.ready);
            let reasons = reasons.map(|(name, check)| format!("{name}: {}", check.reason.unwrap_or_default())).collect();
            health(answer.ready, reasons)
        }
        Err(error) if error.is_connect() => health(false, vec!["nobody listens there".into()]),
        Err(error) => health(false, vec![error.without_url().to_string()]),
    }
}
