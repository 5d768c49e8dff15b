//! The golden files, and what it means to equal them.

use serde_json::Value;
use std::fs;
use std::path::PathBuf;

fn text(file: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(file);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

pub(crate) fn json(file: &str) -> Value {
    serde_json::from_str(&text(file)).unwrap()
}

/// The one column of a CSV file, its heading left out.
pub(crate) fn lines(file: &str) -> Vec<String> {
    text(file).lines().skip(1).map(str::to_owned).collect()
}

pub(crate) fn column(file: &str) -> Vec<f64> {
    lines(file).iter().map(|line| line.parse().unwrap()).collect()
}

pub(crate) fn floats(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

pub(crate) fn counts(value: &Value) -> Vec<u64> {
    value.as_array().unwrap().iter().map(|v| v.as_u64().unwrap()).collect()
}

/// Both within 1e-9: relative where the golden figure is not 0.
pub(crate) fn same(what: &str, found: f64, golden: &Value) {
    let golden = golden.as_f64().unwrap_or_else(|| panic!("{what} is not in the golden file"));
    assert!((found - golden).abs() <= 1e-9 * golden.abs() || found == golden, "{what}: {found:e}, golden {golden:e}");
}
