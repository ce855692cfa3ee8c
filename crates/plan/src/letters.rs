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
    /// Counted only.
    Drop,
    /// A warning each; at least once.
    Log,
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
        match value {
            "log" => Ok(LetterTarget::Log),
            "drop" if kind == LetterKind::Late => Ok(LetterTarget::Drop),
            path if path.contains('/') && !path.starts_with("topic:") => {
                Ok(LetterTarget::Path(path.to_string()))
            }
            other => {
                let drop = if kind == LetterKind::Late { "drop, " } else { "" };
                Err(Error::config(format!(
                    "'{}' = '{other}': expected {drop}log, topic:NAME, or a path such as \
                     './set-aside', 'file:///var/set-aside' or 's3://bucket/set-aside'",
                    kind.setting()
                )))
            }
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
/// text, or as Base64 when it is no UTF-8 (`encoding` says which). `row` is the row at the node
/// that refused it, as a JSON text; a record that was not decoded has none, and a row that was
/// made of many records has neither position nor bytes.
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
    ]
}

/// What the name of a table of records set aside starts with: no name in SQL text does, unless
/// somebody quotes it.
pub const LETTER_TABLE: &str = "records set aside in ";

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
        for wrong in ["", "lgo", "drop", "topic:", "topic:a b", "topic:a/b", "topic:.."] {
            let error = dead(Some(wrong)).unwrap_err().message;
            assert!(error.contains("dead-letters") && error.contains("topic:NAME"), "{error}");
        }
        assert_eq!(late(Some("drop")).unwrap(), LetterTarget::Drop);
    }
}
