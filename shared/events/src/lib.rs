//! Records, envelope, Avro codecs and the topic catalogue: what Tidemill's services say to each other.
//!
//! Pure: no I/O, no clock, no async. Everything that travels on a topic is defined here once, beside
//! the Avro schema it travels under (`schemas/*.avsc`) and the topic it travels on ([`topics`]).

pub mod codec;
pub mod control;
pub mod decimal;
pub mod event;
pub mod json;
pub mod layout;
pub mod origin;
pub mod partition;
pub mod records;
pub mod schema;
pub mod time;
pub mod topics;
pub mod value;
pub mod views;
pub mod wire;

pub use event::{Event, HopInput, Outcome, Prediction, PredictionOutcome, Source, Stage, Vector};
pub use layout::Layout;
pub use schema::{Field, RecordSchema, Type};
pub use value::Value;
