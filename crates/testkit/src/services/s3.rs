//! A fresh bucket of the test server: listed, read, its Parquet files as Arrow batches.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use bytes::Bytes;
use futures::TryStreamExt;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::signer::Signer;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::{block_on, unique};

/// One bucket, made for one test; the server deletes it when the services go down.
pub struct Bucket {
    pub name: String,
    store: Arc<AmazonS3>,
}

/// A Parquet file of a bucket.
pub struct ParquetFile {
    /// Relative to the bucket.
    pub path: String,
    pub batches: Vec<RecordBatch>,
}

impl Bucket {
    /// An empty bucket on the server of `BROOKLET_TEST_S3`, with the keys of `AWS_*`.
    pub fn from_env() -> Option<Self> {
        let endpoint = std::env::var("BROOKLET_TEST_S3").ok()?;
        let var = |name| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"));
        Some(Self::at(&endpoint, &var("AWS_ACCESS_KEY_ID"), &var("AWS_SECRET_ACCESS_KEY")))
    }
    pub fn at(endpoint: &str, key: &str, secret: &str) -> Self {
        let name = unique("test");
        let store = AmazonS3Builder::new()
            .with_endpoint(endpoint)
            .with_allow_http(true)
            .with_region("us-east-1")
            .with_access_key_id(key)
            .with_secret_access_key(secret)
            .with_bucket_name(&name)
            .build()
            .expect("the endpoint is a URL");
        let bucket = Bucket { name, store: Arc::new(store) };
        bucket.create();
        bucket
    }

    /// object_store has no call that makes a bucket, but signs the request that does.
    fn create(&self) {
        let store = self.store.clone();
        let signed = block_on(async move {
            let put = "PUT".parse().expect("a method");
            store.signed_url(put, &Path::default(), Duration::from_secs(60)).await
        });
        let url = signed.expect("keys are at hand").to_string();
        let rest = url.strip_prefix("http://").expect("test servers speak plain HTTP");
        let (host, path) = rest.split_once('/').expect("a path follows the host");
        let mut stream = TcpStream::connect(host).expect("the S3 server answers");
        let head = format!("PUT /{path} HTTP/1.1\r\nHost: {host}\r\n");
        let rest = "Content-Length: 0\r\nConnection: close\r\n\r\n";
        stream.write_all((head + rest).as_bytes()).expect("the request is sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("the answer is text");
        assert!(answer.starts_with("HTTP/1.1 200"), "the bucket is not made: {answer}");
    }

    /// `s3://bucket/path`, as a `path` option names it.
    pub fn url(&self, path: &str) -> String {
        format!("s3://{}/{path}", self.name)
    }
    /// Paths and sizes of all objects below `prefix`, sorted.
    pub fn list(&self, prefix: &str) -> Vec<(String, u64)> {
        let (store, prefix) = (self.store.clone(), Path::from(prefix));
        let listed = block_on(async move {
            store
                .list(Some(&prefix))
                .map_ok(|o| (o.location.to_string(), o.size))
                .try_collect()
                .await
        });
        let mut listed: Vec<(String, u64)> = listed.expect("the bucket can be listed");
        listed.sort();
        listed
    }
    pub fn read(&self, path: &str) -> Bytes {
        let (store, location) = (self.store.clone(), raw(path));
        let read = block_on(async move { store.get(&location).await?.bytes().await });
        read.unwrap_or_else(|e| panic!("reading {path}: {e}"))
    }
    pub fn write(&self, path: &str, content: impl Into<Bytes>) {
        let (store, location, content) = (self.store.clone(), raw(path), content.into());
        let put = block_on(async move { store.put(&location, content.into()).await });
        put.unwrap_or_else(|e| panic!("writing {path}: {e}"));
    }
    /// Every `.parquet` file below `prefix`.
    pub fn parquet(&self, prefix: &str) -> Vec<ParquetFile> {
        let files = self.list(prefix).into_iter().map(|(path, _)| path);
        let files = files.filter(|path| path.ends_with(".parquet"));
        files.map(|path| ParquetFile { batches: batches(self.read(&path)), path }).collect()
    }
}

impl ParquetFile {
    /// The `key=value` directories of the path, with Hive's `%3A` read back.
    pub fn partition(&self) -> BTreeMap<String, String> {
        let pairs = self.path.split('/').filter_map(|part| part.split_once('='));
        pairs.map(|(key, value)| (unescape(key), unescape(value))).collect()
    }
}

/// The path as it was listed: `Path::from` would escape its `%` once more.
fn raw(path: &str) -> Path {
    Path::parse(path).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// The rows of a Parquet file.
pub fn batches(file: Bytes) -> Vec<RecordBatch> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).expect("a Parquet file");
    let reader = reader.build().expect("its footer is whole");
    reader.collect::<Result<_, _>>().expect("its pages are whole")
}

fn unescape(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let code = tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match code.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) if *first == b'%' => {
                out.push(byte);
                rest = &tail[2..];
            }
            _ => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8(out).expect("an escaped name is UTF-8")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, RecordBatch};
    use parquet::arrow::ArrowWriter;

    use super::{Bucket, unescape};

    #[test]
    fn hive_names_are_read_back() {
        assert_eq!(unescape("2024-01-15 10%3A29%3A00"), "2024-01-15 10:29:00");
        assert_eq!(unescape("100%"), "100%");
    }

    #[test]
    fn parquet_written_to_a_bucket_is_listed_and_read() {
        let Some(bucket) = Bucket::from_env() else { return };
        let column: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
        let rows = RecordBatch::try_from_iter([("a", column)]).expect("one column");
        let mut file = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut file, rows.schema(), None).expect("a schema");
        writer.write(&rows).expect("memory");
        writer.close().expect("memory");
        let path = "out/day=2024-01-15 10%3A29/part-0.parquet";
        bucket.write(path, file.clone());
        bucket.write("out/_SUCCESS", "");
        let expected = vec![("out/_SUCCESS".into(), 0), (path.to_string(), file.len() as u64)];
        assert_eq!(bucket.list("out"), expected);
        let files = bucket.parquet("out");
        assert_eq!(files.len(), 1);
        assert_eq!(files[0].partition()["day"], "2024-01-15 10:29");
        assert_eq!(files[0].batches, [rows]);
        assert!(Bucket::from_env().expect("as above").list("").is_empty());
    }
}
