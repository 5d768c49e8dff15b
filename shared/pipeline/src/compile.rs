//! From a file's text to a checked, compiled pipeline, or everything that is wrong with it.

use crate::codes;
use crate::diagnostic::{Diagnostic, Severity, SourceFile};
use crate::pipeline::Pipeline;
use crate::reader::Reader;
use crate::section::{Events, decision, entities, expect, learning, row, source};
use crate::yaml::{self, Entry, Node};
use sha2::{Digest, Sha256};
use std::ops::Range;
use tidemill_events::Layout;
use tidemill_events::layout::{FeatureColumn, FeatureType};
use tidemill_expr::{Program, Scope, Ty};
use tidemill_features::HopSpec;

/// Most columns a feature vector may have.
const MAX_COLUMNS: usize = 1_000;

/// Checks and compiles the pipeline file `text`. `schema` gives the text of the event schema that the
/// file names by a relative path, or says why it cannot.
///
/// The second part of the result is what the file's author should know all the same.
///
/// # Errors
/// Everything that is wrong with the file, in its order; warnings and notes among it.
pub fn compile(
    file_name: &str,
    text: &str,
    schema: impl FnOnce(&str) -> Result<String, String>,
) -> Result<(Pipeline, Vec<Diagnostic>), Vec<Diagnostic>> {
    let file = SourceFile { name: file_name, text };
    let root = yaml::parse(text).map_err(|fault| vec![unreadable(&file, fault)])?;
    let mut reader = Reader::new(file);
    let pipeline = assemble(&mut reader, file, &root, schema);
    let found = reader.into_found();
    match pipeline {
        Some(pipeline) if found.iter().all(|d| d.severity != Severity::Error) => Ok((pipeline, found)),
        _ => Err(found),
    }
}

fn unreadable(file: &SourceFile<'_>, fault: yaml::Fault) -> Diagnostic {
    let code = if fault.limit { codes::LIMIT } else { codes::NOT_YAML };
    let mut diagnostic = Diagnostic::new(code, Severity::Error, fault.message);
    diagnostic.labels.push(file.label(fault.range, ""));
    diagnostic
}

/// Reads every section; `None` if one that is needed is missing or at fault.
fn assemble(
    reader: &mut Reader<'_>,
    file: SourceFile<'_>,
    root: &Node,
    schema: impl FnOnce(&str) -> Result<String, String>,
) -> Option<Pipeline> {
    let mut fields = reader.fields(root, "", 0..0)?;
    let name = fields.required(reader, "pipeline").and_then(|e| name(reader, e));
    let (source, events) = match fields.required(reader, "source") {
        Some(entry) => source::read(reader, entry, name.as_deref(), schema),
        None => (None, None),
    };
    let has_labels = fields.has("labels");
    let learning = learning::read(reader, &mut fields);
    let expectations = fields.optional("expect").map(|e| expect::read(reader, e, events.as_ref())).unwrap_or_default();
    let faults = reader.faults();
    let lateness = source.as_ref().map_or(0, |s| s.lateness);
    let context = entities::Context { events: events.as_ref(), lateness, has_labels };
    let entities = fields.required(reader, "entities").map(|e| entities::read(reader, e, context));
    let mut places = Vec::new();
    let entities::Entities { hops, places: columns } = entities.unwrap_or_default();
    places.extend(columns);
    let row = fields.optional("row").map(|e| row::read(reader, e, events.as_ref(), &mut places)).unwrap_or_default();
    check_columns(reader, &places);
    let features = columns_of(&hops, &row);
    if learning.model.is_some() {
        note_text(reader, &features, &places);
    }
    // a column that is at fault is not there, which is no fault of the expression that names it
    let complete = events.is_some() && reader.faults() == faults;
    let bootstrap = fields.required(reader, "bootstrap").and_then(|e| bootstrap(reader, &e.value, &features, complete));
    let decision = fields.required(reader, "decision").and_then(|e| decision::read(reader, e));
    fields.finish(reader);
    let (source, events) = (source?, events?);
    let layout = layout(name?, events, &hops, features);
    Some(Pipeline {
        name: layout.pipeline.clone(),
        digest: digest(file.text, &source.schema_text),
        file_name: file.name.to_owned(),
        text: file.text.to_owned(),
        source,
        layout,
        expectations,
        hops,
        row,
        bootstrap: bootstrap?,
        decision: decision?,
        learning,
    })
}

fn name(reader: &mut Reader<'_>, entry: &Entry) -> Option<String> {
    let name = reader.text(&entry.value)?;
    reader.name(name, '-', entry.value.range.clone())?;
    Some(name.to_owned())
}

fn check_columns(reader: &mut Reader<'_>, places: &[(compact_str::CompactString, Range<usize>)]) {
    entities::refuse_duplicates(reader, places);
    if let Some((_, place)) = places.get(MAX_COLUMNS) {
        let message = format!("there are {} feature columns; {MAX_COLUMNS} are possible", places.len());
        reader.error(codes::TOO_MANY, place.clone(), message).help("every window of a feature is a column");
    }
}

/// Notes the columns that a model cannot learn from.
fn note_text(reader: &mut Reader<'_>, features: &[FeatureColumn], places: &[(compact_str::CompactString, Range<usize>)]) {
    for text in features.iter().filter(|column| column.ty == FeatureType::String) {
        let Some((_, place)) = places.iter().find(|(name, _)| *name == text.name) else { continue };
        let message = format!("`{}` is text: a trained model leaves it out", text.name);
        let note = reader.report(codes::TEXT_NOT_LEARNED, Severity::Note, place.clone(), message);
        note.help("models learn from numbers; a condition such as \"kind == 'shop'\" is 0 or 1");
    }
}

/// The columns of the vector: those of each hop, in file order, then the row features.
fn columns_of(hops: &[HopSpec], row: &[row::RowFeature]) -> Vec<FeatureColumn> {
    let windowed = hops.iter().flat_map(|hop| &hop.features).map(|f| FeatureColumn { name: f.name.clone(), ty: FeatureType::Double });
    let own = row.iter().map(|f| FeatureColumn { name: f.name.clone(), ty: f.column_type() });
    windowed.chain(own).collect()
}

/// The expression that scores until there is a model.
fn bootstrap(reader: &mut Reader<'_>, node: &Node, features: &[FeatureColumn], complete: bool) -> Option<Program> {
    let before = reader.faults();
    let program = reader.expression(node, Some(&Scope::from(features)), &[Ty::Double, Ty::Int]);
    if !complete {
        reader.forget(before, tidemill_expr::codes::UNKNOWN_VARIABLE);
    }
    program
}

fn layout(pipeline: String, events: Events, hops: &[HopSpec], features: Vec<FeatureColumn>) -> Layout {
    let mut end = 0;
    let hop_features = hops
        .iter()
        .map(|hop| {
            let start = end;
            end += hop.features.len();
            start..end
        })
        .collect();
    Layout { pipeline, event: events.schema, entities: hops.iter().map(|hop| hop.entity.clone()).collect(), features, hop_features }
}

/// `sha256:…` of the file's length and text, and of the schema's text.
fn digest(text: &str, schema_text: &str) -> String {
    let mut hash = Sha256::new();
    hash.update((text.len() as u64).to_be_bytes());
    hash.update(text);
    hash.update(schema_text);
    format!("sha256:{}", hex::encode(hash.finalize()))
}
