//! Each file in `tests/refused` gives exactly the diagnostics beside it, as drawn for the terminal.
//!
//! After a wanted change: `TIDEMILL_BLESS=1 cargo test -p tidemill-pipeline golden`, and read the diff.

use std::path::{Path, PathBuf};
use tidemill_pipeline::{Severity, compile, explain, render};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/refused")
}

fn drawn(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    let name = path.file_name().unwrap().to_str().unwrap();
    let found = compile(name, &text, |schema| std::fs::read_to_string(folder().join(schema)).map_err(|e| e.to_string())).unwrap_err();
    assert!(found.iter().any(|d| d.severity == Severity::Error), "{name}");
    for diagnostic in &found {
        assert!(explain(diagnostic.code).is_some(), "{} has no page", diagnostic.code);
        for label in &diagnostic.labels {
            assert!(text.get(label.range.clone()).is_some(), "{diagnostic:?}");
            let line = text.lines().nth(label.line - 1).unwrap_or_default();
            assert!(label.column <= line.chars().count() + 1, "{diagnostic:?}");
        }
    }
    let drawn = render(&found, name, &text, false);
    drawn.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

#[test]
fn refused_files_are_told_everything_that_is_wrong() {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder()).unwrap().map(|f| f.unwrap().path()).collect();
    files.sort();
    let mut different = Vec::new();
    for path in files.iter().filter(|p| p.extension().is_some_and(|e| e == "yaml")) {
        let (drawn, golden) = (drawn(path), path.with_extension("txt"));
        if std::env::var_os("TIDEMILL_BLESS").is_some() {
            std::fs::write(&golden, &drawn).unwrap();
        }
        if std::fs::read_to_string(&golden).unwrap_or_default() != drawn {
            different.push(format!("{}:\n{drawn}", golden.display()));
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}

#[test]
fn diagnostics_are_json_too() {
    let found = compile("p.yaml", "pipeline: X\n", |_| Err("none".to_owned())).unwrap_err();
    let json = serde_json::to_value(&found).unwrap();
    let named = json.as_array().unwrap().iter().find(|d| d["code"] == "TM0106").unwrap();
    assert_eq!(named["severity"], "error");
    assert_eq!(named["labels"][0]["line"], 1);
    assert_eq!(named["labels"][0]["column"], 11);
    assert_eq!(named["labels"][0]["range"], serde_json::json!({"start": 10, "end": 11}));
}

#[test]
fn color_is_the_callers_choice() {
    let found = compile("p.yaml", "pipeline: X\n", |_| Err("none".to_owned())).unwrap_err();
    assert!(!render(&found, "p.yaml", "pipeline: X\n", false).contains('\u{1b}'));
    assert!(render(&found, "p.yaml", "pipeline: X\n", true).contains('\u{1b}'));
}
