//! A registry in memory behind HTTP, which can be switched off, for tests.

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

#[derive(Default)]
pub(crate) struct Mock {
    /// Requests that arrived.
    pub(crate) requests: AtomicUsize,
    /// While not 0, requests are answered with 500 and this counts down.
    pub(crate) failures: AtomicUsize,
    /// Callers are not let in.
    pub(crate) closed: AtomicBool,
    schemas: Mutex<Vec<(String, String)>>,
    levels: Mutex<BTreeMap<String, String>>,
}

impl Mock {
    pub(crate) async fn start() -> (Arc<Self>, String) {
        let mock = Arc::new(Self::default());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(mock.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (mock, url)
    }

    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    /// Registers behind the client's back, as another process would.
    pub(crate) fn add(&self, subject: &str, schema: &str) -> u32 {
        let mut schemas = self.schemas.lock().unwrap();
        let entry = (subject.to_owned(), schema.to_owned());
        if let Some(at) = schemas.iter().position(|s| *s == entry) {
            return at as u32 + 1;
        }
        schemas.push(entry);
        schemas.len() as u32
    }

    pub(crate) fn level(&self, subject: &str) -> Option<String> {
        self.levels.lock().unwrap().get(subject).cloned()
    }

    fn versions(&self, subject: &str) -> Vec<(u32, String)> {
        let schemas = self.schemas.lock().unwrap();
        schemas.iter().enumerate().filter(|(_, s)| s.0 == subject).map(|(i, s)| (i as u32 + 1, s.1.clone())).collect()
    }

    fn by_id(&self, id: usize) -> Option<String> {
        self.schemas.lock().unwrap().get(id - 1).map(|s| s.1.clone())
    }
}

fn found(answer: Option<Json>) -> Response {
    match answer {
        Some(json) => json.to_string().into_response(),
        None => (StatusCode::NOT_FOUND, json!({"error_code": 40403, "message": "no such schema"}).to_string()).into_response(),
    }
}

async fn answer(State(mock): State<Arc<Mock>>, request: Request) -> Response {
    mock.requests.fetch_add(1, Ordering::SeqCst);
    if mock.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok() {
        let down = json!({"error_code": 50001, "message": "the database is gone"});
        return (StatusCode::INTERNAL_SERVER_ERROR, down.to_string()).into_response();
    }
    if mock.closed.load(Ordering::SeqCst) {
        return (StatusCode::UNAUTHORIZED, json!({"error_code": 40101, "message": "who are you?"}).to_string()).into_response();
    }
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let body: Json = serde_json::from_slice(&body).unwrap_or_default();
    let schema = body["schema"].as_str().unwrap_or_default();
    let path: Vec<&str> = parts.uri.path().trim_matches('/').split('/').collect();
    match (parts.method.as_str(), &path[..]) {
        ("GET", ["schemas", "ids", id]) => found(mock.by_id(id.parse().unwrap()).map(|s| json!({"schema": s}))),
        ("POST", ["subjects", _, "versions"]) if schema.contains("incompatible") => {
            (StatusCode::CONFLICT, json!({"error_code": 409, "message": "READER_FIELD_MISSING_DEFAULT_VALUE: x"}).to_string())
                .into_response()
        }
        ("POST", ["subjects", subject, "versions"]) => found(Some(json!({"id": mock.add(subject, schema)}))),
        ("POST", ["subjects", subject]) => {
            found(mock.versions(subject).iter().find(|v| v.1 == schema).map(|v| json!({"id": v.0, "version": 1, "schema": v.1})))
        }
        ("GET", ["subjects", subject, "versions"]) => {
            let versions = mock.versions(subject);
            found((!versions.is_empty()).then(|| (1..=versions.len()).collect()))
        }
        ("GET", ["subjects", subject, "versions", version]) => {
            let versions = mock.versions(subject);
            found(versions.get(version.parse::<usize>().unwrap() - 1).map(|v| json!({"id": v.0, "schema": v.1})))
        }
        ("POST", ["compatibility", "subjects", subject, "versions"]) => {
            let answer = json!({"is_compatible": !schema.contains("incompatible"), "messages": ["READER_FIELD_MISSING_DEFAULT_VALUE: x"]});
            found((!mock.versions(subject).is_empty()).then_some(answer))
        }
        ("PUT", ["config", subject]) => {
            let level = body["compatibility"].as_str().unwrap_or_default().to_owned();
            mock.levels.lock().unwrap().insert((*subject).to_owned(), level);
            found(Some(body))
        }
        (method, path) => panic!("{method} {path:?}"),
    }
}
