//! The same event again: before, while and after it is taken.

use super::*;

#[tokio::test]
async fn the_same_event_again_is_no_second_event() {
    let harness = Harness::new();
    assert_eq!(harness.event(payment("a1", "12.5")).await.body["status"], "accepted");
    // the same fields, written differently
    let again = r#"{"amount":"12.50","event_time":"2018-07-25T12:30:00Z","terminal_id":"t9","customer_id":"c1","transaction_id":"a1"}"#;
    let answer = harness.event(again).await;
    assert_eq!((answer.status, answer.body), (200, json!({"event_id": "a1", "status": "duplicate", "topic": "payments-fraud.raw"})));
    let conflict = harness.event(payment("a1", "13")).await;
    assert!(conflict.is(409, "conflict"));
    assert_eq!(harness.appended().len(), 1);
}

#[tokio::test]
async fn two_at_the_same_time_are_one() {
    let gate = Arc::new(Semaphore::new(0));
    let harness = Harness::with(Table { gate: Some(Arc::clone(&gate)), ..Table::default() }, 1 << 20);
    let mut first = Box::pin(harness.event(payment("a1", "1")));
    assert!(futures_pending(&mut first).await, "the first waits for its acknowledgement");
    let second = harness.event(payment("a1", "1")).await;
    assert!(second.is(429, "in_flight"), "{}", second.body);
    assert_eq!(second.headers["retry-after"], "1");
    gate.add_permits(10);
    assert_eq!(first.await.body["status"], "accepted");
    assert_eq!(harness.event(payment("a1", "1")).await.body["status"], "duplicate");
    assert_eq!(harness.appended().len(), 1);
}

#[tokio::test]
async fn a_caller_that_hangs_up_leaves_nothing_reserved() {
    let gate = Arc::new(Semaphore::new(0));
    let harness = Harness::with(Table { gate: Some(Arc::clone(&gate)), ..Table::default() }, 1 << 20);
    let mut first = Box::pin(harness.event(payment("a1", "1")));
    assert!(futures_pending(&mut first).await);
    drop(first);
    gate.add_permits(10);
    let answer = loop {
        let answer = harness.event(payment("a1", "1")).await;
        if answer.status != 429 {
            break answer;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(answer.body["status"], "duplicate", "it was acknowledged all the same");
}

/// Whether `future` is not done after every task that can run has run.
async fn futures_pending<F: Future + Unpin>(future: &mut F) -> bool {
    for _ in 0..10 {
        tokio::select! {
            biased;
            _ = &mut *future => return false,
            () = tokio::task::yield_now() => {}
        }
    }
    true
}
