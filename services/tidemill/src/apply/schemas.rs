//! Registers the schemas of all topics of a pipeline and of the control plane, or of none.

use tidemill_events::Layout;
use tidemill_events::layout::control_avro;
use tidemill_events::topics::{Control, PerPipeline, subject};
use tidemill_kafka::registry::{Error, Registry};

/// Puts every subject under `BACKWARD_TRANSITIVE`, tests all schemas, then registers all.
///
/// # Errors
/// [`Error::Incompatible`] before anything was registered; [`Error::Unavailable`], [`Error::Refused`].
pub(super) async fn register(registry: &Registry, layout: &Layout) -> Result<(), Error> {
    let schema = |topic: PerPipeline| (subject(&topic.name(&layout.pipeline, &layout.entities)), layout.avro(topic));
    let control = Control::ALL.map(|topic| (subject(topic.name()), control_avro(topic).to_owned()));
    let schemas: Vec<(String, String)> = control.into_iter().chain(PerPipeline::all(layout.entities.len()).map(schema)).collect();
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
