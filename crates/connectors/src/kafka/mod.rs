//! `'connector' = 'kafka'`: topics as tables.
//!
//! Reads one or more topics. Positions are kept by brooklet, not by the group: each start goes on
//! exactly where the last one ended, and `scan.startup.mode` decides the first start only. After
//! each snapshot the positions are also committed to `properties.group.id`, if there is one, so
//! that lag can be watched with the usual tools.
//!
//! `properties.*` are passed to the client under the Java client's names: TLS (PEM stores, PKCS12
//! for keys), SASL PLAIN and SCRAM with Java's `sasl.jaas.config`. Settings that only the Java
//! client has are ignored with a warning; those of logins and TLS are not looked at when
//! `security.protocol` has no use for them.
//!
//! `topic-pattern` reads all topics whose whole name it matches. Topics and partitions that are
//! created later are found every `scan.topic-partition-discovery.interval` and read from their
//! beginning; topics of Kafka itself are never matched. A topic that is deleted while it is read
//! stops the pipeline.
//!
//! `scan.bounded.mode` makes a table end; the end is looked up at each start.
//!
//! `create-table` = `if-not-exists` creates topics that are missing, at the first start also those
//! that are read (not by `topic-pattern`), with as many partitions as `create-table.partitions`
//! says.
//!
//! **Keys.** With `key.format` and `key.fields` some columns are read from and written to the
//! record's key. With `value.fields-include` = `ALL` the value has them too, and is what is read
//! then; with `EXCEPT_KEY` it has the others. A record whose key gives no row gives none.
//!
//! **Metadata columns:** `topic`, `partition`, `headers` (MAP<STRING, BYTES>; of several headers
//! with one name the last), `leader-epoch` (NULL when unknown), `offset`, `timestamp`,
//! `timestamp-type` (`CreateTime`, `LogAppendTime` or `NoTimestampType`). `timestamp` and
//! `headers` can be written; `topic` may stand in a sink and changes nothing; declare the others
//! VIRTUAL.
//!
//! **Writing.** Every epoch of the pipeline is one transaction over all Kafka tables of a cluster:
//! consumers with `isolation.level=read_committed` see each row once, also when the pipeline was
//! killed. The transaction also writes a record to the compacted topic `brooklet_commits`, which is
//! created when missing; the user needs CREATE for that, and WRITE on transactional ids that
//! start with `sink.transactional-id-prefix`. Keep `properties.bootstrap.servers` as it is while a
//! pipeline lives: it is part of the name under which its commits are found again.
//!
//! Records that were deleted before they were read stop the pipeline, unless
//! `SET 'brooklet.table.<table>.fail-on-data-loss' = 'false'`. A compacted topic that is
//! compacted between a crash and the restart replays without the records removed meanwhile.

use brooklet_core::connector::{
    Connector, Guarantee, MetadataColumn, SinkSide, SourceSide, of_log,
};
use brooklet_core::types::{Nullable, SqlType};

mod discovery;
pub mod drain;
#[cfg(test)]
mod login_tests;
mod marker;
pub(crate) mod options;
mod properties;
mod queue;
pub(crate) mod settings;
pub(crate) mod sink;
#[cfg(test)]
mod sink_tests;
pub(crate) mod source;
mod start;
#[cfg(test)]
mod tests;
mod topics;
mod transaction;
pub(crate) mod writer;

/// What a record carries beside key and value.
pub(crate) const METADATA: &[MetadataColumn] = &[
    MetadataColumn { key: "topic", ty: || SqlType::STRING },
    MetadataColumn { key: "partition", ty: || SqlType::Int },
    MetadataColumn { key: "headers", ty: headers },
    MetadataColumn { key: "leader-epoch", ty: || SqlType::Int },
    MetadataColumn { key: "offset", ty: || SqlType::BigInt },
    MetadataColumn { key: "timestamp", ty: || SqlType::TimestampLtz(3) },
    MetadataColumn { key: "timestamp-type", ty: || SqlType::STRING },
];

fn headers() -> SqlType {
    let never_null = |ty| Box::new(Nullable { ty, nullable: false });
    SqlType::Map(never_null(SqlType::STRING), never_null(SqlType::BYTES))
}

pub const CONNECTOR: Connector = Connector {
    name: "kafka",
    options: options::OPTIONS,
    metadata: METADATA,
    needs_format: true,
    check: settings::check,
    source: Some(SourceSide { open: source::open, bounded: settings::bounded, reading: of_log }),
    sink: Some(SinkSide {
        open: |spec| Box::pin(sink::open(spec)),
        domain: sink::domain,
        guarantee: Guarantee::ExactlyOnce,
        stages: false,
        keeps: false,
        replaces: false,
        accepts: writer::accepts,
    }),
    lookup: None,
};
