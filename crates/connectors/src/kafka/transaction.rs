//! A transactional producer: one transaction at a time, everything in it or nothing. Blocks.

use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use brooklet_core::{Error, Result};
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext, PurgeConfig};
use rdkafka::{ClientConfig, ClientContext};

use super::properties;

/// For one question to the transaction's coordinator.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Without any progress for so long it is an outage, and a new producer looks what became of it.
const PATIENCE: Duration = Duration::from_secs(15);

pub struct Session {
    producer: BaseProducer<Context>,
}

/// What the client reports beside answers.
#[derive(Default)]
struct Context {
    reports: Mutex<Reports>,
}

#[derive(Default)]
struct Reports {
    /// The first record that was not written.
    failed: Option<KafkaError>,
    /// The brokers refused our credentials.
    refused: Option<String>,
}

impl Context {
    fn reports(&self) -> MutexGuard<'_, Reports> {
        self.reports.lock().unwrap_or_else(|broken| broken.into_inner())
    }
}

impl ClientContext for Context {
    /// An outage is told once by whoever waits for it.
    fn log(&self, _: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!("Kafka producer: {facility}: {message}");
    }
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!("Kafka producer: {error}: {reason}");
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::Authentication) {
            self.reports().refused = Some(reason.to_string());
        }
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, _: ()) {
        if let Err((error, _)) = result {
            self.reports().failed.get_or_insert_with(|| error.clone());
        }
    }
}

/// One record to send.
pub struct Record<'a> {
    pub topic: &'a str,
    pub partition: Option<i32>,
    pub key: Option<&'a [u8]>,
    /// None: a record without a value, which deletes its key.
    pub value: Option<&'a [u8]>,
    pub timestamp: Option<i64>,
    pub headers: Option<OwnedHeaders>,
}

impl Session {
    /// A producer of that transactional id: the one before is fenced, its open transaction
    /// brought to an end.
    pub fn open(config: &ClientConfig, id: &str) -> Result<Session> {
        let mut config = config.clone();
        config.set("transactional.id", id);
        let producer = BaseProducer::from_config_and_context(&config, Context::default())
            .map_err(properties::refused)?;
        let session = Session { producer };
        match session.producer.init_transactions(TIMEOUT) {
            Ok(()) => Ok(session),
            Err(e) => Err(session.fault("transactions cannot be started", e)),
        }
    }

    pub fn begin(&self) -> Result<()> {
        self.producer.context().reports().failed = None;
        let begun = self.producer.begin_transaction();
        begun.map_err(|e| self.fault("a transaction cannot be started", e))
    }

    /// Puts a record into the transaction; waits while the client's buffer is full.
    pub fn send(&self, record: Record<'_>) -> Result<()> {
        let mut next: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(record.topic);
        next.partition = record.partition;
        next.key = record.key;
        next.payload = record.value;
        next.timestamp = record.timestamp;
        next.headers = record.headers;
        let started = now();
        loop {
            let (error, back) = match self.producer.send(next) {
                Ok(()) => return Ok(()),
                Err(refused) => refused,
            };
            if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
                return Err(self.fault("a record cannot be written", error));
            }
            self.check()?;
            if started.elapsed() > PATIENCE {
                return Err(Error::outside("Kafka takes no records"));
            }
            self.producer.poll(Duration::from_millis(1));
            next = back;
        }
    }

    /// Everything sent is there for readers of committed records when this returns Ok. After an
    /// error nobody knows: only a new session can tell.
    pub fn commit(&self) -> Result<()> {
        let (mut moved, mut open) = (now(), self.producer.in_flight_count());
        // The client's own flush waits in steps of 100 ms.
        while open > 0 {
            self.producer.poll(Duration::from_millis(1));
            self.check()?;
            let left = self.producer.in_flight_count();
            if left < open {
                moved = now();
            } else if moved.elapsed() > PATIENCE {
                return Err(Error::outside("Kafka does not confirm records"));
            }
            open = left;
        }
        self.check()?;
        let started = now();
        loop {
            match self.producer.commit_transaction(TIMEOUT) {
                Ok(()) => return Ok(()),
                Err(KafkaError::Transaction(e))
                    if e.is_retriable() && started.elapsed() < PATIENCE => {}
                Err(e) => return Err(self.fault("a transaction cannot be committed", e)),
            }
        }
    }

    /// Ends the open transaction without effect, as far as that is possible: readers of
    /// committed records need not wait until it times out.
    pub fn give_up(self) {
        self.producer.purge(PurgeConfig::default().queue().inflight());
        for _ in 0..1_000 {
            if self.producer.in_flight_count() == 0 {
                break;
            }
            self.producer.poll(Duration::from_millis(1));
        }
        if let Err(e) = self.producer.abort_transaction(Duration::from_secs(2)) {
            tracing::debug!("a Kafka transaction was left open: {e}");
        }
    }

    fn check(&self) -> Result<()> {
        let failed = self.producer.context().reports().failed.take();
        let Some(mut e) = failed else { return Ok(()) };
        let purged = [RDKafkaErrorCode::PurgeQueue, RDKafkaErrorCode::PurgeInflight];
        if e.rdkafka_error_code().is_some_and(|code| purged.contains(&code))
            && let Err(reason) = self.producer.commit_transaction(Duration::from_secs(1))
        {
            // The transaction failed as a whole and knows why.
            e = reason;
        }
        Err(self.fault("a record was not written", e))
    }

    /// What an error asks for.
    fn fault(&self, what: &str, error: KafkaError) -> Error {
        use RDKafkaErrorCode as Code;
        self.producer.poll(Duration::ZERO);
        if let Some(reason) = &self.producer.context().reports().refused {
            return Error::refused(format!("Kafka refused the user or password: {reason}"));
        }
        let fatal = self.producer.client().fatal_error();
        let code = fatal.map(|(code, _)| code).or(error.rdkafka_error_code());
        let advice = match code {
            Some(Code::TransactionalIdAuthorizationFailed) => {
                "grant WRITE and DESCRIBE on transactional ids that start with \
                 'sink.transactional-id-prefix'"
            }
            Some(Code::TopicAuthorizationFailed) => "grant WRITE and DESCRIBE on the topic",
            Some(Code::ClusterAuthorizationFailed) => "grant IDEMPOTENT_WRITE on the cluster",
            Some(Code::MessageSizeTooLarge) => {
                "the record is too large: raise 'properties.max.request.size' and the topic's \
                 max.message.bytes"
            }
            Some(Code::UnknownTopic | Code::UnknownTopicOrPartition) => "the topic does not exist",
            Some(Code::InvalidTransactionTimeout) => {
                "lower 'properties.transaction.timeout.ms' below the broker's \
                 transaction.max.timeout.ms"
            }
            _ => return Error::outside(format!("Kafka: {what}")).caused_by(error),
        };
        Error::refused(format!("Kafka: {what}, {advice}")).caused_by(error)
    }
}

/// For how long a service is waited for, never for what an epoch holds.
#[allow(clippy::disallowed_methods, reason = "no record and no state depends on this wait")]
fn now() -> Instant {
    Instant::now()
}
