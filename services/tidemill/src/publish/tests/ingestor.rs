//! An ingestor that keeps what it takes in memory and fails as it is told.

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;

pub(super) const TOKEN: &str = "secret";

/// How a request fails.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Fault {
    None,
    /// 503, nothing taken.
    Unavailable,
    /// 429 with Retry-After: 0.
    TooMany,
    /// 413, whatever the size, unless it is one record.
    TooLarge,
    /// The connection breaks before anything is taken.
    Drop,
    /// The second half of the records is not taken for now.
    SomeUnavailable,
    /// Every id that divides by seven is refused for good.
    RefuseSevens,
}

#[derive(Debug, Clone)]
enum Taken {
    Event(String),
    Label(Value),
}

struct Inner {
    fault: Box<dyn Fn(usize) -> Fault + Send + Sync>,
    requests: AtomicUsize,
    taken: Mutex<Vec<Taken>>,
}

pub(super) struct Ingestor {
    pub(super) url: String,
    inner: Arc<Inner>,
}

impl Ingestor {
    pub(super) async fn start(fault: impl Fn(usize) -> Fault + Send + Sync + 'static) -> Self {
        Self::start_on(0, fault).await
    }

    pub(super) async fn start_on(port: u16, fault: impl Fn(usize) -> Fault + Send + Sync + 'static) -> Self {
        let inner = Arc::new(Inner { fault: Box::new(fault), requests: AtomicUsize::new(0), taken: Mutex::default() });
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let app = Router::new()
            .route("/v1/pipelines/payments/events", post(events))
            .route("/v1/pipelines/payments/labels", post(labels))
            .with_state(inner.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, inner }
    }

    fn taken(&self) -> Vec<Taken> {
        self.inner.taken.lock().unwrap().clone()
    }

    pub(super) fn requests(&self) -> usize {
        self.inner.requests.load(Ordering::Relaxed)
    }

    pub(super) fn events(&self) -> Vec<String> {
        self.taken().into_iter().filter_map(|t| if let Taken::Event(line) = t { Some(line) } else { None }).collect()
    }

    pub(super) fn labels(&self) -> Vec<Value> {
        self.taken().into_iter().filter_map(|t| if let Taken::Label(label) = t { Some(label) } else { None }).collect()
    }

    pub(super) fn event_ids(&self) -> Vec<i64> {
        self.events().iter().map(|line| id_of(line)).collect()
    }

    /// Each label's event id with the number of events that had been taken before it.
    pub(super) fn labels_with_events_before(&self) -> Vec<(usize, usize)> {
        let mut events = 0;
        let mut labels = Vec::new();
        for taken in self.taken() {
            match taken {
                Taken::Event(_) => events += 1,
                Taken::Label(label) => labels.push((label["event_id"].as_str().unwrap().parse().unwrap(), events)),
            }
        }
        labels
    }
}

fn id_of(line: &str) -> i64 {
    serde_json::from_str::<Value>(line).unwrap()["transaction_id"].as_str().unwrap().parse().unwrap()
}

async fn labels(State(inner): State<Arc<Inner>>, body: String) -> Response {
    let labels = body.lines().map(|line| Taken::Label(serde_json::from_str(line).unwrap()));
    inner.taken.lock().unwrap().extend(labels);
    judged(body.lines().count(), Vec::new())
}

async fn events(State(inner): State<Arc<Inner>>, headers: HeaderMap, body: String) -> Response {
    if headers["authorization"] != format!("Bearer {TOKEN}") {
        return (StatusCode::UNAUTHORIZED, "who are you?").into_response();
    }
    assert_eq!(headers["content-type"], "application/x-ndjson");
    let lines: Vec<&str> = body.lines().collect();
    let fault = (inner.fault)(inner.requests.fetch_add(1, Ordering::Relaxed));
    match fault {
        Fault::Unavailable => return (StatusCode::SERVICE_UNAVAILABLE, "the broker is away").into_response(),
        Fault::TooMany => return (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "0")], "slower").into_response(),
        Fault::TooLarge if lines.len() > 1 => return (StatusCode::PAYLOAD_TOO_LARGE, "too large").into_response(),
        Fault::Drop => panic!("the connection breaks"),
        _ => {}
    }
    let failure = |index: usize, line: &str| match fault {
        Fault::SomeUnavailable if index >= lines.len() / 2 => {
            Some(json!({"index": index, "status": 503, "code": "unavailable", "message": "later"}))
        }
        Fault::RefuseSevens if id_of(line) % 7 == 0 => {
            Some(json!({"index": index, "status": 422, "code": "is_a_seven", "message": "divides by seven"}))
        }
        _ => None,
    };
    let mut failures = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        match failure(index, line) {
            Some(failure) => failures.push(failure),
            None => inner.taken.lock().unwrap().push(Taken::Event((*line).to_owned())),
        }
    }
    judged(lines.len(), failures)
}

fn judged(records: usize, failures: Vec<Value>) -> Response {
    let status = if failures.is_empty() { StatusCode::OK } else { StatusCode::MULTI_STATUS };
    let body = json!({"accepted": records - failures.len(), "duplicates": 0, "refused": failures.len(), "topic": "payments.raw", "failures": failures});
    (status, body.to_string()).into_response()
}
