//! The trainer's parts without Kafka: a learner that repeats itself, and a model from rows to artefact.
#![cfg(test)]

mod fitting;
mod made;
mod sample;
mod searching;
