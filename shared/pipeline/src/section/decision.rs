//! `decision`: what a score means.

use crate::codes;
use crate::reader::{Fields, Reader};
use crate::yaml::Entry;

/// From a score to a decision.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// Scores from here on decide `above`.
    pub threshold: f64,
    /// The decision at or above the threshold.
    pub above: String,
    /// The decision below it.
    pub below: String,
}

pub(crate) fn read(reader: &mut Reader<'_>, entry: &Entry) -> Option<Decision> {
    let mut fields = reader.fields(&entry.value, &entry.key, entry.key_range.clone())?;
    let threshold = fields.required(reader, "threshold").and_then(|e| reader.number(&e.value, f64::MIN..=f64::MAX));
    let above = word(reader, &mut fields, "above");
    let below = word(reader, &mut fields, "below");
    fields.finish(reader);
    let (above, below) = (above?, below?);
    if above == below {
        reader
            .error(codes::DUPLICATE, entry.key_range.clone(), format!("both sides of the threshold decide `{above}`"))
            .help("give `above` and `below` different words");
        return None;
    }
    Some(Decision { threshold: threshold?, above, below })
}

fn word(reader: &mut Reader<'_>, fields: &mut Fields<'_>, key: &'static str) -> Option<String> {
    let node = &fields.required(reader, key)?.value;
    let word = reader.text(node)?;
    reader.name(word, '_', node.range.clone())?;
    Some(word.to_owned())
}
