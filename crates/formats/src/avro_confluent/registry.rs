//! The client of a schema registry: schemas by their number, numbers of schemas.

use brooklet_core::options::Options;
use brooklet_core::schemas::Found;
use brooklet_core::{Error, Result};
use reqwest::{Method, StatusCode, Url};
use serde::Deserialize;

use super::options::{self, Access, Login};

const CONTENT: &str = "application/vnd.schemaregistry.v1+json";
/// The registry's number for a schema, subject or version that is not there; else 404 is the word
/// of a server that is no registry.
const NOT_FOUND: std::ops::RangeInclusive<u32> = 40401..=40403;

/// The registry of a table.
pub(super) struct Registry {
    access: Access,
}

/// A request, which may be made of several servers.
struct Request<'a> {
    method: Method,
    path: &'a [&'a str],
    body: Option<String>,
}

struct Response {
    from: Url,
    status: StatusCode,
    body: String,
}

#[derive(Deserialize)]
struct SchemaOfId {
    schema: String,
    #[serde(rename = "schemaType")]
    kind: Option<String>,
    #[serde(default)]
    references: Vec<Reference>,
}

#[derive(Deserialize)]
struct Reference {
    name: String,
    subject: String,
    version: i64,
}

#[derive(Deserialize)]
struct IdOfSchema {
    id: u32,
}

#[derive(Deserialize, Default)]
struct Refusal {
    #[serde(default)]
    error_code: u32,
    #[serde(default)]
    message: String,
}

impl Registry {
    pub fn new(options: &Options) -> Result<Registry> {
        Ok(Registry { access: options::access(options)? })
    }

    /// An error when nobody answers, or when who answers does not know us.
    pub async fn reach(&self) -> Result<()> {
        let request = Request { method: Method::GET, path: &["schemas", "types"], body: None };
        let response = self.ask(&request).await?;
        match response.status {
            StatusCode::UNAUTHORIZED => Err(response.refusal("name, password or token")),
            _ => Ok(()),
        }
    }

    /// The schema of that number, or why there is none to read with.
    pub async fn schema(&self, id: u32) -> Result<Found> {
        let id_text = id.to_string();
        let path = ["schemas", "ids", &id_text];
        let response = self.ask(&Request { method: Method::GET, path: &path, body: None }).await?;
        if response.status == StatusCode::NOT_FOUND
            && NOT_FOUND.contains(&response.said().error_code)
        {
            return Ok(Found::Missing(format!("the schema registry has no schema {id}").into()));
        }
        let given: SchemaOfId = response.parsed(&format!("schema {id}"))?;
        Ok(match (given.kind.as_deref(), given.references.as_slice()) {
            (None | Some("AVRO"), []) => Found::Schema(given.schema.into()),
            (None | Some("AVRO"), others) => Found::Missing(referring(id, others).into()),
            (Some(kind), _) => {
                Found::Missing(format!("schema {id} is one of {kind}, not of Avro").into())
            }
        })
    }

    /// The number of a schema under a subject, where `register` adds it if it is not there.
    pub async fn id(&self, subject: &str, schema: &str, register: bool) -> Result<u32> {
        let path: &[&str] = match register {
            true => &["subjects", subject, "versions"],
            false => &["subjects", subject],
        };
        let body = Some(serde_json::json!({ "schema": schema }).to_string());
        let response = self.ask(&Request { method: Method::POST, path, body }).await?;
        let said = response.said();
        match response.status {
            StatusCode::CONFLICT => Err(Error::refused(format!(
                "the schema registry refuses the schema for subject '{subject}', which is not \
                 compatible with the versions before: {}. Change the table's columns, choose \
                 another subject, or change the subject's compatibility",
                said.message
            ))),
            StatusCode::NOT_FOUND if NOT_FOUND.contains(&said.error_code) && !register => {
                Err(Error::refused(format!(
                    "the schema registry does not have the table's schema under subject \
                     '{subject}', and 'avro-confluent.auto.register.schemas' is false: {schema}"
                )))
            }
            _ => Ok(response.parsed::<IdOfSchema>(&format!("subject '{subject}'"))?.id),
        }
    }

    /// The first answer; a server that is away or has a fault of its own is passed over.
    async fn ask(&self, request: &Request<'_>) -> Result<Response> {
        let mut failed = Error::bug("a schema registry without an address");
        for url in &self.access.urls {
            match self.ask_at(url, request).await {
                Ok(response) => return Ok(response),
                Err(e) => failed = e,
            }
        }
        Err(failed)
    }

    async fn ask_at(&self, base: &Url, request: &Request<'_>) -> Result<Response> {
        let mut url = base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(request.path);
        }
        let call = self.access.client.request(request.method.clone(), url.clone());
        let call = call.header("Accept", CONTENT);
        let call = match &self.access.login {
            Login::None => call,
            Login::Basic { name, password } => call.basic_auth(name, Some(password)),
            Login::Bearer(token) => call.bearer_auth(token),
        };
        let call = match &request.body {
            None => call,
            Some(body) => call.header("Content-Type", CONTENT).body(body.clone()),
        };
        let away = |e: reqwest::Error| {
            Error::outside(format!("the schema registry at {base} does not answer: {}", cause(&e)))
        };
        let answer = call.send().await.map_err(away)?;
        let status = answer.status();
        let body = answer.text().await.map_err(away)?;
        let response = Response { from: url, status, body };
        let busy = [StatusCode::TOO_MANY_REQUESTS, StatusCode::REQUEST_TIMEOUT].contains(&status);
        match status.is_server_error() || busy {
            true => Err(Error { retry: true, ..response.refusal("the request") }),
            false => Ok(response),
        }
    }
}

impl Response {
    /// What a registry says about an error.
    fn said(&self) -> Refusal {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    fn refusal(&self, what: &str) -> Error {
        let said = self.said().message;
        let said = if said.is_empty() { String::new() } else { format!(": {said}") };
        Error::refused(format!(
            "the schema registry refuses {what} ({} at {}){said}",
            self.status, self.from
        ))
    }

    fn parsed<T: for<'a> Deserialize<'a>>(&self, what: &str) -> Result<T> {
        if !self.status.is_success() {
            return Err(self.refusal(what));
        }
        serde_json::from_str(&self.body).map_err(|_| {
            Error::refused(format!(
                "what answers at {} is no schema registry: is 'avro-confluent.url' right?",
                self.from
            ))
        })
    }
}

/// The innermost reason, which says most, without the address.
fn cause(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "the time is up".to_string();
    }
    let mut inner: &dyn std::error::Error = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}

fn referring(id: u32, others: &[Reference]) -> String {
    let named =
        |r: &Reference| format!("{} (subject {}, version {})", r.name, r.subject, r.version);
    let others: Vec<String> = others.iter().map(named).collect();
    format!("schema {id} refers to other schemas, which is not offered: {}", others.join(", "))
}
