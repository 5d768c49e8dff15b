//! Rows of a CSV file with a header.

use super::{Error, Row, Source};
use crate::publish::cell::Cell;
use csv::{ErrorKind, Reader, ReaderBuilder, StringRecord};
use std::fs::File;
use std::path::{Path, PathBuf};

pub(super) struct Csv {
    path: PathBuf,
    reader: Reader<File>,
    record: StringRecord,
    /// Position in the record of each wanted column.
    positions: Vec<Option<usize>>,
}

pub(super) fn columns(path: &Path) -> Result<Vec<String>, Error> {
    let mut reader = reader(path)?;
    let header = reader.headers().map_err(|e| Error::new(path, e))?;
    Ok(header.iter().map(str::to_owned).collect())
}

fn reader(path: &Path) -> Result<Reader<File>, Error> {
    let file = File::open(path).map_err(|e| Error::new(path, e))?;
    Ok(ReaderBuilder::new().buffer_capacity(1 << 16).from_reader(file))
}

impl Csv {
    pub(super) fn open(path: &Path, wanted: &[&str]) -> Result<Self, Error> {
        let columns = columns(path)?;
        let positions = wanted.iter().map(|w| columns.iter().position(|c| c == w)).collect();
        Ok(Self { path: path.to_owned(), reader: reader(path)?, record: StringRecord::new(), positions })
    }
}

impl Source for Csv {
    fn rows(&self) -> Option<u64> {
        None
    }

    fn advance(&mut self) -> Result<Row, Error> {
        match self.reader.read_record(&mut self.record) {
            Ok(true) => Ok(Row::Ready),
            Ok(false) => Ok(Row::End),
            Err(e) => match e.kind() {
                ErrorKind::Utf8 { .. } | ErrorKind::UnequalLengths { .. } => Ok(Row::Unreadable(e.to_string())),
                _ => Err(Error::new(&self.path, e)),
            },
        }
    }

    /// An empty cell is no value: CSV cannot tell it from empty text.
    fn cell(&self, column: usize) -> Cell<'_> {
        match self.positions[column].and_then(|at| self.record.get(at)) {
            None | Some("") => Cell::Null,
            Some(text) => Cell::Text(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_wanted_columns_and_goes_on_after_a_bad_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events.csv");
        std::fs::write(&path, b"id,at,amount,note\n1,2018-04-01T00:00:31Z,5.10,\"a, b\"\nshort\n3,x,,\xff\n4,y,7,z\n").unwrap();
        assert_eq!(columns(&path).unwrap(), ["id", "at", "amount", "note"]);
        let mut csv = Csv::open(&path, &["amount", "note", "missing"]).unwrap();
        assert_eq!(csv.advance().unwrap(), Row::Ready);
        assert_eq!([csv.cell(0), csv.cell(1), csv.cell(2)], [Cell::Text("5.10"), Cell::Text("a, b"), Cell::Null]);
        assert!(matches!(csv.advance().unwrap(), Row::Unreadable(why) if why.contains("line: 3")));
        assert!(matches!(csv.advance().unwrap(), Row::Unreadable(why) if why.contains("UTF-8")));
        assert_eq!(csv.advance().unwrap(), Row::Ready);
        assert_eq!(csv.cell(0), Cell::Text("7"));
        assert_eq!(csv.advance().unwrap(), Row::End);
    }
}
