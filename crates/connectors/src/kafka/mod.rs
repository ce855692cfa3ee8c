//! `'connector' = 'kafka'`: topics as tables.
//!
//! Reads one or more topics. Positions are kept by brooklet, not by the group: each start goes on
//! exactly where the last one ended, and `scan.startup.mode` decides the first start only. After
//! each snapshot the positions are also committed to `properties.group.id`, if there is one, so
//! that lag can be watched with the usual tools.
//!
//! `properties.*` are passed to the client under the Java client's names: TLS (PEM stores, PKCS12
//! for keys), SASL PLAIN and SCRAM with Java's `sasl.jaas.config`. Settings that only the Java
//! client has are ignored with a warning.
//!
//! `scan.bounded.mode` makes a table end; the end is looked up at each start. Metadata columns:
//! `topic`, `partition`, `offset`, `timestamp`.
//!
//! Records that were deleted before they were read stop the pipeline, unless
//! `SET 'brooklet.table.<table>.fail-on-data-loss' = 'false'`. A compacted topic that is
//! compacted between a crash and the restart replays without the records removed meanwhile.

use brooklet_core::connector::{Connector, MetadataColumn, SourceSide};
use brooklet_core::types::SqlType;

pub mod drain;
mod options;
mod properties;
mod queue;
mod source;
mod start;
#[cfg(test)]
mod tests;

pub const CONNECTOR: Connector = Connector {
    name: "kafka",
    options: options::OPTIONS,
    metadata: &[
        MetadataColumn { key: "topic", ty: || SqlType::STRING },
        MetadataColumn { key: "partition", ty: || SqlType::Int },
        MetadataColumn { key: "offset", ty: || SqlType::BigInt },
        MetadataColumn { key: "timestamp", ty: || SqlType::TimestampLtz(3) },
    ],
    needs_format: true,
    source: Some(SourceSide { open: source::open, bounded: options::bounded }),
    sink: None,
};
