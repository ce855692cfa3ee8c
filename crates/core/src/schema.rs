//! A table as its DDL declares it.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};

use crate::options::Options;
use crate::time::Millis;
use crate::types::SqlType;

/// One CREATE TABLE, checked: options exist, types are known. Names are case-sensitive.
#[derive(Debug, Clone)]
pub struct TableDef {
    pub name: String,
    /// All columns in declared order.
    pub columns: Vec<ColumnDef>,
    pub watermark: Option<WatermarkDef>,
    /// Empty without PRIMARY KEY … NOT ENFORCED.
    pub primary_key: Vec<String>,
    pub partitioned_by: Vec<String>,
    /// WITH options, and `brooklet.table.<name>.<key>` settings as `brooklet.<key>`.
    pub options: Options,
    pub comment: Option<String>,
}

#[derive(Debug, Clone)]
pub struct ColumnDef {
    pub name: String,
    pub ty: SqlType,
    pub nullable: bool,
    pub kind: ColumnKind,
    pub comment: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum ColumnKind {
    Physical,
    /// METADATA [FROM 'key'] [VIRTUAL].
    Metadata {
        key: String,
        read_only: bool,
    },
    /// `name AS expr`: the text of the expression.
    Computed {
        expr: String,
    },
}

/// WATERMARK FOR column AS column − delay.
#[derive(Debug, Clone)]
pub struct WatermarkDef {
    pub column: String,
    pub delay_ms: Millis,
}

impl TableDef {
    pub fn connector(&self) -> &str {
        self.options.get("connector").unwrap_or_default()
    }
    /// Records are upserts by the primary key, and one without a value deletes.
    pub fn is_upserts(&self) -> bool {
        self.connector() == "upsert-kafka"
    }
    pub fn column(&self, name: &str) -> Option<&ColumnDef> {
        self.columns.iter().find(|c| c.name == name)
    }
    /// Everything a query may read, in declared order.
    pub fn read_schema(&self) -> SchemaRef {
        self.schema_of(|_| true)
    }
    /// Everything an INSERT must give, in declared order: no computed and no virtual columns.
    pub fn write_schema(&self) -> SchemaRef {
        self.schema_of(|c| match &c.kind {
            ColumnKind::Physical => true,
            ColumnKind::Metadata { read_only, .. } => !read_only,
            ColumnKind::Computed { .. } => false,
        })
    }
    pub fn physical_schema(&self) -> SchemaRef {
        self.schema_of(|c| c.kind == ColumnKind::Physical)
    }
    fn schema_of(&self, keep: impl Fn(&ColumnDef) -> bool) -> SchemaRef {
        let fields: Vec<Field> =
            self.columns.iter().filter(|c| keep(c)).map(ColumnDef::field).collect();
        Arc::new(Schema::new(fields))
    }
}

impl ColumnDef {
    pub fn field(&self) -> Field {
        self.ty.field(&self.name, self.nullable)
    }
}
