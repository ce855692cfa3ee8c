//! Files by name below a table's path, on a local disk or in an object store.
//!
//! Local files are written by our own code: `object_store` does not sync them to disk.

use std::sync::Arc;
use std::time::Duration;

use brooklet_core::{Env, Error, Result};
use bytes::Bytes;
use futures::TryStreamExt;
use object_store::aws::AmazonS3Builder;
use object_store::path::Path as Key;
use object_store::{ClientOptions, ObjectStore, ObjectStoreExt, RetryConfig};

use super::local::{self, Local};

/// One request, body included: a whole file travels in one.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(300);
/// How long a failing request is repeated before the pipeline hears of it.
const RETRY_TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Clone)]
pub enum Store {
    Local(Local),
    Remote(Remote),
}

/// A prefix of a bucket.
#[derive(Clone)]
pub struct Remote {
    store: Arc<dyn ObjectStore>,
    prefix: Key,
    url: String,
}

/// A file below the table's path; empty name: the path is the file itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct File {
    pub name: String,
    pub size: u64,
}

impl Store {
    pub fn open(path: &str) -> Result<Store> {
        let Some((scheme, rest)) = path.split_once("://") else {
            return Ok(Store::Local(Local::new(path.strip_prefix("file:").unwrap_or(path))));
        };
        match scheme {
            "file" => {
                let slash = rest.find('/').ok_or_else(|| wrong(path, "it names no path"))?;
                Ok(Store::Local(Local::new(&rest[slash..])))
            }
            "s3" | "s3a" => {
                let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
                Ok(Store::Remote(Remote::open(path, bucket, prefix)?))
            }
            _ => Err(wrong(path, "only local paths, file://, s3:// and s3a:// are supported")),
        }
    }

    /// Files below the path in the order of their names; hidden ones (a component that starts
    /// with `.` or `_`) are left out.
    pub async fn list(&self) -> Result<Vec<File>> {
        let mut files = match self {
            Store::Local(local) => {
                let local = local.clone();
                blocking(move || local.list()).await?
            }
            Store::Remote(remote) => remote.list().await?,
        };
        files.sort();
        Ok(files)
    }

    /// As `list`, for a path that is written to and may not be there yet.
    pub async fn list_written(&self) -> Result<Vec<File>> {
        match self {
            Store::Local(local) if !local.exists() => Ok(Vec::new()),
            _ => self.list().await,
        }
    }

    /// Bytes `from..to` of a file.
    pub async fn read(&self, name: &str, from: u64, to: u64) -> Result<Bytes> {
        match self {
            Store::Local(local) => {
                let (local, name) = (local.clone(), name.to_string());
                blocking(move || local.read(&name, from, to)).await
            }
            Store::Remote(remote) => {
                let key = remote.key(name)?;
                let read = remote.store.get_range(&key, from..to).await;
                read.map_err(|e| remote.fault("read", &key, e))
            }
        }
    }

    /// Puts a whole file: afterwards it is there, durable and complete, or it is not there.
    /// `clean` removes temporary files of earlier attempts in its directory first: those whose
    /// names hold that text.
    pub async fn put(
        &self,
        name: &str,
        content: Bytes,
        clean: Option<&str>,
        env: &Env,
    ) -> Result<()> {
        match self {
            Store::Local(local) => {
                let file = local::Put {
                    name: name.to_string(),
                    content,
                    clean: clean.map(str::to_string),
                };
                let (local, env) = (local.clone(), env.clone());
                blocking(move || local.put(&file, &env)).await
            }
            Store::Remote(remote) => {
                let key = remote.key(name)?;
                let put = remote.store.put(&key, content.into()).await;
                put.map(drop).map_err(|e| remote.fault("write", &key, e))
            }
        }
    }

    /// A file that is not there is no error.
    pub async fn delete(&self, name: &str) -> Result<()> {
        match self {
            Store::Local(local) => {
                let (local, name) = (local.clone(), name.to_string());
                blocking(move || local.delete(&name)).await
            }
            Store::Remote(remote) => {
                let key = remote.key(name)?;
                match remote.store.delete(&key).await {
                    Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
                    Err(e) => Err(remote.fault("delete", &key, e)),
                }
            }
        }
    }
}

impl Remote {
    fn open(url: &str, bucket: &str, prefix: &str) -> Result<Remote> {
        if bucket.is_empty() {
            return Err(wrong(url, "there is no bucket in it"));
        }
        let endpoint = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"]
            .iter()
            .find_map(|name| std::env::var(name).ok());
        let retry = RetryConfig { retry_timeout: RETRY_TIMEOUT, ..RetryConfig::default() };
        let mut client = ClientOptions::new().with_timeout(REQUEST_TIMEOUT);
        let mut builder = AmazonS3Builder::from_env();
        if let Some(endpoint) = &endpoint {
            // Stores other than Amazon's rarely answer under a host name per bucket.
            builder = builder.with_endpoint(endpoint).with_virtual_hosted_style_request(false);
            let allowed = std::env::var("AWS_ALLOW_HTTP").is_ok_and(|v| v == "true");
            if endpoint.starts_with("http://") && !is_loopback(endpoint) && !allowed {
                return Err(Error::config(format!(
                    "the S3 endpoint {endpoint} is not encrypted; use https://, or set \
                     AWS_ALLOW_HTTP=true if the network is trusted"
                )));
            }
            client = client.with_allow_http(endpoint.starts_with("http://"));
        }
        let store = builder
            .with_bucket_name(bucket)
            .with_retry(retry)
            .with_client_options(client)
            .build()
            .map_err(|e| wrong(url, "the S3 settings are incomplete").caused_by(e))?;
        let prefix = Key::parse(prefix.trim_matches('/'))
            .map_err(|e| wrong(url, "this is no key").caused_by(e))?;
        Ok(Remote { store: Arc::new(store), prefix, url: url.to_string() })
    }

    /// Names are taken as they are: escaping them was the business of whoever chose them.
    fn key(&self, name: &str) -> Result<Key> {
        let text = match (self.prefix.as_ref(), name) {
            (prefix, "") => prefix.to_string(),
            ("", name) => name.to_string(),
            (prefix, name) => format!("{prefix}/{name}"),
        };
        Key::parse(&text).map_err(|e| wrong(&self.url, "this is no key").caused_by(e))
    }

    async fn list(&self) -> Result<Vec<File>> {
        let fault = |e| self.fault("list", &self.prefix, e);
        if !self.prefix.as_ref().is_empty() {
            match self.store.head(&self.prefix).await {
                Ok(meta) => return Ok(vec![File { name: String::new(), size: meta.size }]),
                Err(object_store::Error::NotFound { .. }) => {}
                Err(e) => return Err(fault(e)),
            }
        }
        let metas: Vec<_> =
            self.store.list(Some(&self.prefix)).try_collect().await.map_err(fault)?;
        let file = |meta: object_store::ObjectMeta| {
            let key = meta.location.as_ref();
            let name = key.strip_prefix(self.prefix.as_ref())?.trim_start_matches('/');
            let name = name.to_string();
            (!name.is_empty() && !is_hidden(&name)).then_some(File { name, size: meta.size })
        };
        Ok(metas.into_iter().filter_map(file).collect())
    }

    fn fault(&self, doing: &str, key: &Key, error: object_store::Error) -> Error {
        let said = format!("could not {doing} '{key}' of {}", self.url);
        match error {
            object_store::Error::NotFound { .. }
            | object_store::Error::PermissionDenied { .. }
            | object_store::Error::Unauthenticated { .. } => Error::refused(format!(
                "{said}; check that the bucket exists and what the credentials allow"
            ))
            .caused_by(error),
            error => Error::outside(said).caused_by(error),
        }
    }
}

/// The bucket of an `s3://` or `s3a://` location, and the prefix in it.
pub fn object_store(url: &str) -> Result<(Arc<dyn ObjectStore>, String)> {
    match Store::open(url)? {
        Store::Remote(remote) => Ok((remote.store, remote.prefix.to_string())),
        Store::Local(_) => Err(wrong(url, "it names no object store")),
    }
}

/// Whether a component of the name starts with `.` or `_`; `_` followed by a partition column's
/// name and value is data.
pub fn is_hidden(name: &str) -> bool {
    name.split('/').any(|c| c.starts_with('.') || (c.starts_with('_') && !c.contains('=')))
}

fn is_loopback(endpoint: &str) -> bool {
    let host = endpoint.trim_start_matches("http://");
    let host = host.split(['/', '?']).next().unwrap_or_default();
    let host = match host.strip_prefix('[').and_then(|h| h.split_once(']')) {
        Some((host, _)) => host,
        None => host.split(':').next().unwrap_or_default(),
    };
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn wrong(path: &str, why: &str) -> Error {
    Error::config(format!("option 'path' = '{path}': {why}"))
}

/// Runs what blocks on the disk beside the I/O runtime's tasks.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(e) => Err(Error::bug("a file task ended early").caused_by(e)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_as_flink_reads_them() {
        for path in ["/tmp/x", "file:/tmp/x", "file:///tmp/x", "file://localhost/tmp/x"] {
            let Ok(Store::Local(local)) = Store::open(path) else { panic!("{path}") };
            assert_eq!(local, Local::new("/tmp/x"), "{path}");
        }
        assert!(Store::open("hdfs://x/y").is_err());
    }

    #[test]
    fn hidden_files_and_loopback_endpoints() {
        assert!(is_hidden("a/_SUCCESS") && is_hidden(".x/y") && is_hidden("_temporary/f"));
        assert!(!is_hidden("_p=1/part-0") && !is_hidden("a_b/c.d"));
        assert!(is_loopback("http://127.0.0.1:9000") && is_loopback("http://localhost/x"));
        assert!(is_loopback("http://[::1]:9000") && !is_loopback("http://minio:9000"));
    }
}
