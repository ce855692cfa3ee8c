//! The complaints pipeline as it stands in `pipelines/complaints`, and complaints for it.

pub mod generate;

use std::path::Path;

use brooklet_testkit::services::{Bucket, Kafka, Postgres, Topic};

use crate::pipeline::{PATIENCE, Pipeline, Scratch};

/// Where the SQL files and the sample stand.
pub const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../pipelines/complaints");

/// A pipeline with a database of its own, which holds the reference tables.
pub struct ComplaintsRun {
    pub pipeline: Pipeline,
    pub postgres: Postgres,
    pub bucket: Bucket,
}

impl ComplaintsRun {
    /// Reads `topic` from its beginning and the reference tables every `refresh`; `settings` are
    /// statements put before the file's.
    pub fn new(scratch: &Scratch, topic: &Topic, settings: &str, refresh: &str) -> ComplaintsRun {
        let postgres = Postgres::from_env().expect("Postgres is up");
        postgres.run(&read(format!("{FOLDER}/reference.sql")));
        let kafka = Kafka::from_env().expect("Kafka is up");
        let bucket = Bucket::from_env().expect("S3 is up");
        let text = read(format!("{FOLDER}/pipeline.sql"));
        let pipeline = Pipeline::new(scratch, "complaints", &format!("{settings}{text}"));
        let state = pipeline.state().parent().expect("below a directory").to_path_buf();
        let pipeline = pipeline
            .env("CHECKPOINT_LOCATION", state.to_string_lossy())
            .env("KAFKA_BOOTSTRAP_SERVERS", kafka.brokers())
            .env("KAFKA_TOPIC", topic.name.as_str())
            .env("KAFKA_GROUP_ID", format!("group-{}", postgres.database()))
            .env("REFERENCE_REFRESH", refresh)
            .env("CHECKPOINT_INTERVAL", "300 ms")
            .env("S3_BUCKET_NAME", bucket.name.as_str())
            .env("POSTGRES_HOST", "127.0.0.1")
            .env("POSTGRES_PORT", postgres.port().to_string())
            .env("DB_NAME", postgres.database())
            .env("POSTGRES_USER", postgres.user())
            .env("POSTGRES_PASSWORD", postgres.password());
        ComplaintsRun { pipeline, postgres, bucket }
    }

    /// Runs to the end that the topic has now.
    pub fn finish(&self) {
        let command = self.pipeline.command(&[]).env("KAFKA_BOUNDED_MODE", "latest-offset");
        command.run(PATIENCE).expect_code(0);
    }
}

/// A file's text.
pub fn read(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}
