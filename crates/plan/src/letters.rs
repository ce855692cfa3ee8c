//! Where records go that could not be handled or came too late: `dead-letters`, `late-records`.
//!
//! They are rows of an ordinary Sink whose input is a Union of nothing, which the engine fills:
//! same epoch, same commit as every other row.

use brooklet_core::schema::{ColumnDef, ColumnKind, TableDef};
use brooklet_core::types::SqlType;
use brooklet_core::{Error, Result};

use crate::node::NodeId;

/// Why a record was set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LetterKind {
    /// It could not be decoded, or an expression failed on it.
    Dead,
    /// It came after its window had closed.
    Late,
}

/// The value of `dead-letters` or `late-records`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LetterTarget {
    /// The pipeline stops at it.
    Fail,
    /// Counted only.
    Drop,
    /// A warning each; at least once.
    Log,
    /// `brooklet_dead_letters` in the database that the pipeline writes its rows to.
    OwnTable,
    /// A table of the file.
    Table(String),
    /// A topic of the source table's cluster.
    Topic(String),
    /// A directory of JSON lines.
    Path(String),
}

/// What the engine does with the records of one table that are set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LetterRoute {
    pub table: String,
    pub kind: LetterKind,
    pub to: LetterTo,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LetterTo {
    Fail,
    Drop,
    Log,
    /// Rows of this node, a Union without inputs that feeds a Sink.
    Node(NodeId),
}

impl LetterKind {
    pub const ALL: [LetterKind; 2] = [LetterKind::Dead, LetterKind::Late];

    /// The table's setting, without `brooklet.`.
    pub fn setting(self) -> &'static str {
        match self {
            LetterKind::Dead => "dead-letters",
            LetterKind::Late => "late-records",
        }
    }
    /// As the column `kind` says it.
    pub fn name(self) -> &'static str {
        match self {
            LetterKind::Dead => "dead",
            LetterKind::Late => "late",
        }
    }
    fn default_target(self) -> LetterTarget {
        match self {
            LetterKind::Dead => LetterTarget::Log,
            LetterKind::Late => LetterTarget::Drop,
        }
    }
}

impl LetterTo {
    /// Of a table that says nothing.
    pub fn default_of(kind: LetterKind) -> LetterTo {
        match kind {
            LetterKind::Dead => LetterTo::Log,
            LetterKind::Late => LetterTo::Drop,
        }
    }
}

impl LetterTarget {
    /// The value of a setting; `Config` when it is none of the known forms.
    pub fn parse(kind: LetterKind, value: Option<&str>) -> Result<LetterTarget> {
        let Some(value) = value.map(str::trim) else { return Ok(kind.default_target()) };
        if let Some(topic) = value.strip_prefix("topic:").filter(|t| is_topic(t)) {
            return Ok(LetterTarget::Topic(topic.to_string()));
        }
        if let Some(table) = value.strip_prefix("table:").filter(|t| !t.is_empty()) {
            return Ok(LetterTarget::Table(table.to_string()));
        }
        match value {
            "log" => Ok(LetterTarget::Log),
            "table" => Ok(LetterTarget::OwnTable),
            "drop" if kind == LetterKind::Late => Ok(LetterTarget::Drop),
            "fail" if kind == LetterKind::Dead => Ok(LetterTarget::Fail),
            path if path.contains('/') && !path.starts_with("topic:") => {
                Ok(LetterTarget::Path(path.to_string()))
            }
            other => {
                let first = if kind == LetterKind::Late { "drop" } else { "fail" };
                Err(Error::config(format!(
                    "'{}' = '{other}': expected {first}, log, topic:NAME, table, table:NAME, or a \
                     path such as './set-aside', 'file:///var/set-aside' or \
                     's3://bucket/set-aside'",
                    kind.setting()
                )))
            }
        }
    }
    /// Dead letters as the connectors `kafka-safe` and `upsert-kafka-safe` of Flink SQL Runner name
    /// them; None when neither option is given.
    pub fn of_safe_kafka(handler: Option<&str>, topic: Option<&str>) -> Result<Option<Self>> {
        let wrong = |what: &str| Err(Error::config(what));
        let handler = handler.map(str::to_ascii_lowercase);
        match (handler.as_deref(), topic) {
            (None, None) => Ok(None),
            (Some("none"), None) => Ok(Some(LetterTarget::Fail)),
            (Some("log"), None) => Ok(Some(LetterTarget::Log)),
            (Some("kafka"), Some(topic)) if is_topic(topic) => {
                Ok(Some(LetterTarget::Topic(topic.to_string())))
            }
            (Some("kafka"), Some(topic)) => {
                Err(Error::config(format!("'{topic}' is no name of a topic")))
            }
            (Some("kafka"), None) => wrong(
                "'scan.deser-failure.handler' = 'kafka' needs 'scan.deser-failure.topic' as well",
            ),
            (_, Some(_)) => wrong(
                "'scan.deser-failure.topic' is for 'scan.deser-failure.handler' = 'kafka' only",
            ),
            (Some(other), None) => Err(Error::config(format!(
                "'scan.deser-failure.handler' = '{other}': expected none, log or kafka"
            ))),
        }
    }
    /// The value that `parse` reads as this.
    pub fn text(&self) -> String {
        match self {
            LetterTarget::Fail => "fail".to_string(),
            LetterTarget::Drop => "drop".to_string(),
            LetterTarget::Log => "log".to_string(),
            LetterTarget::OwnTable => "table".to_string(),
            LetterTarget::Table(name) => format!("table:{name}"),
            LetterTarget::Topic(name) => format!("topic:{name}"),
            LetterTarget::Path(path) => path.clone(),
        }
    }
    /// Whether records are shown to anybody: their bytes and positions are needed.
    pub fn is_kept(&self) -> bool {
        *self != LetterTarget::Drop
    }
}

/// Kafka's rule for names.
fn is_topic(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    (1..=249).contains(&name.len()) && name.chars().all(allowed) && name != "." && name != ".."
}

/// The columns of a record that was set aside, the same for every table.
///
/// `partition` and `offset` say where the record is in its source, `bytes` is what it held, as
/// text, or as Base64 when it is no UTF-8 or holds a NUL (`encoding` says which). `row` is the row
/// at the node that refused it, as a JSON text; a record that was not decoded has none, and a row
/// that was made of many records has neither position nor bytes. `replayable` says that nothing of
/// the record went anywhere else in the pipeline. `set_aside_at` is the time of its epoch,
/// `instance` the pipeline's (`--fresh` makes another).
pub fn letter_columns() -> Vec<ColumnDef> {
    let column = |name: &str, ty: SqlType| ColumnDef {
        name: name.to_string(),
        ty,
        nullable: true,
        kind: ColumnKind::Physical,
        comment: None,
    };
    vec![
        column("kind", SqlType::STRING),
        column("source", SqlType::STRING),
        column("partition", SqlType::STRING),
        column("offset", SqlType::BigInt),
        column("timestamp", SqlType::TimestampLtz(3)),
        column("reason", SqlType::STRING),
        column("node", SqlType::STRING),
        column("bytes", SqlType::STRING),
        column("encoding", SqlType::STRING),
        column("row", SqlType::STRING),
        column("replayable", SqlType::Boolean),
        column("set_aside_at", SqlType::TimestampLtz(3)),
        column("instance", SqlType::STRING),
    ]
}

/// What the name of a table of records set aside starts with: no name in SQL text does, unless
/// somebody quotes it.
pub const LETTER_TABLE: &str = "records set aside in ";

/// The table that `table` stands for.
pub const OWN_TABLE: &str = "brooklet_dead_letters";

/// Whether a column of [`letter_columns`] may be NULL.
pub fn may_be_null(column: &str) -> bool {
    matches!(column, "partition" | "offset" | "timestamp" | "bytes" | "encoding" | "row")
}

/// Whether a Sink's table takes records that are set aside.
pub fn is_letter_table(table: &TableDef) -> bool {
    table.name.starts_with(LETTER_TABLE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_told_apart() {
        let dead = |value| LetterTarget::parse(LetterKind::Dead, value);
        let late = |value| LetterTarget::parse(LetterKind::Late, value);
        assert_eq!(dead(None).unwrap(), LetterTarget::Log);
        assert_eq!(late(None).unwrap(), LetterTarget::Drop);
        assert_eq!(dead(Some("topic:bad-1.x_y")).unwrap(), LetterTarget::Topic("bad-1.x_y".into()));
        for path in ["./late", "late/", "/tmp/late", "file:///tmp/x", "s3://bucket/x"] {
            assert_eq!(late(Some(path)).unwrap(), LetterTarget::Path(path.into()));
        }
        for wrong in ["", "lgo", "drop", "topic:", "topic:a b", "topic:a/b", "topic:..", "table:"] {
            let error = dead(Some(wrong)).unwrap_err().message;
            assert!(error.contains("dead-letters") && error.contains("topic:NAME"), "{error}");
        }
        assert_eq!(late(Some("drop")).unwrap(), LetterTarget::Drop);
        assert_eq!(dead(Some("fail")).unwrap(), LetterTarget::Fail);
        assert!(late(Some("fail")).unwrap_err().message.contains("expected drop, log"));
        assert_eq!(late(Some("table:a b")).unwrap(), LetterTarget::Table("a b".into()));
        for text in ["fail", "log", "table", "table:t", "topic:t", "./x"] {
            assert_eq!(dead(Some(text)).unwrap().text(), text);
        }
    }

    #[test]
    fn safe_kafka_has_its_own_names() {
        let of = LetterTarget::of_safe_kafka;
        assert_eq!(of(None, None).unwrap(), None);
        assert_eq!(of(Some("none"), None).unwrap(), Some(LetterTarget::Fail));
        assert_eq!(of(Some("LOG"), None).unwrap(), Some(LetterTarget::Log));
        let topic = LetterTarget::Topic("bad".into());
        assert_eq!(of(Some("kafka"), Some("bad")).unwrap(), Some(topic));
        for (handler, topic) in [
            (Some("kafka"), None),
            (None, Some("bad")),
            (Some("log"), Some("bad")),
            (Some("kafka"), Some("a b")),
            (Some("maybe"), None),
        ] {
            assert!(of(handler, topic).is_err(), "{handler:?} {topic:?}");
        }
    }
}
