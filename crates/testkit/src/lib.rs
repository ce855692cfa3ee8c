//! What tests need and the product does not: real services, the built binary, generated events
//! with their expected results. A dev-dependency only.
//!
//! [`services`] Kafka, Postgres, S3 and a schema registry as the environment names them, [`binary`]
//! the built `brooklet` as a process that can be killed, [`exposition`] its metrics, [`devices`]
//! device events and a plain sequential recomputation of what the device pipeline must make of
//! them, [`oracle`] questions that a real Flink answered, [`dice`] seeded chance.

pub mod binary;
pub mod devices;
pub mod dice;
pub mod exposition;
pub mod oracle;
pub mod services;
