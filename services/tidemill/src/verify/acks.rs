//! The acknowledged events of `publish --acks FILE`, which must all be in raw.

use super::ledger::id_hash;
use super::report::{Section, Violation};
use anyhow::Context;
use serde::Deserialize;
use serde_json::Value as Json;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

#[derive(Deserialize)]
struct Ack {
    event_id: Json,
}

/// Checks that every event id in the file at `path` is among `raw_ids` (sorted, hashed).
///
/// # Errors
/// When the file cannot be read or a line of it is no acknowledgement. A last line that ends without a
/// line feed was being written when the publisher died, and says nothing.
pub(super) fn check(path: &Path, raw_ids: &[u64], section: &mut Section) -> anyhow::Result<()> {
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let mut lines = BufReader::new(file);
    let mut line = String::new();
    for number in 1.. {
        line.clear();
        lines.read_line(&mut line).with_context(|| format!("cannot read {}", path.display()))?;
        if !line.ends_with('\n') {
            break;
        }
        let id = event_id(&line).with_context(|| format!("{}:{number} is not {{\"event_id\": …}}", path.display()))?;
        section.check(raw_ids.binary_search(&id_hash(&id)).is_ok(), || Violation {
            at: None,
            event_id: Some(id.clone()),
            expected: "in raw, as it was acknowledged".into(),
            found: "not there: the event is lost".into(),
        });
    }
    Ok(())
}

fn event_id(line: &str) -> Option<String> {
    match serde_json::from_str::<Ack>(line).ok()?.event_id {
        Json::String(text) => Some(text),
        Json::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::report::Invariant;

    #[test]
    fn every_acknowledged_event_must_be_in_raw() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("acks");
        std::fs::write(&path, "{\"event_id\":\"a\"}\n{\"event_id\":7}\n{\"event_id\":\"lost\"}\n{\"event_id\":\"to").unwrap();
        let mut ids = vec![id_hash("a"), id_hash("7"), id_hash("more")];
        ids.sort_unstable();
        let mut section = Section::new(Invariant::Ledger);
        check(&path, &ids, &mut section).unwrap();
        assert_eq!((section.checked, section.violations), (3, 1));
        assert_eq!(section.first[0].event_id.as_deref(), Some("lost"));

        std::fs::write(&path, "{\"event_id\":\"a\"}\nhello\n").unwrap();
        let error = check(&path, &ids, &mut section).unwrap_err().to_string();
        assert!(error.contains("acks:2"), "{error}");
    }
}
