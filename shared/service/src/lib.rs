//! What every service binary shares: configuration, lifecycle, admin endpoints, HTTP limits, clock.
//!
//! A service implements [`Service`] and its `main` is one call of [`run()`]. This crate knows no domain type.

pub mod background;
pub mod clock;
pub mod config;
pub mod health;
pub mod http;
pub mod logging;
pub mod metrics;
pub mod run;
pub mod telemetry;

pub use clock::{Clock, SystemClock};
pub use health::Readiness;
pub use metrics::Metrics;
pub use run::{Context, Service, run};
/// The stop flag that [`Context::stop`] gives out.
pub use tokio_util::sync::CancellationToken;
