//! How source files look: what each is for, how long it may be.

use std::fs;
use std::path::{Path, PathBuf};
use tidemill_integration_tests::environment::repository;

/// Most lines of a file, tests not counted: beyond it, a file has more than one reason.
const MOST_LINES: usize = 400;
/// Files that may be longer, and why.
const LONGER: [(&str, &str); 0] = [];

/// All Rust files of the workspace, with their paths in the repository.
fn sources() -> Vec<(String, String)> {
    let mut files = Vec::new();
    for folder in ["services", "shared", "integration-tests"] {
        collect(&repository().join(folder), &mut files);
    }
    let name = |path: &Path| path.strip_prefix(repository()).unwrap().to_string_lossy().into_owned();
    files.iter().map(|path| (name(path), fs::read_to_string(path).unwrap())).collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
}

fn is_test(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.contains("/tests/")
}

/// The lines before a file's own test module.
fn production_lines(text: &str) -> usize {
    let lines: Vec<&str> = text.lines().collect();
    let tests = lines.windows(2).position(|w| w[0] == "#[cfg(test)]" && w[1].starts_with("mod tests"));
    tests.unwrap_or(lines.len())
}

#[test]
fn every_file_begins_with_its_reason() {
    let silent: Vec<String> = sources().into_iter().filter(|(_, text)| !text.starts_with("//! ")).map(|(path, _)| path).collect();
    assert!(silent.is_empty(), "the first line must be `//! ` and what the file is for: {silent:#?}");
}

#[test]
fn no_file_is_too_long() {
    let exempt = |path: &str| LONGER.iter().any(|(file, _)| *file == path);
    for (path, text) in sources() {
        let lines = production_lines(&text);
        assert!(is_test(&path) || exempt(&path) || lines <= MOST_LINES, "{path} has {lines} lines; {MOST_LINES} are enough for one reason");
    }
    for (file, reason) in LONGER {
        assert!(repository().join(file).is_file() && !reason.is_empty(), "{file} is not there any more");
    }
}

#[test]
fn modules_are_named_after_what_they_hold() {
    let unnamed: Vec<String> = sources().into_iter().map(|(path, _)| path).filter(|path| path.ends_with("/mod.rs")).collect();
    assert!(unnamed.is_empty(), "write foo.rs beside foo/ instead: {unnamed:#?}");
}

#[test]
fn handlers_say_what_goes_in_and_out() {
    for (path, text) in sources().into_iter().filter(|(path, _)| path.ends_with("/src/handler.rs")) {
        let head: String = text.lines().take_while(|l| l.starts_with("//!")).collect();
        assert!(head.contains("in: ") && head.contains("out: "), "{path} does not say `in:` and `out:` in its first lines:\n{head}");
    }
}
