//! `entities`: the hops of the stream, their keys and windowed features.

use super::{Events, LONGEST, field, keyable};
use crate::codes;
use crate::reader::{Fields, Reader};
use crate::yaml::{Content, Entry, Node};
use compact_str::{CompactString, format_compact};
use std::ops::Range;
use tidemill_events::time::{SECOND, format_duration};
use tidemill_expr::{Program, Ty};
use tidemill_features::{Aggregate, FeatureSpec, HopSpec, Of};

/// Most entities a pipeline may have.
const MAX_ENTITIES: usize = 16;
/// Most fields of a composite key.
const MAX_KEY_FIELDS: usize = 8;

const AGGREGATES: [(&str, Aggregate); 5] =
    [("count", Aggregate::Count), ("sum", Aggregate::Sum), ("mean", Aggregate::Mean), ("min", Aggregate::Min), ("max", Aggregate::Max)];
const AGGREGATES_TO_COME: [&str; 6] = ["stddev", "last", "distinct", "quantile", "share", "time_since"];

/// What the section gives: hops in file order, and where each column was declared.
#[derive(Default)]
pub(crate) struct Entities {
    pub(crate) hops: Vec<HopSpec>,
    pub(crate) places: Vec<(CompactString, Range<usize>)>,
}

/// What the other sections say that features depend on.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    /// `None` where the event schema is at fault.
    pub(crate) events: Option<&'a Events>,
    /// `source.lateness`, microseconds.
    pub(crate) lateness: i64,
    /// Whether the file declares `labels`.
    pub(crate) has_labels: bool,
}

pub(crate) fn read(reader: &mut Reader<'_>, entry: &Entry, context: Context<'_>) -> Entities {
    let mut entities = Entities::default();
    let Some(entries) = reader.entries(entry, "entities") else { return entities };
    if entries.is_empty() || entries.len() > MAX_ENTITIES {
        let message = format!("there are {} entities; 1 to {MAX_ENTITIES} are possible", entries.len());
        reader.error(codes::TOO_MANY, entry.key_range.clone(), message);
        return entities;
    }
    for entity in entries {
        if let Some(hop) = hop(reader, entity, context, &mut entities.places) {
            entities.hops.push(hop);
        }
    }
    entities
}

fn hop(reader: &mut Reader<'_>, entity: &Entry, context: Context<'_>, places: &mut Vec<(CompactString, Range<usize>)>) -> Option<HopSpec> {
    let Context { events, lateness, .. } = context;
    let named = reader.name(&entity.key, '_', entity.key_range.clone());
    let mut fields = reader.fields(&entity.value, &entity.key, entity.key_range.clone())?;
    let key = fields.required(reader, "key").and_then(|e| key(reader, &e.value, events?));
    let features = fields.optional("features").and_then(|e| reader.entries(e, "features"));
    fields.finish(reader);
    let mut hop = HopSpec { entity: entity.key.as_str().into(), key: Vec::new(), columns: Vec::new(), features: Vec::new(), lateness };
    for entry in features.unwrap_or_default() {
        let first = hop.features.len();
        feature(reader, entry, context, &mut hop);
        places.extend(hop.features[first..].iter().map(|f| (f.name.clone(), entry.key_range.clone())));
    }
    named?;
    hop.key = key?;
    Some(hop)
}

fn key(reader: &mut Reader<'_>, node: &Node, events: &Events) -> Option<Vec<usize>> {
    let Content::List(parts) = &node.content else {
        let slot = field(reader, events, node)?;
        return keyable(reader, events, slot, node, "a key").map(|slot| vec![slot]);
    };
    if parts.is_empty() || parts.len() > MAX_KEY_FIELDS {
        let message = format!("a key has {} fields; 1 to {MAX_KEY_FIELDS} are possible", parts.len());
        reader.error(codes::TOO_MANY, node.range.clone(), message);
        return None;
    }
    let slots: Vec<Option<usize>> = parts.iter().map(|part| key_part(reader, part, events)).collect();
    let slots: Vec<usize> = slots.into_iter().collect::<Option<_>>()?;
    for (i, part) in parts.iter().enumerate() {
        if slots[..i].contains(&slots[i]) {
            reader.error(codes::DUPLICATE, part.range.clone(), "this field is in the key twice");
            return None;
        }
    }
    Some(slots)
}

fn key_part(reader: &mut Reader<'_>, part: &Node, events: &Events) -> Option<usize> {
    let slot = field(reader, events, part)?;
    keyable(reader, events, slot, part, "part of a key")
}

/// Reads one feature and adds a column for each of its windows.
fn feature(reader: &mut Reader<'_>, entry: &Entry, context: Context<'_>, hop: &mut HopSpec) -> Option<()> {
    let named = reader.name(&entry.key, '_', entry.key_range.clone());
    let mut fields = reader.fields(&entry.value, &entry.key, entry.key_range.clone())?;
    let aggregate = fields.required(reader, "aggregate").and_then(|e| aggregate(reader, &e.value));
    let of = of(reader, entry, fields.optional("of"), aggregate, context);
    let delay = fields.optional("delay").map_or(Some(0), |e| reader.duration(&e.value, 0..=LONGEST));
    let windows = fields.required(reader, "windows").and_then(|e| windows(reader, &e.value));
    let fill = match fields.optional("fill") {
        None => Some(None),
        Some(Entry { value: Node { content: Content::Null, .. }, .. }) => Some(None),
        Some(e) => reader.number(&e.value, f64::MIN..=f64::MAX).map(Some),
    };
    not_yet(reader, &mut fields);
    fields.finish(reader);
    let (windows, delay, fill, of, aggregate) = (windows?, delay?, fill?, of?, aggregate?);
    named?;
    let of = match of {
        Input::Events => Of::Events,
        Input::Label => Of::Label,
        Input::Expression(program) => Of::Column(hop.columns.iter().position(|known| *known == program).unwrap_or_else(|| {
            hop.columns.push(program);
            hop.columns.len() - 1
        })),
    };
    for (text, window) in windows {
        let name = format_compact!("{}_{}_{text}", hop.entity, entry.key);
        hop.features.push(FeatureSpec { name, aggregate, of, window, delay, fill });
    }
    Some(())
}

fn not_yet(reader: &mut Reader<'_>, fields: &mut Fields<'_>) {
    if let Some(resolution) = fields.optional("resolution") {
        reader
            .error(codes::NOT_YET, resolution.key_range.clone(), "`resolution` is not available yet")
            .help("leave it out: windows are exact");
    }
}

fn aggregate(reader: &mut Reader<'_>, node: &Node) -> Option<Aggregate> {
    let text = reader.text(node)?;
    if AGGREGATES_TO_COME.contains(&text) {
        let message = format!("the aggregate `{text}` is not available yet");
        reader.error(codes::NOT_YET, node.range.clone(), message).help("count, sum, mean, min and max are");
        return None;
    }
    reader.choice(node, &AGGREGATES)
}

/// What a feature aggregates, before it is a column of its hop.
enum Input {
    Events,
    Label,
    Expression(Program),
}

fn of(reader: &mut Reader<'_>, feature: &Entry, of: Option<&Entry>, aggregate: Option<Aggregate>, context: Context<'_>) -> Option<Input> {
    let Some(of) = of else {
        if !matches!(aggregate, None | Some(Aggregate::Count)) {
            let message = format!("`{}` needs an `of`: what to aggregate", feature.key);
            reader.error(codes::COLUMN, feature.key_range.clone(), message).help("such as `of: amount`");
            return None;
        }
        return Some(Input::Events);
    };
    let is_label = matches!(&of.value.content, Content::Text(text) if text == "label");
    if aggregate == Some(Aggregate::Count) {
        let help = if is_label { "leave `of` out, or take the `sum`: how many labels are 1" } else { "leave `of` out" };
        reader.error(codes::COLUMN, of.key_range.clone(), "a count counts events").help(help);
        return None;
    }
    if !is_label {
        let scope = context.events.map(|e| &e.scope);
        return reader.expression(&of.value, scope, &[Ty::Decimal, Ty::Double, Ty::Int]).map(Input::Expression);
    }
    if !context.has_labels {
        let message = format!("`{}` is a feature on labels, and the file declares none", feature.key);
        reader.error(codes::MISSING_KEY, of.value.range.clone(), message).help("declare `labels: { horizon: … }`");
        return None;
    }
    Some(Input::Label)
}

/// The windows of a feature, as written and in microseconds.
fn windows(reader: &mut Reader<'_>, node: &Node) -> Option<Vec<(String, i64)>> {
    let items = reader.list(node, "durations such as [1d, 7d]")?;
    if items.is_empty() {
        reader.error(codes::WRONG_KIND, node.range.clone(), "there is no window").help("write some, such as [1d, 7d]");
        return None;
    }
    let mut windows: Vec<(String, i64)> = Vec::with_capacity(items.len());
    let mut ok = true;
    for item in items {
        let Some(length) = reader.duration(item, SECOND..=LONGEST) else {
            ok = false;
            continue;
        };
        if windows.iter().any(|(_, known)| *known == length) {
            let message = format!("a window of {} is there twice", format_duration(length));
            reader.error(codes::DUPLICATE, item.range.clone(), message);
            ok = false;
            continue;
        }
        let text = reader.raw(item).trim_matches(['"', '\'']).to_owned();
        windows.push((text, length));
    }
    ok.then_some(windows)
}

/// Reports columns of the same name, whoever declares them.
pub(crate) fn refuse_duplicates(reader: &mut Reader<'_>, places: &[(CompactString, Range<usize>)]) {
    let mut first: std::collections::HashMap<&str, &Range<usize>> = std::collections::HashMap::new();
    for (name, place) in places {
        if let Some(earlier) = first.insert(name, place) {
            let message = format!("two features are called `{name}`");
            reader.error(codes::DUPLICATE, place.clone(), message).help("rename one of them");
            reader.also(earlier.clone(), "the other");
        }
    }
}
