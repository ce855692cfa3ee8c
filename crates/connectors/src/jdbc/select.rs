//! The statement that reads a table: only the columns that are needed, each in the type that its
//! values travel in. Every difference between the DDL and Postgres is found before the first row.

use arrow::datatypes::{DataType, SchemaRef};
use brooklet_core::schema::TableDef;
use brooklet_core::{Error, Result};
use tokio_postgres::types::Type;

use super::session::{Access, Session};
use super::target::{self, Found, Relation, quote};
use super::values::Wire;

/// A checked SELECT.
#[derive(Debug)]
pub struct Select {
    /// For messages: the table's name in SQL.
    pub table: String,
    pub text: String,
    /// What a row becomes.
    pub schema: SchemaRef,
}

/// A table in Postgres.
pub struct There {
    pub relation: Relation,
    pub columns: Vec<Found>,
}

/// Looks a table up.
pub async fn find(access: &Access, session: &Session, table: &TableDef) -> Result<There> {
    let name = table.options.required("table-name")?;
    let relation = target::find(access, session, name).await?.ok_or_else(|| {
        Error::refused(format!(
            "table '{}': Postgres at {} has no table '{name}'",
            table.name,
            access.place()
        ))
    })?;
    let columns = target::columns(access, session, &relation).await?;
    Ok(There { relation, columns })
}

impl There {
    /// The columns of `schema` as a statement asks for them, or every fault.
    pub fn expressions(
        &self,
        table: &TableDef,
        schema: &SchemaRef,
    ) -> Result<Vec<String>, Vec<String>> {
        let (mut columns, mut faults) = (Vec::new(), Vec::new());
        for field in schema.fields() {
            match expression(table, field.name(), field.data_type(), &self.columns) {
                Ok(text) => columns.push(text),
                Err(fault) => faults.push(fault),
            }
        }
        if faults.is_empty() { Ok(columns) } else { Err(faults) }
    }

    pub fn does_not_fit(&self, access: &Access, table: &TableDef, faults: &[String]) -> Error {
        Error::refused(format!(
            "table '{}' does not fit {} in Postgres at {}: {}",
            table.name,
            self.relation.name,
            access.place(),
            faults.join("; ")
        ))
    }
}

/// Looks the table up and has Postgres check the statement.
pub async fn open(
    access: &Access,
    session: &Session,
    table: &TableDef,
    schema: SchemaRef,
) -> Result<Select> {
    let there = find(access, session, table).await?;
    let mut faults = Vec::new();
    let columns = there.expressions(table, &schema).unwrap_or_else(|more| {
        faults.extend(more);
        Vec::new()
    });
    let range = range(table, &there.columns).unwrap_or_else(|fault| {
        faults.push(fault);
        String::new()
    });
    if !faults.is_empty() {
        return Err(there.does_not_fit(access, table, &faults));
    }
    let relation = &there.relation.name;
    let text = format!("SELECT {} FROM {relation}{range}", columns.join(", "));
    let checked = session.client.prepare(&text).await;
    checked.map_err(|e| access.fault(&format!("could not read {relation}"), e))?;
    Ok(Select { table: table.name.clone(), text, schema })
}

/// A column as the statement asks for it, or why it cannot.
fn expression(
    table: &TableDef,
    name: &str,
    ty: &DataType,
    found: &[Found],
) -> Result<String, String> {
    let sql_type = || table.column(name).map(|c| c.ty.to_string()).unwrap_or_default();
    let wire = Wire::of(ty)
        .ok_or_else(|| format!("column '{name}' of type {} cannot be read", sql_type()))?;
    let column = target::by_name(found, name)
        .ok_or_else(|| format!("it has no column '{name}' ({})", names(found)))?;
    let cast = cast(wire, ty, column)
        .ok_or_else(|| format!("column '{name}' is {} and not {} there", column.ty, sql_type()))?;
    Ok(format!("{}{cast}", quote(&column.name)))
}

fn names(found: &[Found]) -> String {
    let names: Vec<&str> = found.iter().map(|c| c.name.as_str()).collect();
    format!("it has {}", names.join(", "))
}

/// The cast from a column to the type its values travel in, empty when none is needed; None when
/// they do not belong there. Narrowing is allowed (Postgres refuses a value that does not fit),
/// losing digits silently is not.
fn cast(wire: Wire, ty: &DataType, column: &Found) -> Option<String> {
    let base = column.base.as_str();
    let int = matches!(base, "int2" | "int4" | "int8");
    let float = matches!(base, "float4" | "float8");
    let fits = match wire {
        Wire::Bool => base == "bool",
        Wire::Int2 | Wire::Int4 | Wire::Int8 => int,
        Wire::Float4 => int || base == "float4" || base == "numeric",
        Wire::Float8 => int || float || base == "numeric",
        Wire::Numeric => int || base == "numeric",
        Wire::Text => {
            matches!(column.category.as_str(), "S" | "E" | "I")
                || (column.category == "U" && base != "bytea")
        }
        Wire::Bytea => base == "bytea",
        Wire::Date => base == "date",
        Wire::Time => base == "time",
        Wire::Timestamp => matches!(base, "timestamp" | "timestamptz" | "date"),
        Wire::Timestamptz => matches!(base, "timestamp" | "timestamptz"),
        Wire::List => column.category == "A",
    };
    let item = match ty {
        DataType::List(item) => Some(Wire::of(item.data_type())?),
        _ => None,
    };
    // Padded texts arrive as they are, a cast would cut the blanks off.
    let as_is = wire.element().name() == base
        || (wire.element() == Type::TEXT && matches!(base, "varchar" | "bpchar" | "name"));
    fits.then(|| match item {
        Some(item) => format!("::{}[]", item.element().name()),
        None if as_is => String::new(),
        None => format!("::{}", wire.element().name()),
    })
}

/// The rows of all partitions.
fn range(table: &TableDef, found: &[Found]) -> Result<String, String> {
    let Some(name) = table.options.get("scan.partition.column") else { return Ok(String::new()) };
    let column = target::by_name(found, name)
        .ok_or_else(|| format!("it has no column '{name}' ({})", names(found)))?;
    let bound = |key: &str| match table.options.int(key) {
        Ok(Some(bound)) => Ok(bound),
        Ok(None) => Err(format!("option '{key}' is missing")),
        Err(e) => Err(e.message),
    };
    let (from, to) = (bound("scan.partition.lower-bound")?, bound("scan.partition.upper-bound")?);
    Ok(format!(" WHERE {} BETWEEN {from} AND {to}", quote(&column.name)))
}
