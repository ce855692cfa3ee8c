//! Format `avro-confluent`: binary records that name their schema in a schema registry.
//!
//! ```sql
//! CREATE TABLE orders (id BIGINT NOT NULL, buyer STRING, total DECIMAL(10, 2))
//! WITH ('connector' = 'kafka', …, 'format' = 'avro-confluent',
//!   'avro-confluent.url' = 'http://localhost:8081');
//! ```
//!
//! A record is a byte 0, the schema's number in four bytes, the highest first, and the value in
//! Avro's binary encoding: what the serializers of Confluent, Karapace, Apicurio and Redpanda write
//! and read. For the value and the key of `kafka` and `upsert-kafka`.
//!
//! **Reading.** Each record is read with the schema it was written with, so that topics may hold
//! many versions. A column is found by its name: fields that no column wants are passed over, and a
//! column whose field the writer did not have is NULL. Types go together as in format `avro`. With
//! `avro-confluent.schema` the reader's schema is given instead of derived: its aliases are other
//! names of a column, its defaults stand for fields that were not written. A branch of a union that
//! its column cannot take makes only those records bad that use it.
//!
//! A schema is asked for when a record names it first, kept with the pipeline's state, and never
//! asked for again. While the registry does not answer the sources wait, and nothing is lost. Dead
//! letters are: records that are too short or do not begin with byte 0, whose schema the registry
//! does not have (until it has), whose schema does not go together with the table, is not Avro or
//! refers to other schemas.
//!
//! **Writing.** At the start the schema that follows from the columns, the same as Flink derives,
//! or `avro-confluent.schema`, is registered under `avro-confluent.subject`. One that the registry
//! refuses, because it is not compatible with the versions before, ends the start with the
//! registry's reason. Rows are insertions; in `upsert-kafka` also updates and deletions.
//!
//! **Access.** Name and password by `basic-auth.*` or in the URL, or a token by `bearer-auth.*`;
//! `https` trusts the system's certificates and those of `ssl.truststore.location`. Stores are PEM
//! files. `properties.*` take the same under the registry client's names (`basic.auth.user.info`,
//! `schema.registry.ssl.truststore.location`, …), and `http.connect.timeout.ms` and
//! `http.read.timeout.ms`.
//!
//! **Differences from Flink.** Those of format `avro`. A column may have another name or default
//! only by `avro-confluent.schema`, which needs not have the table's NOT NULLs.
//! `basic-auth.user-info` is used also without a source. Token services (OAUTHBEARER, SASL_INHERIT)
//! and stores of Java (JKS) are not offered.

mod decode;
mod encode;
mod options;
mod registry;
#[cfg(test)]
mod tests;
mod wire;

use brooklet_core::connector::{Format, RegistrySide};

pub const FORMAT: Format = Format {
    name: "avro-confluent",
    options: options::OPTIONS,
    decoder: Some(decode::open),
    encoder: None,
    registry: Some(RegistrySide { schemas: decode::schemas, encoder: encode::open }),
    decode_file: None,
    encode_file: None,
    framing: None,
    changelog: false,
    extension: "avro",
};
