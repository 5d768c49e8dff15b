//! What a new version of a running pipeline must not change: topics are there, and others read them.

use crate::codes;
use crate::diagnostic::{Diagnostic, Severity, SourceFile};
use crate::pipeline::Pipeline;
use crate::yaml;
use tidemill_events::{Field, Type};
use tidemill_features::HopSpec;

/// Why `new` cannot take the place of `old`, with places in the file of `new`; empty if it can.
///
/// Partitions stay, entities and their keys stay (a new one may follow the last), id and time stay, and
/// the fields of events stay readable: a new field has a default, no field goes or changes its type.
/// Features come and go freely; a column that stays keeps its type.
#[must_use]
pub fn diff_breaks(old: &Pipeline, new: &Pipeline) -> Vec<Diagnostic> {
    let mut breaks = Breaks { new, found: Vec::new() };
    if old.name != new.name {
        let message = format!("the pipeline is called `{}` where it runs", old.name);
        breaks.add(codes::NAME_CHANGED, &["pipeline"], message, "apply it as a pipeline of its own, or keep the name");
    }
    if old.source.partitions != new.source.partitions {
        let message = format!("the topics have {} partitions, and a topic never grows or shrinks", old.source.partitions);
        breaks.add(codes::PARTITIONS_CHANGED, &["source", "partitions"], message, "keep the number, or fill a pipeline with another name");
    }
    breaks.identity(old);
    breaks.fields(old);
    breaks.entities(old);
    breaks.columns(old);
    breaks.found
}

struct Breaks<'a> {
    new: &'a Pipeline,
    found: Vec<Diagnostic>,
}

impl Breaks<'_> {
    fn add(&mut self, code: &'static str, path: &[&str], message: String, help: &str) {
        let file = SourceFile { name: &self.new.file_name, text: &self.new.text };
        let place = yaml::parse(file.text).ok().and_then(|root| yaml::locate(&root, path)).unwrap_or(0..0);
        let mut diagnostic = Diagnostic::new(code, Severity::Error, message);
        diagnostic.labels.push(file.label(place, ""));
        diagnostic.help(help);
        self.found.push(diagnostic);
    }

    fn identity(&mut self, old: &Pipeline) {
        let name = |p: &Pipeline, slot: usize| p.layout.event.fields[slot].name.clone();
        for (what, before, after) in [
            ("id", name(old, old.source.id), name(self.new, self.new.source.id)),
            ("time", name(old, old.source.time), name(self.new, self.new.source.time)),
        ] {
            if before != after {
                let message = format!("the {what} of events is `{before}` where the pipeline runs");
                self.add(codes::IDENTITY_CHANGED, &["source", what], message, "keep the field, or apply a pipeline with another name");
            }
        }
    }

    fn fields(&mut self, old: &Pipeline) {
        let (before, after) = (&old.layout.event, &self.new.layout.event);
        let gone = before.fields.iter().filter(|f| after.slot(&f.name).is_none());
        let mut messages: Vec<String> = gone.map(|f| format!("the event schema lost its field `{}`", f.name)).collect();
        for field in &after.fields {
            match before.slot(&field.name) {
                Some(slot) => messages.extend(unreadable(&before.fields[slot], field)),
                None if field.default.is_none() => {
                    messages.push(format!("the new field `{}` has no default, so old events cannot be read", field.name))
                }
                None => {}
            }
        }
        for message in messages {
            self.add(codes::FIELD_CHANGED, &["source", "schema"], message, "add fields with a default, and leave the others as they are");
        }
    }

    fn entities(&mut self, old: &Pipeline) {
        let names = |hops: &[HopSpec]| hops.iter().map(|h| h.entity.to_string()).collect::<Vec<_>>();
        let (before, after) = (names(&old.hops), names(&self.new.hops));
        if !after.starts_with(&before) {
            let message = format!("the pipeline runs with the entities {}, in this order", before.join(", "));
            self.add(codes::ENTITIES_CHANGED, &["entities"], message, "keep them, and add new ones at the end");
            return;
        }
        let fields =
            |p: &Pipeline, hop: &HopSpec| hop.key.iter().map(|slot| p.layout.event.fields[*slot].name.to_string()).collect::<Vec<_>>();
        for (was, is) in old.hops.iter().zip(&self.new.hops) {
            let (was_key, is_key) = (fields(old, was), fields(self.new, is));
            if was_key != is_key {
                let message = format!("the key of `{}` is {} where the pipeline runs", was.entity, was_key.join(" and "));
                self.add(
                    codes::KEY_CHANGED,
                    &["entities", &was.entity, "key"],
                    message,
                    "keep the key, or add an entity with the new one at the end",
                );
            }
        }
    }

    fn columns(&mut self, old: &Pipeline) {
        let changed: Vec<_> = self
            .new
            .layout
            .features
            .iter()
            .filter(|column| old.layout.features.iter().any(|was| was.name == column.name && was.ty != column.ty))
            .map(|column| column.name.clone())
            .collect();
        for name in changed {
            let message = format!("the feature `{name}` changed between number and text");
            self.add(codes::COLUMN_CHANGED, &["row", &name], message, "give the new one another name");
        }
    }
}

/// Why a reader with field `new` cannot read what was written with field `old`.
fn unreadable(old: &Field, new: &Field) -> Option<String> {
    if old.nullable && !new.nullable {
        return Some(format!("the field `{}` could be null, and old events may hold that", new.name));
    }
    let same = match (&old.ty, &new.ty) {
        (Type::Int, Type::Long) | (Type::Float, Type::Double) => true,
        (Type::Enum(was), Type::Enum(is)) => was.iter().all(|symbol| is.contains(symbol)),
        (was, is) => was == is,
    };
    (!same).then(|| format!("the field `{}` was a {} and is a {}", new.name, old.ty, new.ty))
}
