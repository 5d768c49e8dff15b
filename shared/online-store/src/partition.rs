//! The unit of ownership: one partition of one entity in one generation of a pipeline, and its keys in Redis.

use compact_str::CompactString;
use std::fmt;

/// The generation that serves, until pipelines can be backfilled into another.
const GENERATION: u32 = 1;

/// What one owner writes. All its keys share a hash tag, so on a cluster they live on one node and a
/// script or `MGET` may touch several of them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Partition {
    /// The pipeline's name.
    pub pipeline: CompactString,
    /// Generation of the pipeline's topics and state.
    pub generation: u32,
    /// The entity's name.
    pub entity: CompactString,
    /// Partition of the entity's hop-input topic.
    pub partition: i32,
}

impl fmt::Display for Partition {
    /// The hash tag.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pipeline, generation, entity, partition } = self;
        write!(f, "{{{pipeline}:{generation}:{entity}:{partition}}}")
    }
}

impl Partition {
    /// A partition of the generation that serves.
    #[must_use]
    pub fn new(pipeline: &str, entity: &str, partition: i32) -> Self {
        Self { pipeline: pipeline.into(), generation: GENERATION, entity: entity.into(), partition }
    }

    /// Holds the packed state of `key`.
    #[must_use]
    pub fn state_key(&self, key: &str) -> String {
        format!("tm:{self}:k:{key}")
    }

    /// Holds the highest commit number of which something is written.
    #[must_use]
    pub fn begun_key(&self) -> String {
        format!("tm:{self}:begun")
    }

    /// Holds the watermark: the highest commit number up to which everything is written.
    #[must_use]
    pub fn watermark_key(&self) -> String {
        format!("tm:{self}:wm")
    }

    /// Is there once a rebuild is done.
    #[must_use]
    pub fn ready_key(&self) -> String {
        format!("tm:{self}:ready")
    }
}
