//! in: `tidemill.candidates`, `tidemill.evaluations`, orders from the [`Desk`] · out: `tidemill.registry`, `tidemill.deployments`.

use crate::desk::{Asked, Desk, Papers, Place, View, place};
use crate::meters::Meters;
use crate::policy::Policies;
use crate::registry::{Refusal, Registry, State, Written};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use tidemill_events::codec::AvroSchema;
use tidemill_events::control::{Candidate, Evaluation, RegistryEvent};
use tidemill_events::records::SourceRecord;
use tidemill_events::topics::Control;
use tidemill_events::wire;
use tidemill_stream::{Error, Outputs, Record};
use tidemill_task_sets::observer::Fold;

/// The inputs, in the order of [`Record::topic`].
pub(crate) const INPUTS: [Control; 2] = [Control::Candidates, Control::Evaluations];
const CANDIDATES: usize = 0;
const EVALUATIONS: usize = 1;
/// The outputs.
pub(crate) const OUTPUTS: [Control; 2] = [Control::Registry, Control::Deployments];
const REGISTRY: usize = 0;
const DEPLOYMENTS: usize = 1;

/// Schemas of what is read and written.
pub struct Schemas {
    /// The schema with an id, which somebody wrote by.
    pub writer: Box<dyn FnMut(u32) -> Result<AvroSchema, Error> + Send>,
    /// `tidemill.registry`, and its id.
    pub registry: (AvroSchema, u32),
    /// `tidemill.deployments`, and its id.
    pub deployments: (AvroSchema, u32),
}

/// The registry's loop. What it owes follows from its inputs and from what is in the registry: after a restart the
/// inputs come again from their beginning, and only what the registry lacks is written.
pub struct DeployerFold {
    schemas: Schemas,
    policies: Policies,
    desk: Arc<Desk>,
    meters: Arc<Meters>,
    /// As it is on its topic.
    registry: Arc<Registry>,
    papers: Arc<Papers>,
    /// Candidates that may have to be registered.
    unregistered: BTreeMap<Place, Arc<Candidate>>,
    /// Evaluations that nothing was decided on.
    undecided: BTreeMap<Place, Arc<Evaluation>>,
    /// Orders to be carried out.
    orders: VecDeque<Asked>,
    /// What was written since the last commit.
    open: Option<Open>,
    /// There is something that the desk does not show yet.
    unseen: bool,
}

/// What was written, and what is true once it is committed.
#[derive(Default)]
struct Open {
    registry: Registry,
    carried_out: Vec<(Asked, Result<Written, Refusal>)>,
    registered: Vec<Place>,
    decided: Vec<Place>,
}

impl DeployerFold {
    /// A registry without an event yet, which leads from now on.
    #[must_use]
    pub fn new(schemas: Schemas, policies: Policies, desk: Arc<Desk>, meters: Arc<Meters>) -> Self {
        desk.open();
        Self {
            schemas,
            policies,
            desk,
            meters,
            registry: Arc::default(),
            papers: Arc::default(),
            unregistered: BTreeMap::new(),
            undecided: BTreeMap::new(),
            orders: VecDeque::new(),
            open: None,
            unseen: true,
        }
    }

    /// Whether something can be done about an evaluation now. One whose candidate was not seen yet waits for it.
    fn is_due(&mut self, evaluation: &Evaluation) -> bool {
        match self.registry.model(&evaluation.pipeline, evaluation.challenger.version).map(|m| m.state) {
            None => self.papers.candidates.contains_key(&place(&evaluation.candidate)),
            Some(State::Evaluated) => self.policies.of(&evaluation.pipeline).is_some(),
            Some(_) => true,
        }
    }

    fn is_anything_due(&mut self) -> bool {
        let evaluations: Vec<Arc<Evaluation>> = self.undecided.values().cloned().collect();
        !self.orders.is_empty() || !self.unregistered.is_empty() || evaluations.iter().any(|e| self.is_due(e))
    }

    /// What policy says, then what people order.
    fn work(&mut self, now: i64, out: &mut Outputs) -> Result<Open, Error> {
        let mut open = Open { registry: (*self.registry).clone(), ..Open::default() };
        for (place, candidate) in &self.unregistered {
            let written = open.registry.register(candidate, &record_at(CANDIDATES, *place), now);
            self.schemas.write(&written, out)?;
            open.registered.push(*place);
        }
        for (at, evaluation) in &self.undecided {
            if !self.papers.candidates.contains_key(&place(&evaluation.candidate)) {
                continue;
            }
            let record = record_at(EVALUATIONS, *at);
            self.schemas.write(&open.registry.evaluate(evaluation, &record, now), out)?;
            let model = open.registry.model(&evaluation.pipeline, evaluation.challenger.version);
            match self.policies.of(&evaluation.pipeline) {
                Some(policy) => self.schemas.write(&open.registry.decide(evaluation, &record, &policy, now), out)?,
                // until it is applied again
                None if model.is_some_and(|m| m.state == State::Evaluated) => continue,
                None => {}
            }
            open.decided.push(*at);
        }
        for asked in std::mem::take(&mut self.orders) {
            if asked.answer.is_closed() {
                continue; // who asked was told that nothing is known of it
            }
            let policy = self.policies.of(&asked.order.pipeline);
            let done = open.registry.order(&asked.order, policy.as_ref(), now);
            if let Ok(written) = &done {
                self.schemas.write(written, out)?;
            }
            open.carried_out.push((asked, done));
        }
        Ok(open)
    }

    /// `open` is on its topics for good.
    fn settle(&mut self, open: Open) {
        let Open { registry, carried_out, registered, decided } = open;
        self.registry = Arc::new(registry);
        for place in registered {
            self.unregistered.remove(&place);
        }
        for place in decided {
            self.undecided.remove(&place);
        }
        self.show();
        for (asked, done) in carried_out {
            self.meters.carried_out(&self.registry, &asked.order, &done);
            // who asked may have gone away
            let _ = asked.answer.send(done);
        }
    }

    fn show(&mut self) {
        self.unseen = false;
        self.meters.show(&self.registry);
        self.desk.publish(View { registry: self.registry.clone(), papers: self.papers.clone() });
    }
}

impl Fold for DeployerFold {
    fn written(&mut self, output: usize, record: &Record<'_>) -> Result<(), Error> {
        if output != REGISTRY {
            return Ok(()); // deployments follow from the registry's events
        }
        let event: RegistryEvent = self.schemas.decode(record)?;
        Arc::make_mut(&mut self.registry).replay(&event).map_err(|e| Error::Fatal(e.to_string()))
    }

    fn take(&mut self, record: &Record<'_>) -> Result<(), Error> {
        let at = (record.partition, record.offset);
        if record.topic == CANDIDATES {
            let candidate: Arc<Candidate> = Arc::new(self.schemas.decode(record)?);
            Arc::make_mut(&mut self.papers).candidates.insert(at, candidate.clone());
            self.unregistered.insert(at, candidate);
        } else {
            let evaluation: Arc<Evaluation> = Arc::new(self.schemas.decode(record)?);
            Arc::make_mut(&mut self.papers).evaluations.entry(place(&evaluation.candidate)).or_insert_with(|| evaluation.clone());
            self.undecided.insert(at, evaluation);
        }
        self.unseen = true;
        Ok(())
    }

    fn ready(&mut self, now: i64, caught_up: bool, out: &mut Outputs) -> Result<(), Error> {
        if !caught_up || self.open.is_some() || !self.policies.are_known() {
            return Ok(());
        }
        if self.orders.is_empty() {
            self.orders = self.desk.take();
        }
        if self.is_anything_due() {
            let before = out.len();
            let open = self.work(now, out)?;
            if out.len() > before {
                self.open = Some(open);
            } else {
                self.settle(open);
            }
        }
        if self.unseen && self.open.is_none() {
            self.show();
        }
        Ok(())
    }

    fn commit(&mut self) {
        if let Some(open) = self.open.take() {
            self.settle(open);
        }
    }

    fn abort(&mut self) {
        if let Some(open) = self.open.take() {
            let again = open.carried_out.into_iter().map(|(asked, _)| asked);
            self.orders = again.chain(std::mem::take(&mut self.orders)).collect();
        }
    }
}

impl Drop for DeployerFold {
    fn drop(&mut self) {
        self.desk.close();
    }
}

impl Schemas {
    fn decode<T: serde::de::DeserializeOwned>(&mut self, record: &Record<'_>) -> Result<T, Error> {
        let (id, datum) = wire::split(record.payload).map_err(|e| Error::Fatal(e.to_string()))?;
        (self.writer)(id)?.decode(datum).map_err(|e| Error::Fatal(e.to_string()))
    }

    fn write(&self, written: &Written, out: &mut Outputs) -> Result<(), Error> {
        let Self { registry, deployments, .. } = self;
        let fault = |e: tidemill_events::codec::Error| Error::Fatal(e.to_string());
        for event in &written.events {
            let key = Some(event.pipeline.as_bytes());
            out.push(REGISTRY, 0, key, None, |buffer| registry.0.encode(registry.1, event, buffer)).map_err(fault)?;
        }
        if let Some(deployment) = &written.deployment {
            let key = Some(deployment.pipeline.as_bytes());
            out.push(DEPLOYMENTS, 0, key, None, |buffer| deployments.0.encode(deployments.1, deployment, buffer)).map_err(fault)?;
        }
        Ok(())
    }
}

fn record_at(input: usize, (partition, offset): Place) -> SourceRecord {
    SourceRecord { topic: INPUTS[input].name().into(), partition, offset }
}

#[cfg(test)]
mod tests;
