//! What the endpoints refuse and show, without Kafka: that a command is written is for the integration tests.

use super::*;
use crate::progress::Live;
use crate::schedule::{Plan, Rules, Schedule};
use axum::body::{Body, to_bytes};
use axum::http::{Method, Request};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;
use tidemill_events::control::Cause;
use tidemill_events::records;
use tidemill_events::time::{DAY, SECOND};
use tidemill_kafka::append;
use tidemill_kafka::registry::Registry;
use tidemill_service::Metrics;
use tidemill_service::clock::ManualClock;
use tidemill_service::config::Secret;
use tower::ServiceExt as _;

const FILE: &str = include_str!("../../../../examples/payments/pipeline.yaml");
const SCHEMA: &str = include_str!("../../../../examples/payments/payment.avsc");
const MODEL: &str = "\nmodel: { objective: binary, learner: lightgbm, train: { history: 28d, validation: 7d } }\n";
const NAME: &str = "payments-fraud";
const TOKEN: &str = "0123456789abcdef";

fn record(name: &str, file: String) -> (String, Arc<records::Pipeline>) {
    let record = records::Pipeline {
        pipeline: name.into(),
        pipeline_version: 1,
        digest: "sha256:d".into(),
        file: file.replace(NAME, name),
        event_schema: SCHEMA.into(),
        applied_at: 0,
    };
    (name.to_owned(), Arc::new(record))
}

fn app(caught_up: bool) -> (Router, Arc<Board>) {
    let board = Arc::new(Board::new(&Metrics::new("test", "0")));
    let before_models = FILE.split("\nmodel:").next().unwrap();
    let trained = format!("{before_models}{MODEL}");
    let pipelines = BTreeMap::from([record(NAME, trained), record("untrained", before_models.to_owned())]);
    let (_, applied) = watch::channel(Applied { caught_up, pipelines });
    let settings =
        append::Settings { brokers: "127.0.0.1:1".into(), client_id: "test".into(), delivery_timeout: TIMEOUT, queue_bytes: 1 << 20 };
    let app = App {
        token: Token::new(Secret::new(TOKEN)),
        board: board.clone(),
        applied,
        registry: Registry::new("http://127.0.0.1:1", Duration::from_millis(1)).unwrap().blocking(),
        appender: Arc::new(Appender::new(&settings).unwrap()),
        clock: Arc::new(ManualClock::at(100 * SECOND)),
    };
    (routes(app), board)
}

async fn ask(router: &Router, method: Method, path: &str, token: &str, body: &str) -> (StatusCode, Json) {
    let request = Request::builder().method(method).uri(format!("/v1/pipelines/{path}")).header("authorization", format!("Bearer {token}"));
    let response = router.clone().oneshot(request.body(Body::from(body.to_owned())).unwrap()).await.unwrap();
    let status = response.status();
    let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap())
}

fn schedule() -> Schedule {
    let mut schedule = Schedule::new(Rules {
        pipeline: NAME.into(),
        version: 1,
        horizon: 7 * DAY,
        window: DAY,
        history: 28 * DAY,
        every: None,
        on_drift: false,
        on_spec_change: false,
    });
    schedule.outcome(0);
    schedule
}

#[tokio::test]
async fn commands_need_the_token_and_a_pipeline_that_is_trained() {
    let (router, _) = app(true);
    for path in [format!("{NAME}/train"), format!("{NAME}/train/cancel")] {
        let (status, problem) = ask(&router, Method::POST, &path, "another", "").await;
        assert_eq!((status, &problem["code"]), (StatusCode::UNAUTHORIZED, &Json::from("unauthorized")));
    }
    for (name, status) in [("nobody", StatusCode::NOT_FOUND), ("untrained", StatusCode::CONFLICT)] {
        assert_eq!(ask(&router, Method::POST, &format!("{name}/train"), TOKEN, "").await.0, status);
        assert_eq!(ask(&router, Method::GET, &format!("{name}/training"), "", "").await.0, status);
    }
    // it is fine, but the registry is away
    let (status, problem) = ask(&router, Method::POST, &format!("{NAME}/train"), TOKEN, "").await;
    assert_eq!((status, &problem["code"]), (StatusCode::SERVICE_UNAVAILABLE, &Json::from("not_ready")));
    let (unread, _) = app(false);
    assert_eq!(ask(&unread, Method::POST, &format!("{NAME}/train"), TOKEN, "").await.0, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn how_it_goes_is_shown_by_whoever_leads() {
    let (router, board) = app(true);
    let path = format!("{NAME}/training");
    assert_eq!(ask(&router, Method::GET, &path, "", "").await.1["code"], "not_leading");

    board.show(&schedule(), None, None, true);
    let (status, line) = ask(&router, Method::GET, &path, "", "").await;
    assert_eq!((status, &line["running"], &line["next_due"]), (StatusCode::OK, &Json::Null, &Json::from("1970-02-05T00:00:00Z")));
    let (status, problem) = ask(&router, Method::POST, &format!("{NAME}/train/cancel"), TOKEN, "").await;
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &Json::from("nothing_to_cancel")));

    let live = Arc::new(Live::default());
    live.enter(crate::progress::Phase::Search);
    live.points.store(6, Relaxed);
    live.done.store(2, Relaxed);
    let cause = Cause { reason: "schedule".into(), detail: "the first".into(), record: None };
    let plan = Plan { causes: vec![cause], end: Some(0), version: 4, skipped: 0 };
    board.show(&schedule(), Some(DAY), Some((&plan, &live, 40 * SECOND)), true);
    let running = &ask(&router, Method::GET, &path, "", "").await.1["running"];
    assert_eq!((&running["phase"], &running["version"], &running["elapsed_seconds"]), (&"search".into(), &4.into(), &60.0.into()));
    assert_eq!((&running["done"], &running["points"], &running["best"]), (&2.into(), &6.into(), &Json::Null));
    board.leave(NAME);
    assert_eq!(ask(&router, Method::GET, &path, "", "").await.0, StatusCode::SERVICE_UNAVAILABLE);
}

#[test]
fn a_command_is_read_within_bounds() {
    assert_eq!(read(b"").unwrap().detail, "");
    let command = read(br#"{"detail": "new data", "requested_by": "ann"}"#).unwrap();
    assert_eq!((command.detail.as_str(), command.requested_by.as_deref()), ("new data", Some("ann")));
    assert_eq!(read(b"{").unwrap_err().status(), StatusCode::BAD_REQUEST);
    assert_eq!(read(br#"{"reason": "x"}"#).unwrap_err().status(), StatusCode::BAD_REQUEST);
    let long = format!(r#"{{"detail": "{}"}}"#, "x".repeat(MAX_TEXT + 1));
    assert_eq!(read(long.as_bytes()).unwrap_err().code(), "too_long");
}
