//! Files that mean harm, or were damaged: each is refused with line and column, none makes it panic.

use proptest::prelude::*;
use std::fs;
use tidemill_pipeline::{Diagnostic, Severity, compile, load};

const PAYMENT: &str = include_str!("../../../../examples/payments/payment.avsc");
const FILE: &str = include_str!("../../../../examples/payments/pipeline.yaml");

fn refused(text: &str) -> Vec<Diagnostic> {
    compile("p.yaml", text, |_| Ok(PAYMENT.to_owned())).unwrap_err()
}

/// The finding with `code` is at the line and column where `marked` begins.
fn at(text: &str, code: &str, marked: &str) {
    let before = &text[..text.find(marked).unwrap()];
    let line_start = before.rfind('\n').map_or(0, |i| i + 1);
    let wanted = (before.lines().count().max(1) + usize::from(before.ends_with('\n')), before[line_start..].chars().count() + 1);
    let found = refused(text);
    let place = found.iter().find(|d| d.code == code).map(|d| (d.labels[0].line, d.labels[0].column));
    assert_eq!(place, Some(wanted), "{found:?}");
}

#[test]
fn each_hostile_file_is_refused_with_line_and_column() {
    // unknown field
    at(&format!("{FILE}retention: 1d\n"), "TM0103", "retention");
    // cycle
    at("pipeline: p\nentities: &e\n  customer: *e\n", "TM0101", "*e");
    // path traversal, in each spelling
    for path in ["../payment.avsc", "/etc/passwd", "a/../../b", "C:\\\\x", "..\\\\x", "\\u0000", "", "~\\u001b[2J/../x"] {
        let text = format!("pipeline: p\nsource: {{ schema: \"{path}\", id: a, time: b, partitions: 1 }}\n");
        at(&text, "TM0109", &format!("\"{path}\""));
    }
    // alias bomb: stopped in the fifth alias of the fourth level
    let bomb: String = (1..9).map(|i| format!("a{i}: &a{i} [{}]\n", vec![format!("*a{}", i - 1); 9].join(", "))).collect();
    at(&format!("a0: &a0 [x, x, x]\n{bomb}"), "TM0102", "*a3, *a3, *a3, *a3, *a3]");
    // 10^9 trees
    let trees = FILE.replace("num_iterations: { max: 150 }", "num_iterations: { max: 1000000000 }");
    at(&trees, "TM0112", "1000000000");
    // illegal names
    for name in ["Payments", "../x", "a_b", "-a", "9a", "p.raw", &"a".repeat(64), "é"] {
        at(&FILE.replace("payments-fraud\nsource", &format!("\"{name}\"\nsource")), "TM0106", &format!("\"{name}\""));
    }
    at(&FILE.replace("  customer:", "  \"customer/../x\":"), "TM0106", "\"customer/../x\"");
}

#[test]
fn a_link_does_not_lead_out_of_the_folder() {
    let outside = tempfile::tempdir().unwrap();
    let inside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("payment.avsc"), PAYMENT).unwrap();
    fs::write(inside.path().join("pipeline.yaml"), FILE).unwrap();
    let link = inside.path().join("payment.avsc");
    std::os::unix::fs::symlink(outside.path().join("payment.avsc"), &link).unwrap();
    let report = load(&inside.path().join("pipeline.yaml")).unwrap_err();
    let [finding] = &report.diagnostics[..] else { panic!("{}", report.render(false)) };
    assert_eq!((finding.code, &FILE[finding.labels[0].range.clone()]), ("TM0108", "payment.avsc"));
    assert!(finding.message.contains("leads out"), "{}", finding.message);
    fs::remove_file(&link).unwrap();
    fs::copy(outside.path().join("payment.avsc"), &link).unwrap();
    assert!(load(&inside.path().join("pipeline.yaml")).is_ok());
}

#[test]
fn files_that_cannot_be_read_say_why() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        load(&path).unwrap_err().diagnostics.remove(0)
    };
    assert!(load(&folder.path().join("none.yaml")).unwrap_err().diagnostics[0].message.contains("No such file"));
    assert!(write("latin.yaml", b"pipeline: caf\xe9").message.contains("not UTF-8: byte 13"));
    assert!(write("large.yaml", &vec![b' '; (1 << 20) + 1]).message.contains("larger than"));
    let missing = write("noschema.yaml", FILE.as_bytes());
    assert_eq!(missing.code, "TM0108");
    assert!(missing.message.starts_with("payment.avsc: No such file"), "{}", missing.message);
}

fn damaged() -> impl Strategy<Value = String> {
    let position = any::<prop::sample::Index>();
    let insert = prop_oneof![
        "[ -~\\n]{1,3}",
        Just("é".to_owned()),
        Just("&a ".to_owned()),
        Just("*a".to_owned()),
        Just("<<: ".to_owned()),
        Just("!!binary ".to_owned()),
        Just("null".to_owned()),
        Just("1e999".to_owned()),
        Just("? ".to_owned()),
        Just("---\n".to_owned()),
        Just("\t".to_owned()),
        Just("\u{feff}".to_owned()),
    ];
    let edit = (position, 0usize..12, insert);
    prop::collection::vec(edit, 1..4).prop_map(|edits| {
        let mut text = FILE.to_owned();
        for (position, remove, insert) in edits {
            let boundary = |text: &str, i: usize| (i..=text.len()).find(|i| text.is_char_boundary(*i)).unwrap_or(text.len());
            let start = boundary(&text, position.index(text.len() + 1));
            let end = boundary(&text, (start + remove).min(text.len()));
            text.replace_range(start..end, &insert);
        }
        text
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_files_never_panic_and_say_what_is_wrong(text in damaged()) {
        match compile("p.yaml", &text, |_| Ok(PAYMENT.to_owned())) {
            Ok((_, notes)) => prop_assert!(notes.iter().all(|d| d.severity != Severity::Error)),
            Err(found) => {
                prop_assert!(found.iter().any(|d| d.severity == Severity::Error), "refused without a reason");
                for label in found.iter().flat_map(|d| &d.labels) {
                    prop_assert!(text.get(label.range.clone()).is_some(), "{:?}", label);
                }
                prop_assert!(!tidemill_pipeline::render(&found, "p.yaml", &text, false).is_empty());
            }
        }
    }

    #[test]
    fn other_schemas_never_panic(schema in "[ -~]{0,40}|\\{\"type\":\"record\",\"name\":\"P\",\"fields\":\\[[ -~]{0,60}\\]\\}") {
        let found = compile("p.yaml", FILE, |_| Ok(schema)).unwrap_err();
        prop_assert!(!found.is_empty());
    }
}
