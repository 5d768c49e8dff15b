//! `expect`: what an event must be like to be valid.

use super::Events;
use crate::codes;
use crate::reader::Reader;
use crate::yaml::{Entry, Node};
use std::collections::HashSet;
use tidemill_expr::{Program, Ty};

/// Reason codes that the validator gives itself; an expectation cannot take one.
pub const RESERVED_REASONS: &[&str] =
    &["null_payload", "not_avro", "unknown_schema", "undecodable", "missing_id", "invalid_time", "future", "late", "duplicate"];

/// A condition that every valid event meets. Anything but true is a violation: an error, null too.
#[derive(Debug, Clone, PartialEq)]
pub struct Expectation {
    /// Reason code of the reject.
    pub reason: String,
    /// The condition, over the event's fields.
    pub check: Program,
}

/// Most expectations a pipeline may have.
const MAX_EXPECTATIONS: usize = 200;

pub(crate) fn read(reader: &mut Reader<'_>, entry: &Entry, events: Option<&Events>) -> Vec<Expectation> {
    let Some(items) = reader.list(&entry.value, "expectations") else { return Vec::new() };
    if items.len() > MAX_EXPECTATIONS {
        let message = format!("there are {} expectations; {MAX_EXPECTATIONS} are possible", items.len());
        reader.error(codes::TOO_MANY, entry.key_range.clone(), message);
        return Vec::new();
    }
    let mut taken = HashSet::new();
    items.iter().filter_map(|item| expectation(reader, item, events, &mut taken)).collect()
}

fn expectation<'n>(reader: &mut Reader<'_>, item: &'n Node, events: Option<&Events>, taken: &mut HashSet<&'n str>) -> Option<Expectation> {
    let mut fields = reader.fields(item, "expect", item.range.clone())?;
    let reason = fields.required(reader, "reason").and_then(|e| reason(reader, &e.value, taken));
    let check = fields.required(reader, "check");
    let check = check.and_then(|e| reader.expression(&e.value, events.map(|e| &e.scope), &[Ty::Bool]));
    if let Some(on_fail) = fields.optional("on_fail") {
        reader.choice(&on_fail.value, &[("reject", ())]);
    }
    fields.finish(reader);
    Some(Expectation { reason: reason?.to_owned(), check: check? })
}

fn reason<'n>(reader: &mut Reader<'_>, node: &'n Node, taken: &mut HashSet<&'n str>) -> Option<&'n str> {
    let reason = reader.text(node)?;
    reader.name(reason, '_', node.range.clone())?;
    if RESERVED_REASONS.contains(&reason) {
        reader
            .error(codes::RESERVED, node.range.clone(), format!("`{reason}` is a reason that Tidemill gives itself"))
            .help(format!("call it otherwise, such as `{reason}_value`"));
        return None;
    }
    if !taken.insert(reason) {
        reader.error(codes::DUPLICATE, node.range.clone(), format!("the reason `{reason}` is there twice"));
        return None;
    }
    Some(reason)
}
