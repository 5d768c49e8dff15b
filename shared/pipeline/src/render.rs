//! Diagnostics drawn for the terminal, by miette.

use crate::diagnostic::{Diagnostic, Label, Severity};
use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError, NamedSource, SourceCode, SourceSpan, SpanContents};
use std::fmt;

/// Columns of the drawing.
const WIDTH: usize = 110;

/// Draws `diagnostics` about the file `name` with the content `text`, one after the other.
///
/// `color` is the caller's decision: a terminal, and no `NO_COLOR`.
#[must_use]
pub fn render(diagnostics: &[Diagnostic], name: &str, text: &str, color: bool) -> String {
    let theme = if color { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let handler = GraphicalReportHandler::new_themed(theme)
        .with_width(WIDTH)
        .with_links(false)
        .with_context_lines(1)
        .with_primary_span_start()
        .without_syntax_highlighting();
    let source = WholeLines { text, named: NamedSource::new(name, text.to_owned()) };
    let mut out = String::new();
    for diagnostic in diagnostics {
        let mut drawn = String::new();
        // writing to a string cannot fail, and a part of a report is worth more than none
        let _ = handler.render_report(&mut drawn, &Drawn { diagnostic, source: &source });
        // miette puts the code on a line of its own
        match drawn.split_once("\n\n") {
            Some((code, rest)) => out.extend([code, " ", rest.trim_start(), "\n"]),
            None => out.push_str(&drawn),
        }
    }
    out
}

/// Excerpts of the whole lines that labels are on, and no others. miette asks for context lines where it
/// draws, and for none where it asks for a position.
struct WholeLines<'a> {
    text: &'a str,
    named: NamedSource<String>,
}

impl SourceCode for WholeLines<'_> {
    fn read_span<'a>(&'a self, span: &SourceSpan, before: usize, _after: usize) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let (mut start, mut end) = (span.offset(), span.offset() + span.len());
        if before > 0 {
            start = self.text.get(..start).and_then(|before| before.rfind('\n')).map_or(0, |i| i + 1);
            end = self.text.get(end..).map_or(end, |rest| end + rest.find('\n').unwrap_or(rest.len()));
        }
        self.named.read_span(&(start, end - start).into(), 0, 0)
    }
}

/// A diagnostic as miette sees it.
struct Drawn<'a> {
    diagnostic: &'a Diagnostic,
    source: &'a WholeLines<'a>,
}

impl fmt::Debug for Drawn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.diagnostic.fmt(f)
    }
}

impl fmt::Display for Drawn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.diagnostic.message)
    }
}

impl std::error::Error for Drawn<'_> {}

impl miette::Diagnostic for Drawn<'_> {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.diagnostic.code))
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.diagnostic.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
            Severity::Note => miette::Severity::Advice,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.diagnostic.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        (!self.diagnostic.labels.is_empty()).then_some(self.source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let span = |(i, label): (usize, &Label)| {
            let text = (!label.text.is_empty()).then(|| label.text.clone());
            let span = (label.range.start, label.range.len());
            if i == 0 { LabeledSpan::new_primary_with_span(text, span) } else { LabeledSpan::new_with_span(text, span) }
        };
        Some(Box::new(self.diagnostic.labels.iter().enumerate().map(span)))
    }
}
