//! The endpoints with a desk that a test works at in place of the loop.

use super::*;
use crate::desk::Papers;
use crate::registry::Registry;
use crate::registry::tests::{candidate, evaluation};
use axum::body::Body as HttpBody;
use axum::http::Request;
use axum::http::header::AUTHORIZATION;
use http_body_util::BodyExt;
use serde_json::{Value as Json, json};
use tidemill_events::records::{ModelRef, SourceRecord};
use tidemill_pipeline::learning::Approval;
use tidemill_service::config::Secret;
use tower::ServiceExt;

const TOKEN: &str = "0123456789abcdef";

struct Harness {
    desk: Arc<Desk>,
    router: Router,
}

impl Harness {
    fn standby() -> Self {
        let desk = Arc::new(Desk::default());
        Self { router: routes(desk.clone(), Token::new(Secret::new(TOKEN))), desk }
    }

    /// Leads, and has a model that waits for approval and one that the gates refused.
    fn new() -> Self {
        let this = Self::standby();
        this.desk.open();
        let bootstrap = ModelRef { name: "p".into(), version: 0, digest: "sha256:b".into(), stage: "bootstrap".into() };
        let policy = crate::policy::Policy { approval: Approval::OnePerson, bootstrap };
        let (mut registry, mut papers) = (Registry::default(), Papers::default());
        for (version, passed) in [(1, true), (2, false)] {
            let record = SourceRecord { topic: "tidemill.candidates".into(), partition: 0, offset: version.into() };
            let candidate = candidate("p", version);
            let evaluation = evaluation(&candidate, &record, passed);
            registry.register(&candidate, &record, 1_000_000);
            registry.evaluate(&evaluation, &record, 2_000_000);
            registry.decide(&evaluation, &record, &policy, 2_000_000);
            papers.candidates.insert((0, version.into()), Arc::new(candidate));
            papers.evaluations.insert((0, version.into()), Arc::new(evaluation));
        }
        this.desk.publish(View { registry: Arc::new(registry), papers: Arc::new(papers) });
        this
    }

    async fn get(&self, path: &str) -> (u16, Json) {
        self.send(Request::get(path).body(HttpBody::empty()).unwrap()).await
    }

    async fn post(&self, path: &str, body: &Json) -> (u16, Json) {
        let request = Request::post(path).header(AUTHORIZATION, format!("Bearer {TOKEN}"));
        self.send(request.body(body.to_string().into()).unwrap()).await
    }

    async fn send(&self, request: Request<HttpBody>) -> (u16, Json) {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap_or(Json::Null))
    }
}

const APPROVE: &str = "/v1/pipelines/p/models/1/approve";

#[tokio::test]
async fn models_are_listed_and_shown_with_their_lineage() {
    let harness = Harness::new();
    let (status, list) = harness.get("/v1/models").await;
    let states: Vec<(&Json, &Json)> = list["models"].as_array().unwrap().iter().map(|m| (&m["version"], &m["state"])).collect();
    assert_eq!((status, states), (200, vec![(&json!(2), &json!("rejected")), (&json!(1), &json!("approval_requested"))]));
    assert_eq!(harness.get("/v1/models?pipeline=q").await.1, json!({"models": [], "serving": []}));
    assert_eq!(harness.get("/v1/pipelines/p/models").await.1, list);
    assert_eq!(list["serving"], json!([]), "nothing was deployed yet");
    let (_, one) = harness.get("/v1/pipelines/p/models/2").await;
    assert_eq!((&one["digest"], &one["serving"]), (&json!("sha256:2"), &Json::Null));
    assert_eq!(one["training"]["record"], json!({"topic": "tidemill.candidates", "partition": 0, "offset": 2}));
    assert_eq!(one["evaluation"]["champion"]["version"], 0);
    assert_eq!(one["evaluation"]["challenger_metrics"], json!({"auc": 0.9}));
    let kinds: Vec<&Json> = one["events"].as_array().unwrap().iter().map(|e| &e["kind"]).collect();
    assert_eq!(kinds, ["registered", "evaluated", "rejected"]);
    assert_eq!(one["events"][2]["actor"], "policy gates");
    for (path, code) in [("/v1/pipelines/p/models/3", "unknown_model"), ("/v1/pipelines/q/models/1", "unknown_model")] {
        let (status, problem) = harness.get(path).await;
        assert_eq!((status, &problem["code"]), (404, &json!(code)), "{path}");
    }
    assert_eq!(harness.get("/v1/pipelines/p/models/latest").await.0, 404);
}

#[tokio::test]
async fn an_order_reaches_the_loop_and_its_answer_the_caller() {
    let harness = Harness::new();
    let body = json!({"actor": " ann ", "detail": "looks right", "expected_champion": 0});
    let at_the_desk = async {
        let asked = loop {
            match harness.desk.take().pop_front() {
                Some(asked) => break asked,
                None => tokio::task::yield_now().await,
            }
        };
        let order = asked.order.clone();
        let mut registry = (*harness.desk.view().unwrap().registry).clone();
        let bootstrap = ModelRef { name: "p".into(), version: 0, digest: "sha256:b".into(), stage: "bootstrap".into() };
        let policy = crate::policy::Policy { approval: Approval::OnePerson, bootstrap };
        asked.answer.send(registry.order(&asked.order, Some(&policy), 3)).unwrap();
        (order, registry)
    };
    let ((status, answer), (order, registry)) = tokio::join!(harness.post(APPROVE, &body), at_the_desk);
    let expected = Order {
        pipeline: "p".into(),
        action: Action::Approve(1),
        actor: "ann".into(),
        detail: "looks right".into(),
        expected_champion: Some(0),
    };
    assert_eq!((status, order), (200, expected));
    harness.desk.publish(View { registry: Arc::new(registry), papers: Arc::default() });
    let (_, list) = harness.get("/v1/models").await;
    let serving = json!([{"pipeline": "p", "version": 1, "route": "default", "deployment": 1, "since": "1970-01-01T00:00:00.000003Z"}]);
    assert_eq!(list["serving"], serving);
    assert_eq!((&answer["deployment"]["number"], &answer["deployment"]["model"]["version"]), (&json!(1), &json!(1)));
    assert_eq!(answer["events"][0]["actor"], "ann");
}

#[tokio::test]
async fn refusals_have_a_status_and_a_code() {
    let harness = Harness::new();
    let answers = [
        (Refusal::AlreadyChampion(1), 409, "already_champion"),
        (Refusal::UnknownModel { pipeline: "p".into(), version: 1 }, 404, "unknown_model"),
        (Refusal::ChampionChanged { expected: 1, champion: 2 }, 409, "champion_changed"),
    ];
    for (refusal, status, code) in answers {
        let refuse = async {
            loop {
                if let Some(asked) = harness.desk.take().pop_front() {
                    return asked.answer.send(Err(refusal)).unwrap();
                }
                tokio::task::yield_now().await;
            }
        };
        let order = json!({"actor": "ann", "to": 1});
        let (answer, ()) = tokio::join!(harness.post("/v1/pipelines/p/rollback", &order), refuse);
        assert_eq!((answer.0, &answer.1["code"]), (status, &json!(code)));
    }
}

#[tokio::test]
async fn an_order_needs_the_token_and_a_person() {
    let harness = Harness::new();
    let request = Request::post(APPROVE).body(json!({"actor": "ann"}).to_string().into()).unwrap();
    assert_eq!(harness.send(request).await.0, 401);
    let refused = [
        json!({}),
        json!({"actor": ""}),
        json!({"actor": "  "}),
        json!({"actor": "tidemill-deployer"}),
        json!({"actor": "Policy automatic"}),
        json!({"actor": "a\nb"}),
        json!({"actor": "a".repeat(201)}),
        json!({"actor": "ann", "detail": "d".repeat(2001)}),
        json!({"actor": "ann", "to": 1}),
        json!({"actor": "ann", "expected": 1}),
        json!({"actor": "ann", "expected_champion": "1"}),
    ];
    for body in refused {
        let (status, problem) = harness.post(APPROVE, &body).await;
        assert_eq!((status, &problem["code"]), (422, &json!("invalid_order")), "{body}");
    }
    let request = Request::post(APPROVE).header(AUTHORIZATION, format!("Bearer {TOKEN}")).body("{".into()).unwrap();
    assert_eq!(harness.send(request).await.0, 400);
    assert!(harness.desk.take().is_empty(), "nothing came to the desk");
}

#[tokio::test]
async fn who_does_not_lead_says_so() {
    let harness = Harness::standby();
    let code = |(status, problem): (u16, Json)| (status, problem["code"].as_str().unwrap_or_default().to_owned());
    assert_eq!(code(harness.get("/v1/models").await), (503, "standby".into()));
    assert_eq!(code(harness.post(APPROVE, &json!({"actor": "ann"})).await), (503, "standby".into()));
    harness.desk.open();
    assert_eq!(code(harness.post(APPROVE, &json!({"actor": "ann"})).await), (503, "not_ready".into()));
    let harness = Harness::new();
    let lost = async {
        while harness.desk.take().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    let order = json!({"actor": "ann"});
    let (answer, ()) = tokio::join!(harness.post(APPROVE, &order), lost);
    assert_eq!(code(answer), (503, "outcome_unknown".into()), "the loop dropped it");
    let waiting: Vec<_> = (0..64)
        .map(|_| {
            let order = Order {
                pipeline: "p".into(),
                action: Action::Approve(1),
                actor: "ann".into(),
                detail: String::new(),
                expected_champion: None,
            };
            harness.desk.ask(order).unwrap()
        })
        .collect();
    assert_eq!(code(harness.post(APPROVE, &order).await), (503, "busy".into()));
    drop(waiting);
}
