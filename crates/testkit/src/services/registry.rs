//! Subjects of the test schema registry, by Confluent's interface.

use reqwest::{Client, Method};
use serde_json::{Value, json};

use super::{block_on, unique};

/// The registry of `BROOKLET_TEST_REGISTRY`.
#[derive(Debug, Clone)]
pub struct Registry {
    url: String,
}

impl Registry {
    pub fn from_env() -> Option<Self> {
        std::env::var("BROOKLET_TEST_REGISTRY").ok().map(Registry::at)
    }
    pub fn at(url: impl Into<String>) -> Self {
        Registry { url: url.into() }
    }
    /// For `avro-confluent.url`.
    pub fn url(&self) -> &str {
        &self.url
    }
    /// A subject of one test's own.
    pub fn subject(&self, stem: &str) -> String {
        format!("{}-value", unique(stem))
    }

    /// The number that the schema has from now on; subjects are names of topics here.
    pub fn register(&self, subject: &str, schema: &str) -> u32 {
        self.add(subject, &json!({ "schema": schema }))
    }
    /// The same with all that a registration may say.
    pub fn add(&self, subject: &str, registration: &Value) -> u32 {
        let path = format!("subjects/{subject}/versions");
        let (code, said) = self.call(Method::POST, &path, Some(registration));
        assert_eq!(code, 200, "{said}");
        said["id"].as_u64().and_then(|id| id.try_into().ok()).expect("a number")
    }
    /// The text of a schema.
    pub fn schema(&self, id: u32) -> String {
        let (code, said) = self.call(Method::GET, &format!("schemas/ids/{id}"), None);
        assert_eq!(code, 200, "{said}");
        said["schema"].as_str().expect("a text").to_string()
    }
    /// The newest version under a subject: its number and text. None without versions.
    pub fn latest(&self, subject: &str) -> Option<(u32, String)> {
        let (code, said) =
            self.call(Method::GET, &format!("subjects/{subject}/versions/latest"), None);
        if code == 404 {
            return None;
        }
        let id = said["id"].as_u64().and_then(|id| id.try_into().ok()).expect("a number");
        Some((id, said["schema"].as_str().expect("a text").to_string()))
    }
    /// Which changes of schemas the subject allows, such as `BACKWARD`.
    pub fn allow(&self, subject: &str, compatibility: &str) {
        let body = json!({ "compatibility": compatibility });
        let (code, said) = self.call(Method::PUT, &format!("config/{subject}"), Some(&body));
        assert_eq!(code, 200, "{said}");
    }

    fn call(&self, method: Method, path: &str, body: Option<&Value>) -> (u16, Value) {
        let request = Client::new().request(method, format!("{}/{path}", self.url));
        let request = match body {
            None => request,
            Some(body) => request
                .header("Content-Type", "application/vnd.schemaregistry.v1+json")
                .body(body.to_string()),
        };
        block_on(async move {
            let answer = request.send().await.expect("the registry answers");
            let code = answer.status().as_u16();
            let text = answer.text().await.expect("the registry says something");
            (code, serde_json::from_str(&text).unwrap_or(Value::Null))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Registry;

    #[test]
    fn versions_have_numbers_and_texts() {
        let Some(registry) = Registry::from_env() else { return };
        let subject = registry.subject("versions");
        assert_eq!(registry.latest(&subject), None);
        let first = registry.register(&subject, "\"int\"");
        registry.allow(&subject, "NONE");
        let second = registry.register(&subject, "\"string\"");
        assert_ne!(first, second);
        assert_eq!(registry.register(&subject, "\"int\""), first);
        assert_eq!(registry.schema(first), "\"int\"");
        assert_eq!(registry.latest(&subject), Some((second, "\"string\"".to_string())));
    }
}
