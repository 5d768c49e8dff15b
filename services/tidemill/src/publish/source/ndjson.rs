//! Rows of a file with one JSON object a line.

use super::{Error, Row, Source};
use crate::publish::cell::Cell;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

pub(super) struct Ndjson {
    path: PathBuf,
    reader: BufReader<File>,
    line: Vec<u8>,
    line_number: u64,
    wanted: Vec<String>,
    /// The wanted columns' values in the current row, as JSON; empty where there is none.
    values: Vec<String>,
}

/// The members of the first object among the first lines; later ones may have others.
pub(super) fn columns(path: &Path) -> Result<Vec<String>, Error> {
    const LINES: usize = 100;
    for line in open(path)?.split(b'\n').take(LINES) {
        let line = line.map_err(|e| Error::new(path, e))?;
        if let Ok(object) = serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(&line) {
            return Ok(object.into_iter().map(|(name, _)| name).collect());
        }
    }
    Ok(Vec::new())
}

fn open(path: &Path) -> Result<BufReader<File>, Error> {
    File::open(path).map(|file| BufReader::with_capacity(1 << 16, file)).map_err(|e| Error::new(path, e))
}

impl Ndjson {
    pub(super) fn open(path: &Path, wanted: &[&str]) -> Result<Self, Error> {
        Ok(Self {
            path: path.to_owned(),
            reader: open(path)?,
            line: Vec::new(),
            line_number: 0,
            wanted: wanted.iter().map(|&w| w.to_owned()).collect(),
            values: vec![String::new(); wanted.len()],
        })
    }

    fn parse(&mut self) -> Result<(), serde_json::Error> {
        self.values.iter_mut().for_each(String::clear);
        let mut json = serde_json::Deserializer::from_slice(&self.line);
        Columns { wanted: &self.wanted, values: &mut self.values }.deserialize(&mut json)?;
        json.end()
    }
}

impl Source for Ndjson {
    fn rows(&self) -> Option<u64> {
        None
    }

    fn advance(&mut self) -> Result<Row, Error> {
        loop {
            self.line.clear();
            self.line_number += 1;
            let read = self.reader.read_until(b'\n', &mut self.line).map_err(|e| Error::new(&self.path, e))?;
            if read == 0 {
                return Ok(Row::End);
            }
            if self.line.trim_ascii().is_empty() {
                continue;
            }
            return Ok(match self.parse() {
                Ok(()) => Row::Ready,
                Err(e) => Row::Unreadable(format!("line {}: {e}", self.line_number)),
            });
        }
    }

    fn cell(&self, column: usize) -> Cell<'_> {
        match self.values[column].as_str() {
            "" | "null" => Cell::Null,
            json => Cell::Json(json),
        }
    }
}

/// Copies the wanted members of an object.
struct Columns<'a> {
    wanted: &'a [String],
    values: &'a mut [String],
}

impl<'de> DeserializeSeed<'de> for Columns<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Columns<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<Cow<'de, str>>()? {
            let Some(column) = self.wanted.iter().position(|w| *w == name) else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            if !self.values[column].is_empty() {
                return Err(A::Error::custom(format_args!("`{name}` is there twice")));
            }
            self.values[column].push_str(map.next_value::<&RawValue>()?.get());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_wanted_members_and_goes_on_after_a_bad_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events.ndjson");
        let lines = "[]\n{\"id\":1,\"amount\":57.160,\"nested\":{\"a\":[1]}}\n\n{\"id\":2,\n{\"id\":3,\"id\":4}\n[1]\n{\"amount\":null,\"id\":\"x\\n\"}";
        std::fs::write(&path, lines).unwrap();
        assert_eq!(columns(&path).unwrap(), ["amount", "id", "nested"]);
        let mut rows = Ndjson::open(&path, &["id", "amount"]).unwrap();
        assert!(matches!(rows.advance().unwrap(), Row::Unreadable(_)));
        assert_eq!(rows.advance().unwrap(), Row::Ready);
        assert_eq!([rows.cell(0), rows.cell(1)], [Cell::Json("1"), Cell::Json("57.160")]);
        for (line, what) in [(4, "EOF"), (5, "`id` is there twice"), (6, "a JSON object")] {
            let Row::Unreadable(why) = rows.advance().unwrap() else { panic!("line {line} was read") };
            assert!(why.starts_with(&format!("line {line}: ")) && why.contains(what), "{why}");
        }
        assert_eq!(rows.advance().unwrap(), Row::Ready);
        assert_eq!([rows.cell(0), rows.cell(1)], [Cell::Json("\"x\\n\""), Cell::Null]);
        assert_eq!(rows.advance().unwrap(), Row::End);
    }
}
