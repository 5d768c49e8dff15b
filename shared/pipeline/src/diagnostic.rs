//! What is wrong with a pipeline file, for people and for machines.

use serde::Serialize;
use std::ops::Range;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The file is refused.
    Error,
    /// The file is taken; this is probably not what was meant.
    Warning,
    /// Worth knowing.
    Note,
}

/// A place in a file, and what it has to do with the fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Label {
    /// The file's name, as it was given.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The bytes of the file.
    pub range: Range<usize>,
    /// What is here; may be empty.
    pub text: String,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// Its code, `TMxxxx`; [`crate::explain`] has a page about it.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong.
    pub message: String,
    /// Where; the first is the place of the fault. Empty if the fault is in no place.
    pub labels: Vec<Label>,
    /// What to do about it.
    pub help: Option<String>,
}

impl Diagnostic {
    pub(crate) fn new(code: &'static str, severity: Severity, message: impl Into<String>) -> Self {
        Self { code, severity, message: message.into(), labels: Vec::new(), help: None }
    }

    /// Adds what to do about it.
    pub(crate) fn help(&mut self, help: impl Into<String>) -> &mut Self {
        self.help = Some(help.into());
        self
    }
}

/// A file that diagnostics are about: its name, and its text for excerpts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SourceFile<'a> {
    pub(crate) name: &'a str,
    pub(crate) text: &'a str,
}

impl SourceFile<'_> {
    /// A label on `range`, which is cut to the file.
    pub(crate) fn label(&self, range: Range<usize>, text: impl Into<String>) -> Label {
        let start = floor_char(self.text, range.start);
        let end = floor_char(self.text, range.end).max(start);
        let before = &self.text[..start];
        let line_start = before.rfind('\n').map_or(0, |i| i + 1);
        Label {
            file: self.name.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            range: start..end,
            text: text.into(),
        }
    }
}

/// The character boundary at or before `index`.
fn floor_char(text: &str, index: usize) -> usize {
    (0..=index.min(text.len())).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::SourceFile;

    #[test]
    fn labels_count_lines_and_characters_from_1() {
        let file = SourceFile { name: "f", text: "aé: 1\nb: 2\n" };
        let at = |start| {
            let label = file.label(start..start + 1, "");
            (label.line, label.column)
        };
        assert_eq!(at(0), (1, 1));
        assert_eq!(at(3), (1, 3), "é has two bytes");
        assert_eq!(at(7), (2, 1));
        let beyond = file.label(5_000..9_000, "");
        assert_eq!((beyond.line, beyond.range), (3, 12..12));
        assert_eq!(file.label(2..2, "").range, 1..1, "inside a character: before it");
    }
}
