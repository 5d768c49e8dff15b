//! One test's infrastructure, command line and services; tests with a stack run one after the other.

use crate::command::Tidemill;
use crate::environment::Environment;
use crate::http::{Answer, Http};
use crate::pipeline::Pipeline;
use crate::producer::Producer;
use crate::services::{READY, Service, Services, Slot};
use crate::topics::Reader;
use crate::until::until;
use anyhow::{Result, ensure};
use serde_json::Value as Json;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Two tests that run services at the same time would fence each other: instance 1 is instance 1.
static TURN: Mutex<()> = Mutex::new(());

/// What a test works with. Dropping it kills what it started.
pub struct Stack {
    /// Where everything is.
    pub environment: Environment,
    /// An HTTP client.
    pub http: Http,
    /// The services.
    pub services: Services,
    test: String,
    _turn: MutexGuard<'static, ()>,
}

impl Stack {
    /// Waits for its turn. `test` names logs and pipelines: lower case, digits and dashes.
    ///
    /// # Errors
    /// When the environment tells of no infrastructure.
    pub fn new(test: &str) -> Result<Self> {
        Self::with_settings(test, &[])
    }

    /// As [`Stack::new`], with variables that every service gets.
    ///
    /// # Errors
    /// When the environment tells of no infrastructure.
    pub fn with_settings(test: &str, settings: &[(&str, &str)]) -> Result<Self> {
        // a test that failed has not left anything half-done in a ()
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let environment = Environment::read()?;
        let http = Http::new()?;
        let services = Services::new(&environment, &http, test, settings);
        Ok(Self { environment, http, services, test: test.to_owned(), _turn: turn })
    }

    /// Applies a copy of `examples/<example>/pipeline.yaml` under a name of this test's own.
    ///
    /// # Errors
    /// When the file is not there, or is refused.
    pub fn apply(&self, example: &str) -> Result<Pipeline> {
        Pipeline::apply(&self.environment, &self.tidemill(), example, &self.test)
    }

    /// Starts one instance of each service and waits until all are ready.
    ///
    /// # Errors
    /// When one is not, with the end of its log.
    pub fn start_all(&mut self) -> Result<()> {
        self.services.start(&Service::ALL.map(|s| Slot(s, 1)))?;
        self.services.await_ready()
    }

    /// The command line, told where this test's services listen.
    #[must_use]
    pub fn tidemill(&self) -> Tidemill {
        Tidemill::new(&self.environment, self.services.variables())
    }

    /// Sends `body` to `<ingestor>/v1/pipelines/<pipeline>/events` with the token.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn send_events(&self, pipeline: &Pipeline, media_type: &str, body: impl Into<reqwest::Body>) -> Result<Answer> {
        let url = format!("{}/v1/pipelines/{}/events", self.services.url(Slot(Service::Ingestor, 1))?, pipeline.name);
        let request = self.http.client().post(url).bearer_auth(&self.environment.token);
        self.http.send(request.header("content-type", media_type).body(body))
    }

    /// Publishes `events` in this order, and returns when each is acknowledged and the last stage has done all of them.
    ///
    /// # Errors
    /// When one is refused, or the stages do not come to an end within a minute.
    pub fn publish(&self, pipeline: &Pipeline, events: &[Json]) -> Result<()> {
        let lines: String = events.iter().map(|event| format!("{event}\n")).collect();
        let answer = until("the ingestor knows the pipeline", READY, || {
            let answer = self.send_events(pipeline, "application/x-ndjson", lines.clone())?;
            // not applied yet, or not known yet
            Ok((!matches!(answer.status, 404 | 503)).then_some(answer))
        })?;
        ensure!(answer.status == 200, "the ingestor answers {}: {}", answer.status, answer.body);
        self.wait(pipeline)
    }

    /// Waits until every stage has done all its input.
    ///
    /// # Errors
    /// When they have not within a minute, with the one that lags.
    pub fn wait(&self, pipeline: &Pipeline) -> Result<()> {
        self.tidemill().succeed(&["wait", &pipeline.name, "--timeout", "60s"]).map(|_| ())
    }

    /// A reader of topics as a stranger has it.
    #[must_use]
    pub fn reader(&self) -> Reader {
        Reader::new(&self.environment, &self.http)
    }

    /// A producer of records of any kind.
    ///
    /// # Errors
    /// When the client cannot be set up.
    pub fn producer(&self) -> Result<Producer> {
        Producer::new(&self.environment.kafka)
    }

    /// The test's name.
    #[must_use]
    pub fn test(&self) -> &str {
        &self.test
    }
}
