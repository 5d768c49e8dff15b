//! Rows of a flat Parquet file, read column by column in chunks.

mod column;
#[cfg(test)]
mod tests;

use super::{Error, Row, Source};
use crate::publish::cell::Cell;
use column::{Column, Kind};
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use std::fs::File;
use std::path::{Path, PathBuf};

/// Rows decoded at a time: enough to amortise a call, small enough for the cache.
const CHUNK: usize = 8_192;

pub(super) struct Parquet {
    path: PathBuf,
    file: SerializedFileReader<File>,
    /// Leaf position and kind of each wanted column.
    wanted: Vec<Option<(usize, Kind)>>,
    /// The wanted columns of the current row group.
    columns: Vec<Option<Column>>,
    next_group: usize,
    left_in_group: usize,
    /// Rows in the current chunk, and the position after the current one.
    chunk: usize,
    next: usize,
}

pub(super) fn columns(path: &Path) -> Result<Vec<String>, Error> {
    let file = open(path)?;
    Ok(file.metadata().file_metadata().schema_descr().columns().iter().map(|c| c.path().string()).collect())
}

fn open(path: &Path) -> Result<SerializedFileReader<File>, Error> {
    let file = File::open(path).map_err(|e| Error::new(path, e))?;
    SerializedFileReader::new(file).map_err(|e| Error::new(path, e))
}

impl Parquet {
    pub(super) fn open(path: &Path, wanted: &[&str]) -> Result<Self, Error> {
        let file = open(path)?;
        let columns = file.metadata().file_metadata().schema_descr().columns();
        let find = |name: &str| match columns.iter().position(|c| c.path().string() == name) {
            None => Ok(None),
            Some(leaf) => Kind::of(&columns[leaf]).map(|kind| Some((leaf, kind))).map_err(|why| Error::new(path, why)),
        };
        let wanted = wanted.iter().map(|name| find(name)).collect::<Result<_, Error>>()?;
        Ok(Self { path: path.to_owned(), file, wanted, columns: Vec::new(), next_group: 0, left_in_group: 0, chunk: 0, next: 0 })
    }

    fn next_chunk(&mut self) -> Result<bool, ParquetError> {
        while self.left_in_group == 0 {
            if self.next_group == self.file.num_row_groups() {
                return Ok(false);
            }
            let group = self.file.get_row_group(self.next_group)?;
            let levels = |leaf: usize| group.metadata().schema_descr().column(leaf).max_def_level();
            let open = |(leaf, kind)| Ok(Column::new(kind, levels(leaf), group.get_column_reader(leaf)?));
            self.columns = self.wanted.iter().map(|wanted| wanted.map(open).transpose()).collect::<Result<_, ParquetError>>()?;
            self.left_in_group = usize::try_from(group.metadata().num_rows()).unwrap_or(0);
            self.next_group += 1;
        }
        self.chunk = self.left_in_group.min(CHUNK);
        self.left_in_group -= self.chunk;
        self.next = 0;
        self.columns.iter_mut().flatten().try_for_each(|column| column.read(self.chunk))?;
        Ok(true)
    }
}

impl Source for Parquet {
    fn rows(&self) -> Option<u64> {
        u64::try_from(self.file.metadata().file_metadata().num_rows()).ok()
    }

    fn advance(&mut self) -> Result<Row, Error> {
        if self.next == self.chunk && !self.next_chunk().map_err(|e| Error::new(&self.path, e))? {
            return Ok(Row::End);
        }
        self.next += 1;
        Ok(Row::Ready)
    }

    fn cell(&self, column: usize) -> Cell<'_> {
        self.columns[column].as_ref().map_or(Cell::Null, |c| c.cell(self.next - 1))
    }
}
