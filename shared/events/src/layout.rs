//! What a pipeline's records look like: its event schema, entities and features, and the Avro schemas
//! that follow from them.
//!
//! The fixed part of every schema is a file in `schemas/`; the part that a pipeline decides (its fields,
//! entities and features) is filled in here.

use crate::schema::RecordSchema;
use crate::topics::{Control, PerPipeline};
use compact_str::CompactString;
use serde_json::{Value as Json, json};
use std::ops::Range;

/// The type of a feature: models take doubles and categories.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeatureType {
    /// A nullable double.
    Double,
    /// A nullable string: a category.
    String,
}

/// A column of the feature vector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeatureColumn {
    /// `<entity>_<feature>_<window>`, or the row feature's name.
    pub name: CompactString,
    /// Its type.
    pub ty: FeatureType,
}

/// The shape of a pipeline's records.
#[derive(Debug, Clone, PartialEq)]
pub struct Layout {
    /// The pipeline's name.
    pub pipeline: String,
    /// The event schema.
    pub event: RecordSchema,
    /// Entity names, in hop order.
    pub entities: Vec<CompactString>,
    /// The columns of a vector: those of the first hop, of the second, …, then the row features.
    pub features: Vec<FeatureColumn>,
    /// For each hop, which columns it computes. The columns after the last hop's are row features.
    pub hop_features: Vec<Range<usize>>,
}

impl Layout {
    /// Avro namespace of this pipeline's records.
    #[must_use]
    pub fn namespace(&self) -> String {
        namespace(&self.pipeline)
    }

    /// How many columns a record holds on the input topic of hop `hop` (0 is `<p>.valid`).
    #[must_use]
    pub fn features_before(&self, hop: usize) -> usize {
        self.hop_features.get(hop).map_or(self.features.len(), |r| r.start)
    }

    /// Columns of the row features.
    #[must_use]
    pub fn row_features(&self) -> Range<usize> {
        self.hop_features.last().map_or(0, |r| r.end)..self.features.len()
    }

    /// The Avro schema of the values on one of this pipeline's topics, as JSON text.
    #[must_use]
    pub fn avro(&self, topic: PerPipeline) -> String {
        let mut schema = template(topic);
        let filled = match topic {
            PerPipeline::Raw => self.event.to_avro(&self.event.name, Some(&self.namespace())),
            PerPipeline::Valid | PerPipeline::Hop(_) => {
                let hop = if let PerPipeline::Hop(hop) = topic { hop } else { 0 };
                let (event, rest) = split_union(&mut schema);
                fill(event, "entities", self.entities_fields());
                fill(event, "fields", self.event.to_avro("Fields", None)["fields"].take());
                fill(event, "features", self.features_fields(self.features_before(hop)));
                for outcome in rest {
                    // the same named types as in Event: Avro defines a name once and refers to it after
                    refer(outcome, "source", "Source");
                    refer(outcome, "from", "Stage");
                    refer(outcome, "entities", "Entities");
                    fill(outcome, "fields", self.optional_fields());
                }
                schema
            }
            PerPipeline::Features => {
                fill(&mut schema, "entities", self.entities_fields());
                fill(&mut schema, "features", self.features_fields(self.features.len()));
                schema
            }
            PerPipeline::Predictions | PerPipeline::Outcomes => {
                fill(&mut schema, "entities", self.entities_fields());
                schema
            }
            PerPipeline::Labels | PerPipeline::Rejected | PerPipeline::Quality | PerPipeline::Performance | PerPipeline::Drift => schema,
        };
        with_namespace(filled, &self.namespace()).to_string()
    }

    /// The Avro schemas of the upstream's fields as they are in an event, and in an outcome, as JSON text.
    pub(crate) fn fields_avro(&self) -> [String; 2] {
        let outcome = json!({"type": "record", "name": "OutcomeFields", "fields": self.optional_fields()});
        [self.event.to_avro("Fields", None), outcome].map(|fields| with_namespace(fields, &self.namespace()).to_string())
    }

    fn entities_fields(&self) -> Json {
        self.entities.iter().map(|name| json!({"name": name, "type": "string", "default": ""})).collect()
    }

    fn features_fields(&self, count: usize) -> Json {
        self.features[..count]
            .iter()
            .map(|column| {
                let ty = match column.ty {
                    FeatureType::Double => "double",
                    FeatureType::String => "string",
                };
                json!({"name": column.name, "type": ["null", ty], "default": null})
            })
            .collect()
    }

    fn optional_fields(&self) -> Json {
        let mut event = self.event.clone();
        for field in &mut event.fields {
            field.nullable = true;
            field.default = Some(crate::Value::Null);
            // enum symbols are named in Event already; text carries them as well
            if matches!(field.ty, crate::Type::Enum(_)) {
                field.ty = crate::Type::String;
            }
        }
        event.to_avro("OutcomeFields", None)["fields"].take()
    }
}

/// Avro namespace of the pipeline called `name`.
#[must_use]
pub fn namespace(name: &str) -> String {
    format!("tidemill.{}", name.replace('-', "_"))
}

/// The Avro schema of the values on a control topic, as JSON text.
#[must_use]
pub fn control_avro(topic: Control) -> &'static str {
    match topic {
        Control::Pipelines => include_str!("../../../schemas/tidemill.pipelines-value.avsc"),
        Control::Triggers => include_str!("../../../schemas/tidemill.triggers-value.avsc"),
        Control::Candidates => include_str!("../../../schemas/tidemill.candidates-value.avsc"),
        Control::Evaluations => include_str!("../../../schemas/tidemill.evaluations-value.avsc"),
        Control::Registry => include_str!("../../../schemas/tidemill.registry-value.avsc"),
        Control::Deployments => include_str!("../../../schemas/tidemill.deployments-value.avsc"),
        Control::Alerts => include_str!("../../../schemas/tidemill.alerts-value.avsc"),
    }
}

#[expect(clippy::expect_used, reason = "the templates are compiled in, and a test reads each of them")]
fn template(topic: PerPipeline) -> Json {
    let text = match topic {
        PerPipeline::Raw => return Json::Null,
        PerPipeline::Valid | PerPipeline::Hop(_) => include_str!("../../../schemas/hop-input-value.avsc"),
        PerPipeline::Features => include_str!("../../../schemas/features-value.avsc"),
        PerPipeline::Predictions => include_str!("../../../schemas/predictions-value.avsc"),
        PerPipeline::Outcomes => include_str!("../../../schemas/outcomes-value.avsc"),
        PerPipeline::Labels => include_str!("../../../schemas/labels-value.avsc"),
        PerPipeline::Rejected => include_str!("../../../schemas/rejected-value.avsc"),
        PerPipeline::Quality => include_str!("../../../schemas/quality-value.avsc"),
        PerPipeline::Performance => include_str!("../../../schemas/performance-value.avsc"),
        PerPipeline::Drift => include_str!("../../../schemas/drift-value.avsc"),
    };
    serde_json::from_str(text).expect("schemas/ holds valid JSON")
}

fn split_union(schema: &mut Json) -> (&mut Json, &mut [Json]) {
    #[expect(clippy::expect_used, reason = "hop-input-value.avsc is a union of two records")]
    let branches = schema.as_array_mut().expect("a union");
    let (first, rest) = branches.split_at_mut(1);
    (&mut first[0], rest)
}

fn field_of<'a>(record: &'a mut Json, name: &str) -> Option<&'a mut Json> {
    record["fields"].as_array_mut()?.iter_mut().find(|f| f["name"] == name)
}

/// Puts `fields` into the record-typed field `name`.
fn fill(record: &mut Json, name: &str, fields: Json) {
    if let Some(field) = field_of(record, name) {
        field["type"]["fields"] = fields;
    }
}

fn refer(record: &mut Json, name: &str, to: &str) {
    if let Some(field) = field_of(record, name) {
        field["type"] = json!(to);
    }
}

fn with_namespace(mut schema: Json, namespace: &str) -> Json {
    match &mut schema {
        Json::Array(branches) => branches.iter_mut().for_each(|b| b["namespace"] = json!(namespace)),
        other => other["namespace"] = json!(namespace),
    }
    schema
}
