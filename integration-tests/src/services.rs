//! The platform's services as child processes: started, killed, restarted, stopped.

use crate::environment::Environment;
use crate::http::Http;
use crate::process::{Process, Usage};
use crate::until::until_holds;
use anyhow::{Context, Result, bail, ensure};
use std::collections::BTreeMap;
use std::fmt;
use std::net::TcpListener;
use std::process::{Command, ExitStatus};
use std::time::Duration;

/// How long a service may take to answer after its start.
const START: Duration = Duration::from_secs(20);
/// How long it may take to be ready: it joins its groups and restores its state.
pub const READY: Duration = Duration::from_secs(60);
/// How long it may take to finish its transaction and end.
const STOP: Duration = Duration::from_secs(15);

/// One of the platform's services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// HTTP in, raw records out.
    Ingestor,
    /// Raw records in, valid and rejected ones out.
    Validator,
    /// Valid events in, feature vectors out.
    FeatureBuilder,
    /// Feature vectors in, predictions out.
    Predictor,
    /// Predictions and labels in, outcomes out; judges models.
    Evaluator,
    /// Features and outcomes in, models out.
    Trainer,
    /// Judged models in, deployments out.
    Deployer,
    /// Features, predictions and outcomes in, drift and alerts out.
    DriftWatcher,
}

impl Service {
    /// All of them, in the order of the stream.
    pub const ALL: [Self; 8] = [
        Self::Ingestor,
        Self::Validator,
        Self::FeatureBuilder,
        Self::Predictor,
        Self::Evaluator,
        Self::Trainer,
        Self::Deployer,
        Self::DriftWatcher,
    ];

    /// From a raw event to its prediction.
    pub const LINE: [Self; 4] = [Self::Ingestor, Self::Validator, Self::FeatureBuilder, Self::Predictor];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ingestor => "ingestor",
            Self::Validator => "validator",
            Self::FeatureBuilder => "feature-builder",
            Self::Predictor => "predictor",
            Self::Evaluator => "evaluator",
            Self::Trainer => "trainer",
            Self::Deployer => "deployer",
            Self::DriftWatcher => "drift-watcher",
        }
    }

    /// The variable that tells others where it listens.
    fn variable(self) -> String {
        format!("TIDEMILL_{}_URL", self.name().to_uppercase().replace('-', "_"))
    }
}

/// One process of a service: the service and the number of the instance, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(pub Service, pub u32);

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.1 == 1 { f.write_str(self.0.name()) } else { write!(f, "{}-{}", self.0.name(), self.1) }
    }
}

/// The services of one test.
#[derive(Debug)]
pub struct Services {
    environment: Environment,
    http: Http,
    /// Names the logs.
    test: String,
    /// Variables that every service gets beside the environment's.
    settings: Vec<(String, String)>,
    ports: BTreeMap<Slot, u16>,
    running: BTreeMap<Slot, Process>,
}

impl Services {
    /// None yet; `settings` are variables that every one of them will get.
    #[must_use]
    pub fn new(environment: &Environment, http: &Http, test: &str, settings: &[(&str, &str)]) -> Self {
        Self {
            environment: environment.clone(),
            http: http.clone(),
            test: test.to_owned(),
            settings: settings.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect(),
            ports: BTreeMap::new(),
            running: BTreeMap::new(),
        }
    }

    /// Starts `slots` and waits until each answers.
    ///
    /// # Errors
    /// When one does not, with the end of its log.
    pub fn start(&mut self, slots: &[Slot]) -> Result<()> {
        for slot in slots {
            self.launch(*slot)?;
        }
        slots.iter().try_for_each(|slot| self.await_live(*slot))
    }

    /// Starts one, without waiting. It listens where it listened before.
    ///
    /// # Errors
    /// When it is running, or its binary is not there.
    pub fn launch(&mut self, slot: Slot) -> Result<()> {
        ensure!(!self.running.contains_key(&slot), "{slot} is running");
        let Slot(service, instance) = slot;
        let port = match self.ports.get(&slot) {
            Some(port) => *port,
            None => free_port(self.ports.values().copied())?,
        };
        self.ports.insert(slot, port);
        let mut command = Command::new(self.environment.bin_dir.join(format!("tidemill-{}", service.name())));
        command
            // down.sh finds what a killed test left behind by this
            .env("TIDEMILL_HOME", &self.environment.home)
            .env("TIDEMILL_LISTEN", format!("127.0.0.1:{port}"))
            .env("TIDEMILL_INSTANCE", instance.to_string())
            .env("TIDEMILL_SCRATCH", self.environment.home.join("scratch"))
            .envs(self.settings.iter().map(|(n, v)| (n, v)));
        let log = self.environment.logs().join(format!("{}-{slot}.log", self.test));
        self.running.insert(slot, Process::start(slot.to_string(), &mut command, &log)?);
        Ok(())
    }

    /// Waits until `slot` answers.
    ///
    /// # Errors
    /// When it does not, or has ended, with the end of its log.
    pub fn await_live(&mut self, slot: Slot) -> Result<()> {
        let live = format!("{}/health/live", self.url(slot)?);
        let http = self.http.clone();
        let process = self.running.get_mut(&slot).with_context(|| format!("{slot} is not running"))?;
        let mut ended = None;
        let answers = until_holds(&format!("{slot} answers"), START, || {
            ended = process.ended()?;
            Ok(ended.is_some() || http.get(&live)?.status == 200)
        });
        if let Some(status) = ended {
            bail!("{slot} ended while starting: {status}\n{}", process.log_end());
        }
        answers.with_context(|| process.log_end())
    }

    /// Waits until every running service is ready: it has its partitions and their state.
    ///
    /// # Errors
    /// When one is not after [`READY`], with its reasons.
    pub fn await_ready(&self) -> Result<()> {
        self.running.keys().try_for_each(|slot| {
            let mut said = String::new();
            let ready = until_holds(&format!("{slot} is ready"), READY, || {
                said = self.http.get(&format!("{}/health/ready", self.url(*slot)?))?.body;
                self.is_ready(*slot)
            });
            ready.with_context(|| format!("/health/ready says {said}"))
        })
    }

    /// Whether `slot` says that it is ready.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn is_ready(&self, slot: Slot) -> Result<bool> {
        Ok(self.http.get(&format!("{}/health/ready", self.url(slot)?))?.status == 200)
    }

    /// Where `slot` listens.
    ///
    /// # Errors
    /// When it was never started.
    pub fn url(&self, slot: Slot) -> Result<String> {
        let port = self.ports.get(&slot).with_context(|| format!("{slot} was never started"))?;
        Ok(format!("http://127.0.0.1:{port}"))
    }

    /// The process in `slot`.
    ///
    /// # Errors
    /// When it is not running.
    pub fn process(&self, slot: Slot) -> Result<&Process> {
        self.running.get(&slot).with_context(|| format!("{slot} is not running"))
    }

    /// What is running.
    pub fn running(&self) -> impl Iterator<Item = (Slot, &Process)> {
        self.running.iter().map(|(slot, process)| (*slot, process))
    }

    /// The variables that tell the command line where the first instances listen.
    #[must_use]
    pub fn variables(&self) -> Vec<(String, String)> {
        let first = |s: &Service| Some((s.variable(), self.url(Slot(*s, 1)).ok()?));
        Service::ALL.iter().filter_map(first).collect()
    }

    /// SIGKILL.
    ///
    /// # Errors
    /// When it is not running.
    pub fn kill(&mut self, slot: Slot) -> Result<()> {
        let mut process = self.running.remove(&slot).with_context(|| format!("{slot} is not running"))?;
        if let Some(status) = process.ended()? {
            bail!("{slot} was to be killed but has ended by itself: {status}\n{}", process.log_end());
        }
        process.kill()
    }

    /// SIGTERM; gives the exit status.
    ///
    /// # Errors
    /// When it is not running, or does not end in time.
    pub fn stop(&mut self, slot: Slot) -> Result<ExitStatus> {
        let mut process = self.running.remove(&slot).with_context(|| format!("{slot} is not running"))?;
        process.terminate(STOP).with_context(|| process.log_end())
    }

    /// Stops all, the last of the stream first.
    ///
    /// # Errors
    /// When one does not end in time, or not with exit code 0.
    pub fn stop_all(&mut self) -> Result<()> {
        while let Some(slot) = self.running.keys().next_back().copied() {
            let log = self.process(slot)?.log_end();
            let status = self.stop(slot)?;
            ensure!(status.success(), "{slot} ended with {status} on SIGTERM\n{log}");
        }
        Ok(())
    }

    /// What all running services have used.
    ///
    /// # Errors
    /// When one has ended.
    pub fn usage(&self) -> Result<Vec<(Slot, Usage)>> {
        self.running.iter().map(|(slot, process)| Ok((*slot, process.usage()?))).collect()
    }
}

/// A port below those that the system gives to outgoing connections, so that a killed service finds it free again.
fn free_port(taken: impl Iterator<Item = u16> + Clone) -> Result<u16> {
    let start = (std::process::id() % 8_000) as u16;
    (0..8_000)
        .map(|i| 24_000 + (start + i) % 8_000)
        .find(|port| !taken.clone().any(|t| t == *port) && TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .context("no free port between 24000 and 32000")
}
