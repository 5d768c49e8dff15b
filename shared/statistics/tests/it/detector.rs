//! Alarms at exactly the positions where river 0.26.1 gives them.

use crate::golden::{column, json};
use serde_json::Value;
use tidemill_statistics::detector::{Adwin, AdwinSettings, Direction, PageHinkley, PageHinkleySettings};

fn alarms(stream: &[f64], mut update: impl FnMut(f64) -> bool) -> Vec<usize> {
    stream.iter().enumerate().filter_map(|(i, x)| update(*x).then_some(i)).collect()
}

#[test]
fn alarms_on_errors_are_rivers() {
    let upwards = |threshold, delta| PageHinkleySettings { threshold, delta, direction: Direction::Up, ..PageHinkleySettings::default() };
    let golden = json("drift_alarms.json");
    let mut checked = 0;
    for (file, rows) in golden["alarms"].as_object().unwrap() {
        let errors = column(file);
        for (name, positions) in rows.as_object().unwrap() {
            let adwin = |delta| {
                let mut detector = Adwin::new(AdwinSettings { delta, ..AdwinSettings::default() });
                alarms(&errors, |x| detector.update(x))
            };
            let hinkley = |settings| {
                let mut detector = PageHinkley::new(settings);
                alarms(&errors, |x| detector.update(x))
            };
            let found = match name.as_str() {
                "ADWIN d=.002 (default)" => adwin(0.002),
                "ADWIN d=1e-4" => adwin(1e-4),
                "PageHinkley (default, thr=50)" => hinkley(PageHinkleySettings::default()),
                "PageHinkley thr=20 mode=up" => hinkley(upwards(20.0, 0.005)),
                "PageHinkley delta=.05 thr=10 up" => hinkley(upwards(10.0, 0.05)),
                other => {
                    assert!(!other.starts_with("ADWIN") && !other.starts_with("PageHinkley"), "{other} is not checked");
                    continue;
                }
            };
            assert_eq!(serde_json::to_value(found).unwrap(), *positions, "{name} on {file}");
            checked += 1;
        }
    }
    assert_eq!(checked, 9 * 5);
}

fn stream(name: &str) -> Vec<f64> {
    let (reference, current) = (column("ref.csv"), column("cur.csv"));
    match name {
        "ref+cur" => [reference, current].concat(),
        "ref+3cur+ref" => {
            let tripled: Vec<f64> = current[..3000].iter().map(|x| 3.0 * x).collect();
            [&reference[..3000], &tripled, &reference[3000..6000]].concat()
        }
        "cur-falling" => current.iter().enumerate().map(|(i, x)| if i < 4000 { *x } else { x - 1.0 }).collect(),
        other => panic!("there is no stream {other}"),
    }
}

fn adwin(settings: &Value) -> AdwinSettings {
    let default = AdwinSettings::default();
    let whole = |key: &str, default: u64| settings.get(key).map_or(default, |v| v.as_u64().unwrap());
    AdwinSettings {
        delta: settings.get("delta").map_or(default.delta, |v| v.as_f64().unwrap()),
        clock: whole("clock", default.clock),
        max_buckets: whole("max_buckets", default.max_buckets as u64) as usize,
        min_window_length: whole("min_window_length", default.min_window_length),
        grace_period: whole("grace_period", default.grace_period),
    }
}

fn page_hinkley(settings: &Value) -> PageHinkleySettings {
    let default = PageHinkleySettings::default();
    let number = |key: &str, default: f64| settings.get(key).map_or(default, |v| v.as_f64().unwrap());
    PageHinkleySettings {
        min_instances: number("min_instances", 30.0) as u64,
        delta: number("delta", default.delta),
        threshold: number("threshold", default.threshold),
        alpha: number("alpha", default.alpha),
        direction: match settings.get("mode").and_then(Value::as_str) {
            Some("up") => Direction::Up,
            Some("down") => Direction::Down,
            _ => Direction::Both,
        },
    }
}

#[test]
fn alarms_on_doubles_are_rivers_under_other_settings() {
    let golden = json("detectors.json");
    for run in golden["runs"].as_array().unwrap() {
        let values = stream(run["stream"].as_str().unwrap());
        let found = if let Some(settings) = run.get("adwin") {
            let mut detector = Adwin::new(adwin(settings));
            let found = alarms(&values, |x| detector.update(x));
            assert_eq!(detector.width(), run["width"].as_u64().unwrap(), "{run}");
            assert!((detector.mean().unwrap() - run["mean"].as_f64().unwrap()).abs() < 1e-12, "{run}");
            found
        } else {
            let mut detector = PageHinkley::new(page_hinkley(&run["page_hinkley"]));
            alarms(&values, |x| detector.update(x))
        };
        assert_eq!(serde_json::to_value(found).unwrap(), run["alarms"], "{} {}", run["stream"], run.get("adwin").unwrap_or(&Value::Null));
    }
}

#[test]
fn what_is_no_number_changes_nothing() {
    let (mut adwin, mut hinkley) = (Adwin::default(), PageHinkley::default());
    for i in 0..100 {
        adwin.update(f64::from(i % 3));
        hinkley.update(f64::from(i % 3));
    }
    let before = (adwin.clone(), hinkley.clone());
    for x in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert!(!adwin.update(x) && !hinkley.update(x));
    }
    assert_eq!((adwin, hinkley), before);
}

#[test]
fn the_window_starts_anew_after_an_alarm() {
    let mut adwin = Adwin::default();
    assert_eq!((adwin.width(), adwin.mean()), (0, None));
    let alarm = (0..2000).find(|i| adwin.update(if *i < 1000 { 0.0 } else { 1.0 }));
    assert!(alarm.is_some_and(|i| (1000..1100).contains(&i)), "{alarm:?}");
    adwin.update(1.0);
    assert_eq!((adwin.width(), adwin.mean()), (1, Some(1.0)));
}

#[test]
fn settings_at_their_limits_neither_hang_nor_panic() {
    for (max_buckets, clock, min_window_length, delta) in [(0, 0, 0, 0.5), (1, 1, 0, 0.9), (1, 3, 1, 0.0), (2, 1, 1_000_000, 1e-300)] {
        let mut adwin = Adwin::new(AdwinSettings { delta, clock, max_buckets, min_window_length, grace_period: 0 });
        let alarms = (0..20_000).filter(|i| adwin.update(f64::from(i / 500 % 2 * 5 + i % 7))).count();
        assert!(adwin.width() > 0 && alarms < 20_000);
    }
}
