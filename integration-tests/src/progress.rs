//! How far each service has come with its inputs, as Kafka has it committed.

use crate::environment::Environment;
use crate::pipeline::Pipeline;
use crate::services::Service;
use anyhow::Result;
use tidemill_kafka::admin::Admin;

/// Asks Kafka.
pub struct Progress {
    admin: Admin,
    pipeline: String,
    entities: Vec<String>,
}

/// Committed offsets of all inputs of a service (for the ingestor: the ends of what it writes).
pub type Position = Vec<i64>;

impl Progress {
    /// The progress of `pipeline`, whose entities are `entities` in hop order.
    ///
    /// # Errors
    /// When the client cannot be made.
    pub fn new(environment: &Environment, pipeline: &Pipeline, entities: &[&str]) -> Result<Self> {
        let entities = entities.iter().map(|e| (*e).to_owned()).collect();
        Ok(Self { admin: Admin::new(&environment.kafka)?, pipeline: pipeline.name.clone(), entities })
    }

    /// Where `service` is.
    ///
    /// # Errors
    /// When Kafka does not tell.
    pub fn of(&self, service: Service) -> Result<Position> {
        if service == Service::Ingestor {
            return Ok(self.admin.ends(&format!("{}.raw", self.pipeline))?.iter().map(|e| e.stable).collect());
        }
        let group = tidemill_events::topics::group(service.name(), &self.pipeline);
        let mut position = Vec::new();
        for topic in self.inputs(service) {
            position.extend(self.admin.committed(&group, &topic)?.iter().map(|c| c.offset.unwrap_or(0)));
        }
        Ok(position)
    }

    /// Whether every partition has moved on since `before`.
    ///
    /// # Errors
    /// When Kafka does not tell.
    pub fn has_moved(&self, service: Service, before: &Position) -> Result<bool> {
        Ok(self.of(service)?.iter().zip(before).all(|(now, then)| now > then))
    }

    fn inputs(&self, service: Service) -> Vec<String> {
        let topic = |suffix: &str| format!("{}.{suffix}", self.pipeline);
        match service {
            Service::Ingestor => Vec::new(),
            Service::Validator => vec![topic("raw")],
            Service::FeatureBuilder => {
                let hops = self.entities.iter().skip(1).map(|entity| topic(&format!("hop.{entity}")));
                std::iter::once(topic("valid")).chain(hops).collect()
            }
            Service::Predictor => vec![topic("features")],
            // labels come when they come
            Service::Evaluator => vec![topic("predictions")],
            // they write when there is something to say, and are back when they are ready
            Service::Trainer | Service::Deployer | Service::DriftWatcher => Vec::new(),
        }
    }
}
