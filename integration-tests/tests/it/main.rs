//! The platform's own binaries on real Kafka, registry and Redis.
//!
//! One test program, so that tests that run services take turns ([`tidemill_integration_tests::Stack`]).
#![cfg(test)]

mod cli;
mod fault_injection;
mod foreign_topic;
mod hostile_http;
mod kill;
mod one_event;
mod one_trace;
mod other_pipeline;
mod poison;
mod rest_predict;
mod restart;
mod retrain_loop;
mod tidy;
