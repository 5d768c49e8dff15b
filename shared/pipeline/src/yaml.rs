//! YAML into a tree in which every node knows its place. The one module that names the YAML library.
//!
//! A tree, not typed structs: a typed reader stops at the first fault, and a file should be told of all.

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::budget::BudgetBreach;
use serde_saphyr::options::{DuplicateKeyPolicy, NonFiniteFloatPolicy};
use serde_saphyr::{Error as YamlError, Location, MessageFormatter, Spanned, UserMessageFormatter};
use std::fmt;
use std::ops::Range;

/// Largest file, in bytes.
pub(crate) const MAX_BYTES: usize = 1 << 20;
/// Most nodes, aliases expanded.
const MAX_NODES: usize = 20_000;
/// Deepest nesting.
const MAX_DEPTH: usize = 32;
/// Most aliases.
const MAX_ALIASES: usize = 100;

/// A value and the bytes it was read from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub(crate) content: Content,
    pub(crate) range: Range<usize>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Content {
    Null,
    Bool(bool),
    Integer(i64),
    Number(f64),
    Text(String),
    List(Vec<Node>),
    /// In file order.
    Map(Vec<Entry>),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_range: Range<usize>,
    pub(crate) value: Node,
}

impl Content {
    /// What this is, with an article, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Content::Null => "nothing",
            Content::Bool(_) => "a boolean",
            Content::Integer(_) | Content::Number(_) => "a number",
            Content::Text(_) => "a text",
            Content::List(_) => "a list",
            Content::Map(_) => "a mapping",
        }
    }
}

/// Why a text is not a YAML document we take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) message: String,
    pub(crate) range: Range<usize>,
    /// A limit was passed; otherwise the text is not YAML.
    pub(crate) limit: bool,
}

pub(crate) fn parse(text: &str) -> Result<Node, Fault> {
    if text.len() > MAX_BYTES {
        let message = format!("the file has {} bytes; {MAX_BYTES} are possible", text.len());
        return Err(Fault { message, range: 0..0, limit: true });
    }
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_nodes: MAX_NODES,
            max_events: 4 * MAX_NODES,
            max_depth: MAX_DEPTH,
            flow_nesting_limit: 2 * MAX_DEPTH,
            max_aliases: MAX_ALIASES,
            max_anchors: MAX_ALIASES,
            max_documents: 2,
            max_total_scalar_bytes: MAX_BYTES,
            max_merge_keys: MAX_ALIASES,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: MAX_NODES,
            max_replay_stack_depth: MAX_DEPTH,
        },
        duplicate_keys: DuplicateKeyPolicy::Error,
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
        strict_booleans: true,
        with_snippet: false,
    };
    let root: Spanned<Tree> = serde_saphyr::from_str_with_options(text, options).map_err(|error| fault(text, &error))?;
    Ok(node(root))
}

/// The bytes of the key that `path` leads to.
pub(crate) fn locate(root: &Node, path: &[&str]) -> Option<Range<usize>> {
    let mut node = root;
    let mut place = None;
    for step in path {
        let Content::Map(entries) = &node.content else { return place };
        let Some(entry) = entries.iter().find(|e| e.key == *step) else { return place };
        (node, place) = (&entry.value, Some(entry.key_range.clone()));
    }
    place
}

fn fault(text: &str, error: &YamlError) -> Fault {
    let location = error.location();
    let mut original = error.without_snippet();
    while let YamlError::AliasError { error, .. } = original {
        original = error;
    }
    let passed = passed_limit(original);
    let limit = passed.is_some();
    let message = passed.unwrap_or_else(|| match original {
        YamlError::DuplicateMappingKey { key: Some(key), .. } => format!("`{key}` is there twice"),
        YamlError::RecursiveReferencesRequireWeakTypes { .. } => "this alias stands inside its own anchor".to_owned(),
        YamlError::UnknownAnchor { .. } => "this alias names no anchor".to_owned(),
        YamlError::MultipleDocuments { .. } => "the file holds more than one YAML document".to_owned(),
        other => UserMessageFormatter.format_message(other).into_owned(),
    });
    let place = location.map_or(0..0, |l| if l.span().byte_offset().is_some() { range(&l) } else { at_position(text, &l) });
    Fault { message, range: place, limit }
}

/// The limit that `error` is about, in words.
fn passed_limit(error: &YamlError) -> Option<String> {
    Some(match error {
        YamlError::Budget { breach: BudgetBreach::Depth { .. }, .. } => format!("values are nested deeper than {MAX_DEPTH}"),
        YamlError::Budget { breach: BudgetBreach::Nodes { .. } | BudgetBreach::Events { .. }, .. } => {
            format!("there are more than {MAX_NODES} values")
        }
        YamlError::Budget { breach: BudgetBreach::Aliases { .. } | BudgetBreach::Anchors { .. }, .. } => {
            format!("there are more than {MAX_ALIASES} anchors or aliases")
        }
        YamlError::Budget { .. } => UserMessageFormatter.format_message(error).into_owned(),
        // the parser's own limit, where it reads ahead
        YamlError::ExternalMessage { msg, .. } if msg == "recursion limit exceeded" => format!("values are nested deeper than {MAX_DEPTH}"),
        YamlError::AliasReplayLimitExceeded { .. }
        | YamlError::AliasExpansionLimitExceeded { .. }
        | YamlError::AliasReplayStackDepthExceeded { .. } => format!("aliases stand for more than {MAX_NODES} values"),
        _ => return None,
    })
}

/// The bytes of a location that has no byte offset of its own.
fn at_position(text: &str, location: &Location) -> Range<usize> {
    let line = usize::try_from(location.line()).unwrap_or(1).saturating_sub(1);
    let column = usize::try_from(location.column()).unwrap_or(1).saturating_sub(1);
    let line_start = text.split_inclusive('\n').take(line).map(str::len).sum::<usize>();
    let start = text[line_start..].char_indices().nth(column).map_or(text.len(), |(i, _)| line_start + i);
    start..start
}

fn range(location: &Location) -> Range<usize> {
    let span = location.span();
    let number = |n: Option<u64>| n.and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
    let start = number(span.byte_offset());
    start..start + number(span.byte_len())
}

fn node(spanned: Spanned<Tree>) -> Node {
    Node { range: range(&spanned.defined), content: spanned.value.0 }
}

/// The deserializer's way into [`Content`].
struct Tree(Content);

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor).map(Tree)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Content;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Content, E> {
        Ok(Content::Null)
    }

    fn visit_none<E>(self) -> Result<Content, E> {
        Ok(Content::Null)
    }

    fn visit_bool<E>(self, v: bool) -> Result<Content, E> {
        Ok(Content::Bool(v))
    }

    fn visit_i64<E>(self, v: i64) -> Result<Content, E> {
        Ok(Content::Integer(v))
    }

    fn visit_u64<E>(self, v: u64) -> Result<Content, E> {
        Ok(i64::try_from(v).map_or(Content::Number(v as f64), Content::Integer))
    }

    fn visit_f64<E>(self, v: f64) -> Result<Content, E> {
        Ok(Content::Number(v))
    }

    fn visit_str<E>(self, v: &str) -> Result<Content, E> {
        Ok(Content::Text(v.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Content, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element::<Spanned<Tree>>()? {
            items.push(node(item));
        }
        Ok(Content::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Content, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            let value = node(map.next_value::<Spanned<Tree>>()?);
            entries.push(Entry { key_range: range(&key.defined), key: key.value, value });
        }
        Ok(Content::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(text: &str) -> String {
        fn walk(text: &str, node: &Node, out: &mut String) {
            match &node.content {
                Content::Map(entries) => {
                    for e in entries {
                        out.push_str(&format!("[{}]:", &text[e.key_range.clone()]));
                        walk(text, &e.value, out);
                    }
                }
                Content::List(items) => items.iter().for_each(|item| walk(text, item, out)),
                other => out.push_str(&format!("<{}>{other:?}", &text[node.range.clone()])),
            }
        }
        let mut out = String::new();
        walk(text, &parse(text).unwrap(), &mut out);
        out
    }

    #[test]
    fn every_scalar_and_key_knows_its_bytes() {
        let text = "é: 7d\n\"k\": 'it''s'\non: [0.5, -3, true, ~]\nf: |\n  line\n";
        assert_eq!(
            show(text),
            "[é]:<7d>Text(\"7d\")[\"k\"]:<'it''s'>Text(\"it's\")\
             [on]:<0.5>Number(0.5)<-3>Integer(-3)<true>Bool(true)<~>Null[f]:<line\n>Text(\"line\\n\")"
        );
    }

    #[test]
    fn faults_have_a_place() {
        for (text, marked, message) in [
            ("a: 1\nb: [1, 2\n", "[1", "unclosed bracket"),
            ("a: 1\na: 2\n", "a: 2", "`a` is there twice"),
            ("a: &x [*x]\n", "*x", "inside its own anchor"),
            ("a: 1\nb: *nope\n", "*nope", "names no anchor"),
            ("a: 1\n---\nb: 2\n", "b: 2", "more than one"),
            ("? [a]\n: 1\n", "[a]", "string"),
        ] {
            let fault = parse(text).unwrap_err();
            assert!(!fault.limit && fault.message.contains(message), "{text:?}: {fault:?}");
            assert!(text[fault.range.start..].starts_with(marked), "{text:?}: {fault:?}");
        }
    }

    #[test]
    fn bombs_are_refused_by_limits() {
        let laughs: String = (1..9).map(|i| format!("a{i}: &a{i} [{}]\n", vec![format!("*a{}", i - 1); 9].join(", "))).collect();
        for (text, message) in [
            (format!("a0: &a0 [x, x, x]\n{laughs}"), "aliases stand for more than 20000 values"),
            ("[".repeat(1_000), "nested deeper than 32"),
            ((0..40).map(|i| format!("{}k:\n", " ".repeat(i))).collect(), "nested deeper than 32"),
            (format!("[{}]", "x,".repeat(30_000)), "more than 20000 values"),
            (format!("a: &a x\nb: [{}]", "*a,".repeat(200)), "more than 100 anchors or aliases"),
            (" ".repeat(MAX_BYTES + 1), "1048577 bytes"),
        ] {
            let fault = parse(&text).unwrap_err();
            assert!(fault.limit && fault.message.contains(message), "{fault:?}");
        }
    }
}
