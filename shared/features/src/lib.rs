//! Feature definitions, windows and point-in-time state: one code for the stream, REST reads, `verify`
//! and (later) backfill and training.
//!
//! Pure: no I/O, no clock, no async.
//!
//! **State.** The state of a key is a set of entries ordered by (event time, `source.partition`,
//! `source.offset`), each with the values of the hop's columns, and the largest event time of all events
//! of the key. If a feature looks at labels there is a second set, of outcomes: an entry per label, at its
//! event's time, ordered by the label record's coordinates where times are the same. Both share the largest
//! merge time of the key's events and outcomes. An entry is dropped once
//! `event_time <= merge_time - horizon`, where the horizon of a set is the longest `delay + window` that
//! looks at it plus the allowed lateness. So the state is a function of the set of events and outcomes,
//! whatever their order, and so are its packed bytes ([`KeyState::pack`]). A read at any
//! `t >= merge_time - lateness` sees every entry that its windows ask for.
//!
//! **Values.** A feature at `t` looks at the window `(t - delay - window, t - delay]`.
//! - Exact columns (decimals, integers, booleans) are summed exactly; the sum becomes a double once, the
//!   one nearest to it. `mean = nearest_double(sum) / count`.
//! - Double columns and labels are summed left to right in set order; `mean = sum / count`.
//! - Null values take no part. A window with no value gives `fill`, else null; an empty count gives
//!   `fill`, else 0. A sum of doubles that leaves the range of doubles is null.

mod column;
mod entries;
mod error;
mod hop;
mod hop_state;
mod key_state;
mod pack;
mod read;
mod settle;
mod spec;
mod varint;

pub use column::Cell;
pub use error::Error;
pub use hop::Hop;
pub use hop_state::{HopState, Packed};
pub use key_state::{Change, KeyState, Place};
pub use settle::feature;
pub use spec::{Aggregate, FeatureSpec, HopSpec, Of};
