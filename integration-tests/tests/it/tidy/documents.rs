//! Documents point at what is there, and know every topic.

use std::fs;
use std::path::{Path, PathBuf};
use tidemill_events::topics::{Control, PerPipeline};
use tidemill_integration_tests::environment::repository;

/// Documents for people, with their text.
fn documents() -> Vec<(PathBuf, String)> {
    let mut files = vec![repository().join("README.md")];
    collect(&repository().join("docs"), &mut files);
    for folder in ["infra", "schemas"] {
        collect(&repository().join(folder), &mut files);
    }
    let read = |file: PathBuf| {
        let text = fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        (file, text)
    };
    files.into_iter().map(read).collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|e| e == "md") {
            files.push(path);
        }
    }
}

/// Targets of the links in `text`, code blocks left out.
fn links(text: &str) -> Vec<&str> {
    let prose = text.split("\n```").step_by(2);
    prose.flat_map(|p| p.split("](").skip(1)).filter_map(|rest| rest.split(')').next()).collect()
}

/// The anchor that a heading gets.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    text.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_')).map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn links_lead_somewhere() {
    for (file, text) in documents() {
        for link in links(&text).into_iter().filter(|l| !l.contains("://") && !l.starts_with("mailto:")) {
            let (path, fragment) = link.split_once('#').unwrap_or((link, ""));
            let target = if path.is_empty() { file.clone() } else { file.parent().unwrap().join(path) };
            assert!(target.exists(), "{} links to {link}, which is not there", file.display());
            if !fragment.is_empty() {
                let headings = fs::read_to_string(&target).unwrap();
                let found = headings.lines().filter(|l| l.starts_with('#')).any(|l| anchor(l) == fragment);
                assert!(found, "{} links to {link}, which has no such heading", file.display());
            }
        }
    }
}

#[test]
fn the_architecture_knows_every_topic() {
    let text = fs::read_to_string(repository().join("docs/ARCHITECTURE.md")).unwrap();
    let topics = PerPipeline::all(2).map(|t| t.name("<p>", &["<entity>", "<entity>"]));
    for topic in topics.chain(Control::ALL.map(|c| c.name().to_owned())) {
        assert!(text.contains(&topic), "docs/ARCHITECTURE.md does not mention {topic}");
    }
}

#[test]
fn the_first_thing_said_is_how_to_run_it() {
    let (_, readme) = documents().swap_remove(0);
    for command in ["make demo", "make test"] {
        assert!(readme.contains(command), "README.md does not mention `{command}`");
    }
}

#[test]
fn links_and_anchors_are_read_as_they_are_written() {
    let text = "a [b](c.md#d) [e](https://f)\n```\n[not](this)\n```\n[g](../h)";
    assert_eq!(links(text), ["c.md#d", "https://f", "../h"]);
    assert_eq!(anchor("## 3. The `transactional` task"), "3-the-transactional-task");
}
