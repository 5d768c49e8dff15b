//! The schedule by example; that each cause is covered exactly once is shown on the fold, with crashes.

use super::*;
use tidemill_events::time::DAY;

const RETRAIN: &str = "tidemill.alerts";
const TRIGGERS: &str = "tidemill.triggers";

fn rules() -> Rules {
    Rules {
        pipeline: "p".into(),
        version: 3,
        horizon: 7 * DAY,
        window: DAY,
        history: 28 * DAY,
        every: Some(14 * DAY),
        on_drift: true,
        on_spec_change: true,
    }
}

fn record(topic: &str, offset: i64) -> SourceRecord {
    SourceRecord { topic: topic.into(), partition: 0, offset }
}

fn trigger(action: &str, at: i64) -> Trigger {
    Trigger { pipeline: "p".into(), action: action.into(), detail: "why".into(), requested_by: "ann".into(), requested_at: at }
}

fn alert(retrain: bool, at: i64) -> Alert {
    Alert {
        pipeline: "p".into(),
        kind: "data_drift".into(),
        severity: "critical".into(),
        model: tidemill_events::records::ModelRef::default(),
        window: Span::default(),
        subjects: vec![],
        message: "moved".into(),
        evidence: BTreeMap::new(),
        retrain,
        raised_at: at,
    }
}

fn ended(plan: &Plan, outcome: &str, version: i32) -> Candidate {
    let end = plan.end.unwrap_or(0);
    let model = (outcome == CANDIDATE).then(|| tidemill_events::records::ModelRef {
        name: "p".into(),
        version: plan.version,
        digest: format!("sha256:{}", plan.version),
        stage: CANDIDATE.into(),
    });
    Candidate {
        pipeline: "p".into(),
        outcome: outcome.into(),
        detail: String::new(),
        causes: plan.causes.clone(),
        pipeline_version: version,
        model,
        trained: Span { from: end - 28 * DAY, to: end - DAY },
        holdout: Span { from: end - DAY, to: end },
        rows: 1,
        positives: 1,
        metrics: BTreeMap::new(),
        started_at: 0,
        finished_at: 0,
    }
}

fn reasons(plan: &Plan) -> Vec<&str> {
    plan.causes.iter().map(|c| c.reason.as_str()).collect()
}

#[test]
fn the_first_when_a_history_of_labels_is_in_then_every_so_often() {
    let mut schedule = Schedule::new(rules());
    assert_eq!(schedule.due(None, false), None);
    schedule.outcome(100 * DAY + 5);
    schedule.outcome(100 * DAY + 1);
    // 28 days of history from there, rounded up to a window, and the horizon
    assert_eq!(schedule.next_due(), Some((129 + 7) * DAY));
    assert_eq!(schedule.due(Some(136 * DAY - 1), false), None);
    let plan = schedule.due(Some(136 * DAY + 5), false).unwrap();
    assert_eq!((reasons(&plan), plan.end, plan.version, plan.skipped), (vec!["schedule"], Some(129 * DAY), 1, 0));
    schedule.candidate(&ended(&plan, CANDIDATE, 3));
    assert_eq!(schedule.due(Some(149 * DAY), false), None);
    // two periods late, and some
    let plan = schedule.due(Some((129 + 14 * 3 + 2 + 7) * DAY), false).unwrap();
    assert_eq!((plan.end, plan.version, plan.skipped), (Some((129 + 44) * DAY), 2, 2));
}

#[test]
fn what_came_to_nothing_is_tried_again_a_window_later_and_what_was_called_off_a_period_later() {
    let mut schedule = Schedule::new(rules());
    schedule.outcome(100 * DAY);
    let plan = schedule.due(Some(135 * DAY), false).unwrap();
    schedule.candidate(&ended(&plan, "not_enough", 3));
    assert_eq!(schedule.next_end(), Some(129 * DAY));
    let plan = schedule.due(Some(136 * DAY), false).unwrap();
    schedule.candidate(&ended(&plan, CANCELLED, 3));
    assert_eq!(schedule.next_end(), Some((129 + 14) * DAY));
}

#[test]
fn a_command_that_comes_too_early_does_not_hurry_the_schedule() {
    let mut schedule = Schedule::new(rules());
    schedule.outcome(100 * DAY);
    schedule.trigger(&trigger("train", 1), record(TRIGGERS, 0));
    let plan = schedule.due(Some(110 * DAY), false).unwrap();
    assert_eq!((reasons(&plan), plan.end), (vec!["command"], Some(103 * DAY)));
    schedule.candidate(&ended(&plan, "not_enough", 3));
    assert_eq!((schedule.due(Some(110 * DAY), false), schedule.next_end()), (None, Some(128 * DAY)));
}

#[test]
fn causes_that_wait_share_a_training_the_newest_first() {
    let mut schedule = Schedule::new(rules());
    schedule.outcome(100 * DAY);
    schedule.trigger(&trigger("train", 5), record(TRIGGERS, 0));
    schedule.alert(&alert(true, 9), record(RETRAIN, 4));
    schedule.alert(&alert(false, 10), record(RETRAIN, 5));
    let elsewhere = Trigger { pipeline: "q".into(), ..trigger("train", 7) };
    schedule.trigger(&elsewhere, record(TRIGGERS, 1));
    let plan = schedule.due(Some(135 * DAY), false).unwrap();
    assert_eq!(reasons(&plan), ["drift", "command", "schedule"]);
    schedule.trigger(&trigger("train", 11), record(TRIGGERS, 2));
    assert_eq!(schedule.waiting_beside(Some(&plan)).len(), 1);
    schedule.candidate(&ended(&plan, "failed", 3));
    assert_eq!(reasons(&schedule.due(Some(135 * DAY), false).unwrap()), ["command"]);
    // the record is read again after a restart
    schedule.alert(&alert(true, 9), record(RETRAIN, 4));
    assert_eq!(schedule.waiting_beside(None).len(), 1);
}

#[test]
fn other_features_are_a_cause_once() {
    let mut schedule = Schedule::new(rules());
    schedule.outcome(100 * DAY);
    let first = schedule.due(Some(135 * DAY), false).unwrap();
    assert_eq!(schedule.compare_with(), None, "there is no model yet");
    schedule.candidate(&ended(&first, CANDIDATE, 2));
    assert_eq!(schedule.compare_with(), Some("sha256:1"), "the file is version 3 now");
    assert_eq!(schedule.due(Some(135 * DAY), false), None);
    let plan = schedule.due(Some(135 * DAY), true).unwrap();
    assert_eq!(reasons(&plan), ["spec_change"]);
    schedule.candidate(&ended(&plan, "not_enough", 3));
    assert_eq!(schedule.compare_with(), None);
}

#[test]
fn a_cancellation_ends_what_was_asked_before_it() {
    let mut schedule = Schedule::new(rules());
    schedule.outcome(100 * DAY);
    schedule.trigger(&trigger("train", 1), record(TRIGGERS, 0));
    schedule.trigger(&trigger("cancel", 2), record(TRIGGERS, 1));
    schedule.trigger(&trigger("train", 3), record(TRIGGERS, 2));
    assert!(schedule.cancels());
    let off = schedule.cancelled(Some(110 * DAY), false).unwrap();
    assert_eq!(off.causes.iter().map(|c| c.record.as_ref().unwrap().offset).collect::<Vec<_>>(), [1, 0]);
    schedule.candidate(&Candidate { holdout: Span::default(), ..ended(&off, CANCELLED, 3) });
    assert!(!schedule.cancels());
    let plan = schedule.due(Some(110 * DAY), false).unwrap();
    assert_eq!(plan.causes[0].record.as_ref().unwrap().offset, 2);
    assert_eq!(schedule.next_end(), Some(128 * DAY), "the schedule is as it was");
}
