//! Rows of any source as CSV or NDJSON.

use super::source::{json, text};
use crate::publish::{Row, Source};
use std::io::{self, Write};
use std::path::Path;

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Csv,
    Ndjson,
}

impl Format {
    /// The format that the name of `path` asks for.
    pub(super) fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()? {
            "csv" => Some(Format::Csv),
            "ndjson" | "jsonl" => Some(Format::Ndjson),
            _ => None,
        }
    }
}

/// Writes every row of `source`, whose columns are `columns`; gives how many. A row that cannot be read ends it: the file would not
/// be the same but for the change.
pub(super) fn write(format: Format, columns: &[&str], source: &mut dyn Source, out: &mut impl Write) -> io::Result<u64> {
    match format {
        Format::Csv => {
            let mut out = csv::Writer::from_writer(out);
            out.write_record(columns)?;
            let rows = each(source, |row| Ok(out.write_record((0..columns.len()).map(|column| text(row.cell(column))))?))?;
            out.flush()?;
            Ok(rows)
        }
        Format::Ndjson => {
            let mut line = Vec::new();
            each(source, |row| {
                line.clear();
                for (column, name) in columns.iter().enumerate() {
                    line.push(if column == 0 { b'{' } else { b',' });
                    serde_json::to_writer(&mut line, name)?;
                    line.push(b':');
                    json(row.cell(column), &mut line);
                }
                line.extend_from_slice(b"}\n");
                out.write_all(&line)
            })
        }
    }
}

fn each(source: &mut dyn Source, mut write: impl FnMut(&dyn Source) -> io::Result<()>) -> io::Result<u64> {
    let mut rows = 0;
    loop {
        match source.advance().map_err(io::Error::other)? {
            Row::End => return Ok(rows),
            Row::Unreadable(why) => return Err(io::Error::other(why)),
            Row::Ready => write(source)?,
        }
        rows += 1;
    }
}
