//! When a window closes, what is late, and who waits for whom.

use super::*;
use tidemill_events::views::ModelView;

const HOUR: i64 = 3_600_000_000;
const MODEL: ModelView<'static> = ModelView { name: "p", version: 1, digest: "d", stage: "champion" };

/// Windows of ten hours, a lateness of one, two partitions.
fn data() -> Data {
    Data::new(10 * HOUR, HOUR, 2, 1)
}

/// A vector at `hour`, from features partition `partition` and raw partition `raw`, where time has come to `merge`.
fn vector(data: &mut Data, (partition, raw): (i32, i32), id: &str, hour: i64, merge: i64) {
    let head = VectorHead { event_id: id, event_time: hour * HOUR, merge_time: merge * HOUR, raw_partition: raw, hop_partition: 0 };
    data.vector(partition, &head, &[1.0]);
}

fn prediction(data: &mut Data, partition: i32, id: &str, hour: i64) {
    let view = PredictionView { event_id: id, event_time: hour * HOUR, score: 0.5, model: MODEL };
    data.prediction(partition, &view);
}

/// (start in hours, vectors, predictions) of what closes now.
fn closing(data: &mut Data, caught_up: bool) -> Vec<(i64, u64, u64)> {
    let mut closed = Vec::new();
    while let Some(window) = data.closed(caught_up) {
        closed.push((window.span.from / HOUR, window.vectors, window.predictions));
        data.close();
    }
    closed
}

#[test]
fn a_window_waits_for_each_channel_and_for_its_predictions() {
    let mut data = data();
    vector(&mut data, (0, 0), "a", 1, 1);
    prediction(&mut data, 0, "a", 1);
    vector(&mut data, (0, 0), "b", 11, 11);
    assert_eq!(closing(&mut data, false), [], "partition 1 has not been heard");
    vector(&mut data, (1, 1), "c", 9, 9);
    assert_eq!(closing(&mut data, true), [], "raw partition 1 is at 9");
    vector(&mut data, (1, 0), "d", 12, 12);
    vector(&mut data, (1, 1), "e", 10, 11);
    assert_eq!(closing(&mut data, false), [], "c has no prediction yet");
    prediction(&mut data, 1, "c", 9);
    assert_eq!(closing(&mut data, false), [(0, 2, 2)]);
    assert_eq!((data.open(), data.late()), (1, 0));
    vector(&mut data, (1, 1), "f", 9, 11);
    assert_eq!((data.open(), data.late()), (1, 1), "too late");
}

#[test]
fn late_is_by_its_own_channel() {
    let mut data = data();
    vector(&mut data, (0, 0), "a", 12, 12);
    vector(&mut data, (0, 0), "b", 9, 12);
    assert_eq!(data.late(), 1, "its channel has passed 11, though nothing has closed");
    vector(&mut data, (0, 1), "c", 9, 9);
    assert_eq!((data.late(), data.open()), (1, 2));
}

#[test]
fn a_silent_channel_is_left_behind_after_a_minute_once_caught_up() {
    let mut data = data();
    for (channel, hour) in [((0, 0), 30), ((1, 1), 2)] {
        vector(&mut data, channel, "x", hour, hour);
        prediction(&mut data, channel.0, "x", hour);
    }
    data.look(0);
    assert_eq!(closing(&mut data, true), []);
    data.look(61_000_000);
    assert_eq!(closing(&mut data, false), [], "still reading what was");
    assert_eq!(closing(&mut data, true), [(0, 1, 1)]);
}

#[test]
fn predictions_that_never_came_are_given_up_a_window_later() {
    let mut data = data();
    for hour in [1, 15, 30] {
        vector(&mut data, (0, 0), &hour.to_string(), hour, hour);
    }
    prediction(&mut data, 0, "15", 15);
    assert_eq!(closing(&mut data, true), []);
    prediction(&mut data, 0, "30", 21);
    assert_eq!(closing(&mut data, true), [(0, 1, 0), (10, 1, 1)]);
}

#[test]
fn what_is_written_is_neither_collected_nor_late() {
    let mut data = data();
    data.written(Span { from: 0, to: 10 * HOUR });
    vector(&mut data, (0, 0), "a", 1, 1);
    vector(&mut data, (0, 0), "b", 11, 11);
    assert_eq!((data.open(), data.late()), (1, 0));
}

#[test]
fn neither_input_runs_far_ahead_and_they_never_wait_for_each_other() {
    let mut data = data();
    let windows = |n: i64| n * 10 * HOUR;
    data.look(0);
    assert!(!data.must_wait(Side::Vectors, 0) && !data.must_wait(Side::Vectors, windows(16)));
    assert!(data.must_wait(Side::Vectors, windows(17)));
    assert!(!data.must_wait(Side::Predictions, windows(17)), "it is not ahead of what waits");
    assert!(!data.must_wait(Side::Vectors, windows(17)));
    // a gap in the events
    assert!(data.must_wait(Side::Vectors, windows(100)) && !data.must_wait(Side::Predictions, windows(100)));
    assert!(!data.must_wait(Side::Vectors, windows(100)));
    // the predictor is down
    assert!(data.must_wait(Side::Vectors, windows(150)));
    data.look(2_000_000);
    assert!(!data.must_wait(Side::Vectors, windows(150)));
}

#[test]
fn while_a_window_is_held_memory_is_bounded() {
    let mut data = data();
    vector(&mut data, (0, 0), "a", 1, 1);
    data.hold(true);
    data.look(9_000_000);
    assert!(!data.must_wait(Side::Vectors, 160 * HOUR) && !data.must_wait(Side::Predictions, 160 * HOUR));
    assert!(data.must_wait(Side::Vectors, 161 * HOUR) && data.must_wait(Side::Predictions, 161 * HOUR));
    data.hold(false);
    assert!(!data.must_wait(Side::Vectors, 161 * HOUR));
}
