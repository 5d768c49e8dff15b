//! The registry client against a registry that misbehaves.

use super::mock::Mock;
use super::*;
use std::sync::atomic::Ordering;

const SCHEMA: &str = r#"{"type":"record","name":"E","fields":[]}"#;
const INCOMPATIBLE: &str = r#"{"type":"record","name":"incompatible","fields":[]}"#;
const SUBJECT: &str = "p.raw-value";

async fn start() -> (Arc<Mock>, Registry) {
    start_with(Duration::from_millis(500)).await
}

async fn start_with(patience: Duration) -> (Arc<Mock>, Registry) {
    let (mock, url) = Mock::start().await;
    (mock, Registry::new(&url, patience).unwrap())
}

#[tokio::test]
async fn remembers_answers() {
    let (mock, registry) = start().await;
    let id = registry.register(SUBJECT, SCHEMA).await.unwrap();
    assert_eq!(&*registry.schema(id).await.unwrap(), SCHEMA);
    assert_eq!(registry.ids_of(SUBJECT).await.unwrap(), [id].into());
    let asked = mock.requests();

    assert_eq!(registry.register(SUBJECT, SCHEMA).await.unwrap(), id);
    assert_eq!(registry.lookup(SUBJECT, SCHEMA).await.unwrap(), id);
    assert_eq!(&*registry.schema(id).await.unwrap(), SCHEMA);
    assert_eq!(registry.ids_of(SUBJECT).await.unwrap(), [id].into());
    assert_eq!(mock.requests(), asked);
}

#[tokio::test]
async fn what_was_not_found_may_be_there_a_moment_later() {
    let (mock, registry) = start().await;
    assert!(matches!(registry.schema(1).await, Err(Error::NotFound { .. })));
    assert!(matches!(registry.lookup(SUBJECT, SCHEMA).await, Err(Error::NotFound { .. })));
    assert!(matches!(registry.ids_of(SUBJECT).await, Err(Error::NotFound { .. })));

    let id = mock.add(SUBJECT, SCHEMA);

    assert_eq!(&*registry.schema(1).await.unwrap(), SCHEMA);
    assert_eq!(registry.lookup(SUBJECT, SCHEMA).await.unwrap(), id);
    assert_eq!(registry.ids_of(SUBJECT).await.unwrap(), [id].into());
}

#[tokio::test]
async fn a_registry_that_comes_back_is_noticed_within_patience() {
    // three pauses, 0.35 s together, and whatever a busy machine adds
    let (mock, registry) = start_with(Duration::from_secs(20)).await;
    mock.add(SUBJECT, SCHEMA);
    mock.failures.store(3, Ordering::SeqCst);
    assert_eq!(&*registry.schema(1).await.unwrap(), SCHEMA);
    assert_eq!(mock.requests(), 4);
}

#[tokio::test]
async fn a_registry_that_stays_down_is_unavailable_and_its_failure_forgotten() {
    let (mock, registry) = start().await;
    mock.add(SUBJECT, SCHEMA);
    mock.failures.store(usize::MAX, Ordering::SeqCst);
    let error = registry.schema(1).await.unwrap_err();
    assert!(error.is_retriable(), "{error}");
    assert!(error.to_string().contains("the database is gone"), "{error}");
    assert!(registry.ids_of(SUBJECT).await.unwrap_err().is_retriable());
    assert!(registry.require_backward_transitive(SUBJECT).await.unwrap_err().is_retriable());

    mock.failures.store(0, Ordering::SeqCst);
    assert_eq!(&*registry.schema(1).await.unwrap(), SCHEMA);
    assert_eq!(registry.ids_of(SUBJECT).await.unwrap(), [1].into());
}

#[tokio::test]
async fn not_being_let_in_says_nothing_of_a_schema() {
    let (mock, registry) = start().await;
    mock.add(SUBJECT, SCHEMA);
    mock.closed.store(true, Ordering::SeqCst);
    let error = registry.schema(1).await.unwrap_err();
    assert!(error.is_retriable() && error.to_string().contains("who are you?"), "{error}");
    assert!(registry.ids_of(SUBJECT).await.unwrap_err().is_retriable());
    mock.closed.store(false, Ordering::SeqCst);
    assert_eq!(&*registry.schema(1).await.unwrap(), SCHEMA);
}

#[tokio::test]
async fn nobody_listening_is_unavailable() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let registry = Registry::new(&url, Duration::ZERO).unwrap();
    assert!(registry.schema(1).await.unwrap_err().is_retriable());
    assert!(registry.check_compatible(SUBJECT, SCHEMA).await.unwrap_err().is_retriable());
}

#[tokio::test]
async fn not_found_is_answered_at_once() {
    let (mock, registry) = start().await;
    assert!(!registry.schema(9).await.unwrap_err().is_retriable());
    assert_eq!(mock.requests(), 1);
}

#[tokio::test]
async fn a_new_version_is_seen_when_asked_again() {
    let (mock, registry) = start().await;
    let first = mock.add(SUBJECT, SCHEMA);
    assert_eq!(registry.ids_of(SUBJECT).await.unwrap(), [first].into());
    mock.add("p.labels-value", SCHEMA);
    let second = mock.add(SUBJECT, r#""string""#);
    assert_eq!(registry.ids_of(SUBJECT).await.unwrap(), [first].into());
    assert_eq!(registry.fetch_ids_of(SUBJECT).await.unwrap(), [first, second].into());
    assert_eq!(registry.ids_of(SUBJECT).await.unwrap(), [first, second].into());
}

#[tokio::test]
async fn an_incompatible_schema_carries_the_registrys_reason() {
    let (mock, registry) = start().await;
    registry.check_compatible(SUBJECT, INCOMPATIBLE).await.unwrap();
    mock.add(SUBJECT, SCHEMA);
    registry.check_compatible(SUBJECT, SCHEMA).await.unwrap();
    for error in
        [registry.check_compatible(SUBJECT, INCOMPATIBLE).await.unwrap_err(), registry.register(SUBJECT, INCOMPATIBLE).await.unwrap_err()]
    {
        assert!(matches!(&error, Error::Incompatible { why, .. } if why.contains("READER_FIELD_MISSING_DEFAULT_VALUE")), "{error}");
    }
    registry.require_backward_transitive(SUBJECT).await.unwrap();
    assert_eq!(mock.level(SUBJECT).as_deref(), Some("BACKWARD_TRANSITIVE"));
}

#[tokio::test]
async fn plain_threads_may_ask_too() {
    let (mock, registry) = start().await;
    let id = mock.add(SUBJECT, SCHEMA);
    let blocking = registry.blocking();
    let seen =
        tokio::task::spawn_blocking(move || std::thread::spawn(move || (blocking.schema(id), blocking.ids_of(SUBJECT))).join().unwrap());
    let (schema, ids) = seen.await.unwrap();
    assert_eq!(&*schema.unwrap(), SCHEMA);
    assert_eq!(ids.unwrap(), [id].into());
}
