//! The list of endpoints, and what is answered where there is none.

use std::sync::Arc;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Value, json};

use crate::metrics::Scrape;
use crate::{View, exposition, openapi, queries, ready};

/// `GET path`.
pub struct Endpoint {
    pub path: &'static str,
    pub doc: &'static str,
    answer: fn(&View) -> Response,
}

/// All there is.
pub const ENDPOINTS: &[Endpoint] = &[
    Endpoint { path: "/", doc: "This list.", answer: index },
    Endpoint { path: "/health", doc: "200 while the process lives.", answer: health },
    Endpoint {
        path: "/ready",
        doc: "200 while the pipeline commits or has nothing to commit, else 503 with the reason.",
        answer: readiness,
    },
    Endpoint {
        path: "/metrics",
        doc: "Metrics in the text format of Prometheus (OpenMetrics).",
        answer: metrics,
    },
    Endpoint {
        path: "/openapi.json",
        doc: "All endpoints in the form of OpenAPI 3.",
        answer: description,
    },
];

/// The endpoints over one pipeline. Routes of other kinds can be merged into it: what it does not
/// know is a 404 with a JSON body.
pub fn router(view: View) -> Router {
    let view = Arc::new(view);
    let mut router = Router::new();
    for endpoint in ENDPOINTS {
        let view = view.clone();
        router = router.route(endpoint.path, get(async move || (endpoint.answer)(&view)));
    }
    if let Some(serving) = &view.serving {
        router = router.merge(queries::router(serving, &view));
    }
    router.fallback(not_found).method_not_allowed_fallback(not_allowed)
}

fn index(view: &View) -> Response {
    let own = ENDPOINTS.iter().map(|e| json!({ "path": e.path, "doc": e.doc }));
    let queries = view.queries().iter().map(|e| json!({ "path": e.path, "doc": e.doc }));
    let endpoints: Vec<Value> = own.chain(queries).collect();
    let body = json!({
        "name": "brooklet",
        "version": view.version,
        "pipeline": view.pipeline,
        "endpoints": endpoints,
    });
    json_response(StatusCode::OK, &body)
}

fn health(_: &View) -> Response {
    json_response(StatusCode::OK, &json!({ "status": "ok" }))
}

fn readiness(view: &View) -> Response {
    let verdict = ready::verdict(&view.status.read(), view.env.now(), view.max_commit_age_ms);
    let status = match verdict.reason {
        None => StatusCode::OK,
        Some(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    json_response(status, &verdict.body())
}

fn metrics(view: &View) -> Response {
    match exposition::text(&Scrape::of(view)) {
        Ok(text) => ([(header::CONTENT_TYPE, exposition::CONTENT_TYPE)], text).into_response(),
        Err(e) => error(StatusCode::INTERNAL_SERVER_ERROR, &e.to_string()),
    }
}

fn description(view: &View) -> Response {
    json_response(StatusCode::OK, &openapi::document(view))
}

async fn not_found() -> Response {
    error(StatusCode::NOT_FOUND, "there is nothing here; GET / lists what there is")
}

async fn not_allowed() -> Response {
    error(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD are answered here")
}

pub fn error(status: StatusCode, message: &str) -> Response {
    json_response(status, &json!({ "error": message }))
}

fn json_response(status: StatusCode, body: &Value) -> Response {
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    (status, headers, format!("{body}\n")).into_response()
}
