//! HTTP as every service speaks it: a server with time limits, bounded bodies, tokens, problem answers.

mod admin;
mod auth;
mod body;
mod budget;
mod problem;
mod server;
mod spans;
mod traceparent;

pub use admin::admin;
pub use auth::Token;
pub use body::{Limits, read};
pub use budget::{Budget, Lease};
pub use problem::Problem;
pub use server::serve;
pub use spans::RequestSpans;
pub use traceparent::{Caller, caller, is_sampled_traceparent};
