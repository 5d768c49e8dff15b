//! What is deployed: follows `tidemill.deployments` and opens the models that it names.

use crate::newest::Newest;
use crate::wanted::{Refusal, Wanted};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tidemill_artefacts::ArtefactStore;
use tidemill_events::control::Deployment;
use tidemill_events::records::ModelRef;
use tidemill_events::topics::Control;
use tidemill_events::wire;
use tidemill_kafka::reader::{Follow, Record};
use tidemill_service::health::Check;
use tidemill_service::metrics::Labels;
use tidemill_stream::Error;
use tidemill_task_sets::WriterSchemas;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

const POLL: Duration = Duration::from_millis(100);
/// Between two attempts when something is away.
const PAUSE: Duration = Duration::from_millis(500);

/// Follows the deployments until `stop`.
pub(crate) struct Follower {
    pub(crate) brokers: String,
    pub(crate) schemas: WriterSchemas,
    pub(crate) store: ArtefactStore,
    pub(crate) refused: Family<Labels, Counter>,
    pub(crate) ready: Check,
    pub(crate) stop: CancellationToken,
    pub(crate) state: watch::Sender<Newest>,
}

impl Follower {
    pub(crate) fn run(mut self) -> anyhow::Result<()> {
        self.ready.set_not_ready("tidemill.deployments has not been read yet");
        while let Some(follow) = Follow::when_there(&self.brokers, Control::Deployments.name(), || self.stop.is_cancelled()) {
            self.follow(follow)?;
        }
        Ok(())
    }

    fn follow(&mut self, mut follow: Follow) -> anyhow::Result<()> {
        let mut wanted = Wanted::default();
        while !self.stop.is_cancelled() {
            let at_hand = match follow.next(POLL) {
                Ok(Some(record)) => {
                    if let Some(deployment) = self.decode(&record)? {
                        wanted.add(deployment);
                    }
                    true
                }
                Ok(None) => false,
                Err(error) => {
                    tracing::warn!(%error, "reading the deployments anew");
                    return Ok(());
                }
            };
            if !at_hand && follow.has_caught_up() {
                self.open(&mut wanted);
                self.state.send_if_modified(|state| !std::mem::replace(&mut state.caught_up, true));
                self.ready.set_ready();
            }
        }
        Ok(())
    }

    /// `None` when told to stop while the registry is away.
    fn decode(&mut self, record: &Record<'_>) -> anyhow::Result<Option<Deployment>> {
        let place = || format!("{} offset {}", Control::Deployments.name(), record.offset());
        let (id, datum) = wire::split(record.payload()).map_err(|e| anyhow::anyhow!("{}: {e}", place()))?;
        while !self.stop.is_cancelled() {
            match self.schemas.get(id) {
                Ok(schema) => return schema.decode(datum).map(Some).map_err(|e| anyhow::anyhow!("{}: {e}", place())),
                Err(Error::Unavailable(why)) => {
                    tracing::warn!(%why, "a deployment cannot be read for now");
                    std::thread::park_timeout(PAUSE);
                }
                Err(error) => anyhow::bail!("{}: {error}", place()),
            }
        }
        Ok(None)
    }

    /// Opens what is deployed and hands it to the tasks, which read what they have meanwhile.
    fn open(&self, wanted: &mut Wanted) {
        let now = Instant::now();
        if !wanted.is_due(now) {
            return;
        }
        let open = |model: &ModelRef| match model.version {
            0 => Ok(None),
            _ => self.store.model(&model.digest).map(|opened| Some(Arc::new(opened.scorer))),
        };
        let mut newest = self.state.borrow().clone();
        for Refusal { pipeline, reason } in wanted.open(now, &open, &mut newest) {
            let labels = Labels { pipeline: pipeline.into(), stage: crate::STAGE, outcome: reason };
            self.refused.get_or_create(&labels).inc();
        }
        self.state.send_replace(newest);
    }
}
