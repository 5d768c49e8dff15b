//! Registers the schemas of all topics of a pipeline, or of none.

use tidemill_events::Layout;
use tidemill_events::topics::{PerPipeline, subject};
use tidemill_kafka::registry::{Error, Registry};

/// Puts every subject under `BACKWARD_TRANSITIVE`, tests all schemas, then registers all.
///
/// # Errors
/// [`Error::Incompatible`] before anything was registered; [`Error::Unavailable`], [`Error::Refused`].
pub(super) async fn register(registry: &Registry, layout: &Layout) -> Result<(), Error> {
    let schema = |topic: PerPipeline| (subject(&topic.name(&layout.pipeline, &layout.entities)), layout.avro(topic));
    let schemas: Vec<(String, String)> = PerPipeline::all(layout.entities.len()).map(schema).collect();
    for (subject, schema) in &schemas {
        registry.require_backward_transitive(subject).await?;
        registry.check_compatible(subject, schema).await?;
    }
    for (subject, schema) in &schemas {
        let id = registry.register(subject, schema).await?;
        println!("schema {subject} has id {id}");
    }
    Ok(())
}
