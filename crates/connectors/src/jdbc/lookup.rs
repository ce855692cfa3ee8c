//! Rows by key: one statement for all keys of an epoch, the keys as arrays, never in its text.

use std::error::Error as Cause;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, SchemaRef};
use async_trait::async_trait;
use brooklet_core::lookup::{Answers, LookupSpec};
use brooklet_core::schema::TableDef;
use brooklet_core::{Error, Lookup, Result};
use tokio_postgres::types::{FromSql, ToSql, Type};

use super::read::Values;
use super::select;
use super::session::{Access, Session};
use super::target::{Found, by_name, quote};
use super::values::{ColumnParam, Wire};

struct PostgresLookup {
    access: Access,
    /// None after a failure: the next question logs in again.
    session: Option<Session>,
    /// For messages: the table's name in SQL.
    table: String,
    text: String,
    keys: Vec<Wire>,
    columns: SchemaRef,
}

/// Logs in and checks the table against its DDL.
pub async fn open(spec: LookupSpec) -> Result<Box<dyn Lookup>> {
    let access = Access::for_reading(&spec.table)?;
    let mut session = access.connect().await?;
    let found = select::find(&access, &session, &spec.table).await?;
    let (mut keys, mut conditions, mut faults) = (Vec::new(), Vec::new(), Vec::new());
    for (i, field) in spec.keys.fields().iter().enumerate() {
        match condition(&spec.table, field.name(), field.data_type(), &found.columns, i) {
            Ok((wire, text)) => {
                keys.push(wire);
                conditions.push(text);
            }
            Err(fault) => faults.push(fault),
        }
    }
    let columns = found.expressions(&spec.table, &spec.columns).unwrap_or_else(|more| {
        faults.extend(more);
        Vec::new()
    });
    if !faults.is_empty() {
        return Err(found.does_not_fit(&access, &spec.table, &faults));
    }
    let text = statement(&found.relation.name, &columns, &conditions, keys.len());
    let lookup = PostgresLookup {
        table: spec.table.name.clone(),
        text,
        keys,
        columns: spec.columns,
        session: None,
        access,
    };
    let prepared = session.prepare(&lookup.text, &lookup.types()).await;
    prepared.map_err(|e| lookup.fault(e))?;
    Ok(Box::new(PostgresLookup { session: Some(session), ..lookup }))
}

/// Key number `n` belongs to the nth elements of the arrays.
fn statement(relation: &str, columns: &[String], conditions: &[String], keys: usize) -> String {
    let arrays: Vec<String> = (1..=keys).map(|i| format!("${i}")).collect();
    let names: Vec<String> = (0..keys).map(|i| format!("k{i}")).collect();
    format!(
        "SELECT u.n, f.* FROM unnest({}) WITH ORDINALITY AS u({}, n) CROSS JOIN LATERAL \
         (SELECT {} FROM {relation} AS t WHERE {}) AS f ORDER BY u.n",
        arrays.join(", "),
        names.join(", "),
        columns.join(", "),
        conditions.join(" AND ")
    )
}

/// How a column is compared with a key: as it is where Postgres compares the two, so that an index
/// serves, as text where only their texts can be equal.
fn condition(
    table: &TableDef,
    name: &str,
    ty: &DataType,
    found: &[Found],
    number: usize,
) -> Result<(Wire, String), String> {
    let sql_type = || table.column(name).map(|c| c.ty.to_string()).unwrap_or_default();
    let wire = Wire::of(ty).filter(|wire| *wire != Wire::List);
    let wire = wire.ok_or_else(|| format!("column '{name}' of type {} is no key", sql_type()))?;
    let column = by_name(found, name).ok_or_else(|| format!("it has no column '{name}'"))?;
    let base = column.base.as_str();
    let number_there = matches!(base, "int2" | "int4" | "int8" | "float4" | "float8" | "numeric");
    let comparable = match wire {
        Wire::Bool => base == "bool",
        Wire::Int2 | Wire::Int4 | Wire::Int8 | Wire::Float4 | Wire::Float8 | Wire::Numeric => {
            number_there
        }
        Wire::Text => matches!(base, "text" | "varchar" | "bpchar" | "name"),
        Wire::Bytea => base == "bytea",
        Wire::Date | Wire::Timestamp | Wire::Timestamptz => {
            matches!(base, "date" | "timestamp" | "timestamptz")
        }
        Wire::Time => base == "time",
        Wire::List => false,
    };
    let column_name = quote(&column.name);
    match (comparable, wire) {
        (true, _) => Ok((wire, format!("t.{column_name} = u.k{number}"))),
        (false, Wire::Text) => Ok((wire, format!("t.{column_name}::text = u.k{number}"))),
        _ => Err(format!("column '{name}' is {} and not {} there", column.ty, sql_type())),
    }
}

impl PostgresLookup {
    fn types(&self) -> Vec<Type> {
        self.keys.iter().map(|wire| wire.array()).collect()
    }

    fn fault(&self, error: tokio_postgres::Error) -> Error {
        self.access.fault(&format!("could not look rows of table '{}' up", self.table), error)
    }

    async fn rows(
        &self,
        session: &mut Session,
        keys: &RecordBatch,
    ) -> Result<Vec<tokio_postgres::Row>, tokio_postgres::Error> {
        let all: Vec<u32> = (0..keys.num_rows() as u32).collect();
        let statement = session.prepare(&self.text, &self.types()).await?;
        let columns = keys.columns().iter().zip(&self.keys);
        let parameters: Vec<ColumnParam<'_>> =
            columns.map(|(column, wire)| ColumnParam { column, rows: &all, wire: *wire }).collect();
        let parameters: Vec<&(dyn ToSql + Sync)> =
            parameters.iter().map(|p| p as &(dyn ToSql + Sync)).collect();
        session.client.query(&statement, &parameters).await
    }

    fn answers(&self, rows: &[tokio_postgres::Row]) -> Result<Answers> {
        let columns = self.columns.fields().iter().map(|f| Values::of(f.data_type()));
        let mut columns = columns.collect::<Result<Vec<_>>>()?;
        let mut of = Vec::with_capacity(rows.len());
        for row in rows {
            let number: i64 = row.try_get(0).map_err(|e| self.fault(e))?;
            of.push((number - 1) as u32);
            for (i, column) in columns.iter_mut().enumerate() {
                let value: Option<Raw<'_>> = row.try_get(i + 1).map_err(|e| self.fault(e))?;
                column.push(value.map(|raw| raw.0)).map_err(|wrong| {
                    let name = self.columns.field(i).name();
                    Error::data(format!("column '{name}' of table '{}': {wrong}", self.table))
                })?;
            }
        }
        let columns = columns.iter_mut().map(Values::finish).collect::<Result<_>>()?;
        let count = RecordBatchOptions::new().with_row_count(Some(of.len()));
        let rows = RecordBatch::try_new_with_options(self.columns.clone(), columns, &count)?;
        Ok(Answers { rows, of })
    }
}

#[async_trait]
impl Lookup for PostgresLookup {
    async fn ask(&mut self, keys: &RecordBatch) -> Result<Answers> {
        let mut session = match self.session.take() {
            Some(session) => session,
            None => self.access.connect().await?,
        };
        let rows = self.rows(&mut session, keys).await.map_err(|e| self.fault(e))?;
        self.session = Some(session);
        self.answers(&rows)
    }
}

/// A value as it came.
struct Raw<'a>(&'a [u8]);

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Cause + Sync + Send>> {
        Ok(Raw(raw))
    }
    fn accepts(_: &Type) -> bool {
        true
    }
}
