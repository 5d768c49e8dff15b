//! What changes and what does not, in files of every format and in generated payments.

use super::*;
use crate::generate::{Format as Generated, Payment, Process};
use crate::output::Exit;
use std::path::Path;
use tidemill_events::time::DAY;

fn small() -> Process {
    Process { customers: 60, terminals: 200, seed: 5, ..Process::handbook(10) }
}

/// The sixth day of [`small`].
fn from() -> i64 {
    small().start + 5 * DAY
}

fn command(kind: &str, events: &Path, out: &Path, more: &[&str]) -> Command {
    #[derive(clap::Parser)]
    struct Cli {
        #[command(subcommand)]
        command: Command,
    }
    let mut args = vec!["inject", kind, "--from", "2018-04-06", "--events", events.to_str().unwrap(), "--out", out.to_str().unwrap()];
    args.extend(more);
    <Cli as clap::Parser>::try_parse_from(args).unwrap().command
}

/// Writes `payments`, injects, and gives the lines before and after.
fn lines(kind: &str, ending: &str, more: &[&str]) -> (Vec<String>, Vec<String>) {
    let dir = tempfile::tempdir().unwrap();
    let (events, out) = (dir.path().join(format!("in.{ending}")), dir.path().join(format!("out.{ending}")));
    let mut bytes = Vec::new();
    Generated::of(&events).unwrap().write(&small().payments(), &mut bytes).unwrap();
    std::fs::write(&events, &bytes).unwrap();
    assert!(matches!(run(&command(kind, &events, &out, more)).unwrap(), Exit::Ok));
    let split = |text: String| text.lines().map(str::to_owned).collect::<Vec<_>>();
    (split(String::from_utf8(bytes).unwrap()), split(std::fs::read_to_string(&out).unwrap()))
}

fn is_after(line: &str) -> bool {
    line.split(['"', ',']).any(|word| word.starts_with("2018-04-") && word >= "2018-04-06")
}

#[test]
fn amounts_are_dearer_from_the_day_on_to_the_cent() {
    let (before, after) = lines("drift", "csv", &[]);
    assert_eq!(before.len(), after.len());
    let mut changed = 0;
    for (old, new) in before.iter().zip(&after) {
        if !is_after(old) {
            assert_eq!(old, new);
            continue;
        }
        let (old, new): (Vec<&str>, Vec<&str>) = (old.split(',').collect(), new.split(',').collect());
        let cents = |text: &str| text.replace('.', "").parse::<i64>().unwrap();
        let (twice, remainder) = (cents(old[4]) * 3 / 2, cents(old[4]) * 3 % 2);
        assert_eq!(cents(new[4]), if remainder == 1 && twice % 2 == 1 { twice + 1 } else { twice });
        assert_eq!(([&old[..4], &old[5..]].concat()), ([&new[..4], &new[5..]].concat()));
        changed += 1;
    }
    assert!(changed > 300, "{changed}");
}

#[test]
fn payments_in_memory_change_as_their_file_does() {
    for (kind, more) in [("drift", &["--factor", "1.37"][..]), ("fraud-wave", &["--share", "0.2", "--seed", "7"])] {
        let (_, after) = lines(kind, "csv", more);
        let kind = match kind {
            "drift" => Kind::Drift { column: "amount".into(), factor: Decimal::new(137, 2) },
            _ => Kind::FraudWave { key: "terminal_id".into(), label: "fraud".into(), share: 0.2 },
        };
        let mut payments = small().payments();
        assert!(Injection { kind, from: from(), seed: 7 }.payments(&mut payments) > 50);
        let mut bytes = Vec::new();
        Generated::Csv.write(&payments, &mut bytes).unwrap();
        // the file's scenario is not the label: it stays as it was
        let labels = |line: &str| line.rsplit_once(',').unwrap().0.to_owned();
        let expected: Vec<String> = String::from_utf8(bytes).unwrap().lines().map(labels).collect();
        assert_eq!(after.iter().map(|line| labels(line)).collect::<Vec<_>>(), expected);
    }
}

#[test]
fn a_wave_takes_whole_terminals() {
    let mut payments = small().payments();
    let quiet = payments.clone();
    let injection =
        Injection { kind: Kind::FraudWave { key: "terminal_id".into(), label: "fraud".into(), share: 0.2 }, from: from(), seed: 1 };
    injection.payments(&mut payments);
    let frauds = |payments: &[Payment]| payments.iter().filter(|p| p.event_time >= from() && p.is_fraud()).count();
    let all = payments.iter().filter(|p| p.event_time >= from()).count();
    let share = (frauds(&payments) - frauds(&quiet)) as f64 / all as f64;
    assert!((0.12..0.28).contains(&share), "{share}");
    for payment in &payments {
        if payment.event_time >= from() && injection.hits(payment.terminal_id.to_string().as_bytes(), 0.2) {
            assert!(payment.is_fraud());
        } else {
            assert_eq!(payment.is_fraud(), quiet[payment.transaction_id as usize].is_fraud());
        }
    }
}

/// Whether two lines say the same; the members of a JSON object have no order.
fn same(ending: &str, one: &str, other: &str) -> bool {
    let json = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap();
    if ending == "csv" { one == other } else { json(one) == json(other) }
}

#[test]
fn a_field_goes_missing_in_its_share_of_events() {
    for ending in ["csv", "ndjson"] {
        let (before, after) = lines("missing-field", ending, &["--column", "amount", "--share", "0.4"]);
        let mut missing = 0;
        let mut all = 0;
        for (old, new) in before.iter().zip(&after).filter(|(old, _)| is_after(old)) {
            all += 1;
            missing += usize::from(if ending == "csv" { new.contains(",,") } else { new.contains(r#""amount":null"#) });
            assert!(same(ending, old, new) || new.len() < old.len() + 1);
        }
        assert!((0.3..0.5).contains(&(missing as f64 / all as f64)), "{missing} of {all}");
        assert!(before.iter().zip(&after).filter(|(old, _)| !is_after(old)).all(|(old, new)| same(ending, old, new)));
    }
}

#[test]
fn what_is_not_there_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let (events, out) = (dir.path().join("in.csv"), dir.path().join("out.csv"));
    std::fs::write(&events, "id,event_time\n1,2018-04-07T00:00:00Z\n").unwrap();
    let error = format!("{:#}", run(&command("drift", &events, &out, &[])).unwrap_err());
    assert!(error.contains("there is no column `amount`") && error.contains("id, event_time"), "{error}");
    assert!(run(&command("drift", &events, &dir.path().join("out.parquet"), &[])).unwrap_err().to_string().contains("names no format"));
    assert!(!out.exists());
}
