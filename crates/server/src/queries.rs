//! The pipeline's own endpoints: a path, the parameters of a request, an answer in JSON.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{RawPathParams, RawQuery};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use brooklet_pipeline::serve::{Answer, Endpoint, Refusal, Rows, Segment, Serving, segments};

use crate::View;
use crate::routes::error;

/// Tells a client when to try again.
const AGAIN_SECONDS: HeaderValue = HeaderValue::from_static("1");

pub fn router(serving: &Arc<Serving>, view: &View) -> Router {
    serving.endpoints().iter().fold(Router::new(), |router, endpoint| {
        let (serving, asked) = (serving.clone(), endpoint.clone());
        let (counted, env) = (view.asked.clone(), view.env.clone());
        let answer = async move |path: Result<RawPathParams, RawPathParamsRejection>,
                                 query: RawQuery,
                                 headers: HeaderMap| {
            let began = env.now();
            let response = match path {
                Ok(path) => respond(&serving, &asked, &path, query, &headers).await,
                Err(_) => error(StatusCode::BAD_REQUEST, "the path is no percent-encoded UTF-8"),
            };
            counted.count(&asked.path, response.status().as_u16(), env.now() - began);
            response
        };
        router.route(&route(&endpoint.path), get(answer))
    })
}

/// The path as the router wants it: parameters are called by their place, since the router knows
/// one name in each.
fn route(path: &str) -> String {
    let piece = |(place, segment): (usize, Segment<'_>)| match segment {
        Segment::Word(word) => format!("/{word}"),
        Segment::Parameter(_) => format!("/{{{place}}}"),
    };
    segments(path).enumerate().map(piece).collect()
}

async fn respond(
    serving: &Arc<Serving>,
    endpoint: &Arc<Endpoint>,
    path: &RawPathParams,
    query: RawQuery,
    headers: &HeaderMap,
) -> Response {
    let values = match values(endpoint, path, query.0.as_deref().unwrap_or_default()) {
        Ok(values) => values,
        Err(message) => return error(StatusCode::BAD_REQUEST, &message),
    };
    let known = headers.get(header::IF_NONE_MATCH).and_then(|tags| tags.to_str().ok());
    match serving.answer(endpoint, values, known).await {
        Answer::Rows(rows) => shown(rows),
        Answer::Unchanged(tag) => (StatusCode::NOT_MODIFIED, tagged(Some(tag))).into_response(),
        Answer::Refused(refusal) => refused(&refusal),
    }
}

/// The parameters by name, decoded.
fn values(
    endpoint: &Endpoint,
    path: &RawPathParams,
    query: &str,
) -> Result<BTreeMap<String, String>, String> {
    let of_path = endpoint.in_path().zip(path.iter());
    let mut values: BTreeMap<String, String> =
        of_path.map(|(name, (_, value))| (name.to_string(), value.to_string())).collect();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if values.insert(name.to_string(), value.into_owned()).is_some() {
            return Err(format!("parameter '{name}' is given twice"));
        }
    }
    Ok(values)
}

fn shown(rows: Rows) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/json")];
    (StatusCode::OK, kind, tagged(rows.tag), rows.json).into_response()
}

/// An answer with a tag may be kept, but must be asked for again; one without is not kept.
fn tagged(tag: Option<String>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let tag = tag.and_then(|tag| HeaderValue::try_from(tag).ok());
    let keep = if tag.is_some() { "no-cache" } else { "no-store" };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(keep));
    headers.extend(tag.map(|tag| (header::ETAG, tag)));
    headers
}

fn refused(refusal: &Refusal) -> Response {
    use StatusCode as Code;
    let (status, message) = match refusal {
        Refusal::Starting => {
            (Code::SERVICE_UNAVAILABLE, "the pipeline is still recovering".to_string())
        }
        Refusal::BadParameter(message) => (Code::BAD_REQUEST, message.clone()),
        Refusal::NotFound => (Code::NOT_FOUND, "there is no such row".to_string()),
        Refusal::Busy(limit) => (
            Code::TOO_MANY_REQUESTS,
            format!("{limit} queries are being answered already (brooklet.serve.max-concurrent)"),
        ),
        Refusal::TooLong(limit) => (
            Code::GATEWAY_TIMEOUT,
            format!("the query takes longer than {limit:?} (brooklet.serve.timeout)"),
        ),
        Refusal::TooMany(limit) => (
            Code::UNPROCESSABLE_ENTITY,
            format!("the answer has more than {limit} rows (brooklet.serve.max-rows)"),
        ),
        Refusal::TooLarge => {
            (Code::SERVICE_UNAVAILABLE, "the query needs too much memory".to_string())
        }
        Refusal::Failed(e) => {
            tracing::warn!("a query was not answered: {e}");
            (Code::INTERNAL_SERVER_ERROR, e.to_string())
        }
    };
    let mut response = error(status, &message);
    if matches!(refusal, Refusal::Starting | Refusal::Busy(_)) {
        response.headers_mut().insert(header::RETRY_AFTER, AGAIN_SECONDS);
    }
    response
}
