//! The trainer's parts together, without Kafka.

mod made;
