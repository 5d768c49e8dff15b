//! The training set in the object store: a Parquet file for each day of event time, and back.

use crate::interrupted::Interrupted;
use crate::split::Split;
use bytes::Bytes;
use std::ops::Range;
use tidemill_artefacts::ArtefactStore;
use tidemill_events::time::{DAY, format_date};
use tidemill_model::artefact::{TrainingFile, sha256};
use tidemill_training_set::{Rows, read, write};

/// The largest file of a training set that is read, bytes.
const MOST: u64 = 4 << 30;
/// Folders of the two parts.
const TRAINING: &str = "training";
const HOLDOUT: &str = "holdout";

/// Writes all rows of `split` as files of `pipeline`, and says what they are.
///
/// Their folder is named after their content, so two trainings on the same rows share it, and no file that a
/// manifest names is ever written over by another.
pub(crate) fn store(store: &ArtefactStore, pipeline: &str, rows: &Rows, split: &Split) -> Result<Vec<TrainingFile>, Interrupted> {
    let mut parts = Vec::new();
    for (folder, range) in [(TRAINING, split.trained_rows()), (HOLDOUT, split.holdout.rows.clone())] {
        for (day, range) in rows.days(range) {
            let bytes = write(rows, range.clone())?;
            let name = format!("date={}/part-0.parquet", format_date(day.saturating_mul(DAY)));
            parts.push((folder, name, sha256(&bytes), range.len(), bytes));
        }
    }
    let all: String = parts.iter().map(|(folder, name, digest, ..)| format!("{folder} {name} {digest}\n")).collect();
    let id = sha256(all.as_bytes())[..16].to_owned();
    let mut files = Vec::with_capacity(parts.len());
    for (folder, name, sha256, rows, bytes) in parts {
        let path = format!("{folder}/{pipeline}/{id}/{name}");
        store.put(&path, bytes)?;
        files.push(TrainingFile { path, sha256, rows: rows as u64 });
    }
    Ok(files)
}

/// The rows of `files`: those trained and chosen on, then those held back. The second number says where those begin.
///
/// # Errors
/// A file that is not there, or not the one that was written.
pub(crate) fn load(store: &ArtefactStore, files: &[TrainingFile]) -> Result<(Rows, usize), Interrupted> {
    let mut rows: Option<Rows> = None;
    let mut holdout = None;
    for file in files {
        let so_far = rows.as_ref().map_or(0, Rows::len);
        if holdout.is_none() && file.path.starts_with(HOLDOUT) {
            holdout = Some(so_far);
        }
        let bytes = store.get(&file.path, MOST)?;
        if sha256(&bytes) != file.sha256 {
            return Err(Interrupted::Failed(format!("{} is not the file that was trained on: its digest is another", file.path)));
        }
        let part = read(Bytes::from(bytes))?;
        match &mut rows {
            None => rows = Some(part),
            Some(rows) => rows.append(part)?,
        }
    }
    let rows = rows.ok_or_else(|| Interrupted::Failed("the manifest names no training files".into()))?;
    let holdout = holdout.unwrap_or(rows.len());
    Ok((rows, holdout))
}

/// Rows of `range`, row by row.
pub(crate) fn row_major(rows: &Rows, range: Range<usize>) -> Vec<f64> {
    let mut values = Vec::with_capacity(range.len() * rows.features.len());
    for row in range {
        values.extend(rows.features.iter().map(|column| column[row]));
    }
    values
}
