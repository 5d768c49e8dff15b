//! Reading the tree of a file: typed values out of nodes, faults into a list, nothing skipped in silence.

use crate::codes;
use crate::diagnostic::{Diagnostic, Severity, SourceFile};
use crate::yaml::{Content, Entry, Node};
use std::ops::{Range, RangeInclusive};
use tidemill_events::time::{format_duration, parse_duration};
use tidemill_expr::{Program, Scope, Ty, did_you_mean};

/// A file being read, and what was found in it so far.
pub(crate) struct Reader<'a> {
    file: SourceFile<'a>,
    found: Vec<Diagnostic>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(file: SourceFile<'a>) -> Self {
        Self { file, found: Vec::new() }
    }

    /// What was found, in the order of the file.
    pub(crate) fn into_found(mut self) -> Vec<Diagnostic> {
        self.found.sort_by_key(|d| d.labels.first().map_or(0, |l| l.range.start));
        self.found
    }

    /// How many faults were found so far.
    pub(crate) fn faults(&self) -> usize {
        self.found.iter().filter(|d| d.severity == Severity::Error).count()
    }

    /// Takes back the faults with `code` that came after the first `before` faults.
    pub(crate) fn forget(&mut self, before: usize, code: &str) {
        let mut faults = 0;
        self.found.retain(|d| {
            faults += usize::from(d.severity == Severity::Error);
            faults <= before || d.code != code
        });
    }

    pub(crate) fn report(
        &mut self,
        code: &'static str,
        severity: Severity,
        range: Range<usize>,
        message: impl Into<String>,
    ) -> &mut Diagnostic {
        let label = self.file.label(range, "");
        let mut diagnostic = Diagnostic::new(code, severity, message);
        diagnostic.labels.push(label);
        self.found.push(diagnostic);
        let last = self.found.len() - 1;
        &mut self.found[last]
    }

    pub(crate) fn error(&mut self, code: &'static str, range: Range<usize>, message: impl Into<String>) -> &mut Diagnostic {
        self.report(code, Severity::Error, range, message)
    }

    /// Adds a second place to the newest finding.
    pub(crate) fn also(&mut self, range: Range<usize>, text: &str) {
        let label = self.file.label(range, text);
        if let Some(last) = self.found.last_mut() {
            last.labels.push(label);
        }
    }

    pub(crate) fn wrong_kind(&mut self, node: &Node, wanted: &str) {
        let message = format!("{wanted} is needed here, and this is {}", node.content.kind());
        self.error(codes::WRONG_KIND, node.range.clone(), message);
    }

    pub(crate) fn text<'n>(&mut self, node: &'n Node) -> Option<&'n str> {
        match &node.content {
            Content::Text(text) => Some(text),
            Content::Bool(_) | Content::Integer(_) | Content::Number(_) => {
                let raw = self.raw(node).to_owned();
                self.wrong_kind(node, "a text");
                self.help(format!("put it in quotes: \"{raw}\""));
                None
            }
            _ => {
                self.wrong_kind(node, "a text");
                None
            }
        }
    }

    /// Helps with the newest finding.
    fn help(&mut self, help: String) {
        if let Some(last) = self.found.last_mut() {
            last.help(help);
        }
    }

    pub(crate) fn raw(&self, node: &Node) -> &str {
        self.file.text.get(node.range.clone()).unwrap_or_default()
    }

    /// A finite number.
    pub(crate) fn number(&mut self, node: &Node, within: RangeInclusive<f64>) -> Option<f64> {
        let value = match node.content {
            Content::Integer(v) => v as f64,
            Content::Number(v) => v,
            _ => {
                self.wrong_kind(node, "a number");
                return None;
            }
        };
        if !value.is_finite() || !within.contains(&value) {
            let message = if value.is_finite() {
                format!("{value} is outside {} to {}", within.start(), within.end())
            } else {
                "the number is not finite".to_owned()
            };
            self.error(codes::OUT_OF_RANGE, node.range.clone(), message);
            return None;
        }
        Some(value)
    }

    pub(crate) fn integer(&mut self, node: &Node, within: RangeInclusive<i64>) -> Option<i64> {
        match node.content {
            Content::Integer(v) if within.contains(&v) => Some(v),
            Content::Integer(_) | Content::Number(_) => {
                let message = format!("{} is not a whole number from {} to {}", self.raw(node), within.start(), within.end());
                self.error(codes::OUT_OF_RANGE, node.range.clone(), message);
                None
            }
            _ => {
                self.wrong_kind(node, "a whole number");
                None
            }
        }
    }

    /// A duration such as `7d`, in microseconds.
    pub(crate) fn duration(&mut self, node: &Node, within: RangeInclusive<i64>) -> Option<i64> {
        let text = match &node.content {
            Content::Text(text) => text.clone(),
            Content::Integer(_) | Content::Number(_) => self.raw(node).to_owned(),
            _ => {
                self.wrong_kind(node, "a duration such as 7d");
                return None;
            }
        };
        match parse_duration(&text) {
            Ok(micros) if within.contains(&micros) => Some(micros),
            Ok(_) => {
                let message = format!("{text} is outside {} to {}", format_duration(*within.start()), format_duration(*within.end()));
                self.error(codes::DURATION, node.range.clone(), message);
                None
            }
            Err(message) => {
                self.error(codes::DURATION, node.range.clone(), message);
                None
            }
        }
    }

    /// One of some words.
    pub(crate) fn choice<T: Copy>(&mut self, node: &Node, choices: &[(&str, T)]) -> Option<T> {
        let text = self.text(node)?;
        if let Some((_, value)) = choices.iter().find(|(word, _)| *word == text) {
            return Some(*value);
        }
        let words = || choices.iter().map(|(word, _)| *word);
        let help = did_you_mean(text, words()).unwrap_or_else(|| format!("possible here: {}", words().collect::<Vec<_>>().join(", ")));
        self.error(codes::UNKNOWN_CHOICE, node.range.clone(), format!("`{text}` is not possible here")).help(help);
        None
    }

    pub(crate) fn list<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n [Node]> {
        match &node.content {
            Content::List(items) => Some(items),
            _ => {
                self.wrong_kind(node, &format!("a list of {what}"));
                None
            }
        }
    }

    pub(crate) fn entries<'n>(&mut self, entry: &'n Entry, what: &str) -> Option<&'n [Entry]> {
        match &entry.value.content {
            Content::Map(entries) => Some(entries),
            other => {
                let message = format!("`{}` is a mapping of {what}, and this is {}", entry.key, other.kind());
                self.error(codes::WRONG_KIND, entry.key_range.clone(), message);
                None
            }
        }
    }

    /// The fields of a mapping called `name`, for messages about it at `place`.
    pub(crate) fn fields<'n>(&mut self, node: &'n Node, name: &'n str, place: Range<usize>) -> Option<Fields<'n>> {
        match &node.content {
            Content::Map(entries) => Some(Fields { name, place, entries, asked: Vec::new() }),
            other => {
                let what = if name.is_empty() { "a pipeline file".to_owned() } else { format!("`{name}`") };
                let message = format!("{what} is a mapping of keys and values, and this is {}", other.kind());
                self.error(codes::WRONG_KIND, place, message);
                None
            }
        }
    }

    /// A name of the form `[a-z][a-z0-9_]{0,62}`, or with `-` for `_`.
    pub(crate) fn name(&mut self, name: &str, separator: char, place: Range<usize>) -> Option<()> {
        let first = name.starts_with(|c: char| c.is_ascii_lowercase());
        let rest = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == separator);
        if first && rest && name.len() <= 63 {
            return Some(());
        }
        let shown: String = name.chars().take(80).collect();
        let message = format!("`{}` is not a possible name", shown.escape_debug());
        let help = format!("a small letter, then small letters, digits and `{separator}`; at most 63 in all");
        self.error(codes::ILLEGAL_NAME, place, message).help(help);
        None
    }

    /// A CEL expression over `scope` with a result of one of the types `wanted`.
    ///
    /// Without a scope, because the schema is at fault, nothing is said about it.
    pub(crate) fn expression(&mut self, node: &Node, scope: Option<&Scope>, wanted: &[Ty]) -> Option<Program> {
        let source = match &node.content {
            Content::Text(text) => text.clone(),
            Content::Integer(_) | Content::Number(_) | Content::Bool(_) => self.raw(node).to_owned(),
            _ => {
                self.wrong_kind(node, "an expression");
                return None;
            }
        };
        let scope = scope?;
        let compiled = tidemill_expr::compile(&source, scope).and_then(|program| program.expect(wanted).map_err(|error| vec![error]));
        let errors = match compiled {
            Ok(program) => return Some(program),
            Err(errors) => errors,
        };
        for error in errors {
            let place = within(self.raw(node), &source, &error.range);
            let place = place.map_or(node.range.clone(), |r| node.range.start + r.start..node.range.start + r.end);
            let diagnostic = self.error(error.code, place, error.message);
            diagnostic.help = error.help;
        }
        None
    }
}

/// Where `range` of a decoded text is in `raw`, the bytes it was read from.
///
/// Quotes, indentation and folding change white space only: the n-th other character is the same in both.
/// `None` if it is not, because characters are escaped.
fn within(raw: &str, decoded: &str, range: &Range<usize>) -> Option<Range<usize>> {
    let solid = |text: &str| text.char_indices().filter(|(_, c)| !c.is_whitespace()).collect::<Vec<_>>();
    let (mut outer, inner) = (solid(raw), solid(decoded));
    if outer.len() == inner.len() + 2 {
        outer = outer[1..=inner.len()].to_vec(); // between the quotes
    }
    if !outer.iter().map(|(_, c)| c).eq(inner.iter().map(|(_, c)| c)) {
        return None;
    }
    let first = inner.partition_point(|(i, _)| *i < range.start);
    let behind = inner.partition_point(|(i, _)| *i < range.end);
    let end_of = |(i, c): &(usize, char)| i + c.len_utf8();
    let start = match outer.get(first) {
        Some((i, _)) => *i,
        None => outer.last().map_or(0, end_of),
    };
    let end = if behind > first { end_of(&outer[behind - 1]) } else { start };
    Some(start..end)
}

/// The fields of one mapping, and which of them were asked for.
pub(crate) struct Fields<'n> {
    name: &'n str,
    place: Range<usize>,
    entries: &'n [Entry],
    asked: Vec<&'static str>,
}

impl<'n> Fields<'n> {
    /// Whether `key` is there; it is not asked for by that.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|e| e.key == key)
    }

    pub(crate) fn optional(&mut self, key: &'static str) -> Option<&'n Entry> {
        self.asked.push(key);
        self.entries.iter().find(|e| e.key == key)
    }

    pub(crate) fn required(&mut self, reader: &mut Reader<'_>, key: &'static str) -> Option<&'n Entry> {
        let found = self.optional(key);
        if found.is_none() {
            let owner = if self.name.is_empty() { "the file".to_owned() } else { format!("`{}`", self.name) };
            reader.error(codes::MISSING_KEY, self.place.clone(), format!("{owner} needs a `{key}`"));
        }
        found
    }

    /// Reports every key that nobody asked for.
    pub(crate) fn finish(self, reader: &mut Reader<'_>) {
        for entry in self.entries.iter().filter(|e| !self.asked.contains(&e.key.as_str())) {
            let shown: String = entry.key.chars().take(80).collect();
            let owner = if self.name.is_empty() { "in a pipeline file".to_owned() } else { format!("in `{}`", self.name) };
            let help =
                did_you_mean(&entry.key, self.asked.iter().copied()).unwrap_or_else(|| format!("possible here: {}", self.asked.join(", ")));
            let message = format!("there is no `{}` {owner}", shown.escape_debug());
            reader.error(codes::UNKNOWN_KEY, entry.key_range.clone(), message).help(help);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::within;

    #[test]
    fn places_in_decoded_texts_are_found_in_the_file() {
        let marked = |raw: &'static str, decoded: &str, part: &str| {
            let start = decoded.find(part).unwrap();
            within(raw, decoded, &(start..start + part.len())).map(|r| &raw[r])
        };
        assert_eq!(marked("a > bb", "a > bb", "bb"), Some("bb"));
        assert_eq!(marked("\"a > 'é' + b\"", "a > 'é' + b", "b"), Some("b"));
        assert_eq!(marked("a &&\n    b > 1\n", "a &&\nb > 1\n", "b > 1"), Some("b > 1"), "literal block");
        assert_eq!(marked("a &&\n    b > 1\n", "a && b > 1\n", "a && b"), Some("a &&\n    b"), "folded");
        assert_eq!(marked("'a == ''x'' '", "a == 'x' ", "a"), None, "escaped");
        assert_eq!(within("\"a > \"", "a > ", &(4..4)), Some(4..4), "at the end");
        assert_eq!(within("\"\"", "", &(0..0)), Some(0..0));
    }
}
