//! The table in Postgres, compared with the DDL: every difference is found before the first row.

use brooklet_core::schema::TableDef;
use brooklet_core::types::{MAX_LENGTH, SqlType};
use brooklet_core::{Error, Result};
use tokio_postgres::types::Type;

use super::session::{Access, Session};
use super::values::Wire;

/// Where the rows of one table go, ready to be written to.
#[derive(Debug, Clone)]
pub struct Target {
    /// The table's name in SQL.
    pub table: String,
    /// Quoted and qualified.
    pub name: String,
    /// Indexed like the columns an INSERT gives.
    pub columns: Vec<TargetColumn>,
    /// Indices of the primary key's columns; empty when rows are only appended.
    pub key: Vec<usize>,
    /// A row whose key exists is left as it is.
    pub ignore: bool,
    /// A refused row goes to brooklet_rejected.
    pub dead_letter: bool,
}

#[derive(Debug, Clone)]
pub struct TargetColumn {
    /// As the DDL says.
    pub label: String,
    /// Quoted.
    pub name: String,
    pub wire: Wire,
    /// `::type` where the parameter has another type than the column.
    pub cast: String,
}

/// A column as Postgres describes it.
pub struct Found {
    number: i16,
    pub name: String,
    /// Without length or precision: casting to these would cut silently.
    pub ty: String,
    pub base: String,
    pub category: String,
    not_null: bool,
    has_default: bool,
    generated: bool,
}

/// A table or view.
pub struct Relation {
    pub oid: u32,
    /// Quoted and qualified.
    pub name: String,
    kind: String,
}

pub fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Finds the table, creates it if the DDL says so, and compares.
pub async fn open(access: &Access, session: &Session, table: &TableDef) -> Result<Target> {
    let name = table.options.required("table-name")?;
    let mut relation = find(access, session, name).await?;
    if relation.is_none() && table.options.get("brooklet.create-table") == Some("if-not-exists") {
        create(access, session, table, name).await?;
        relation = find(access, session, name).await?;
    }
    let Some(relation) = relation else {
        return Err(Error::refused(format!(
            "table '{}': Postgres at {} has no table '{name}'; create it, or SET \
             'brooklet.table.{}.create-table' = 'if-not-exists'",
            table.name,
            access.place(),
            table.name
        )));
    };
    let target = compare(access, session, table, &relation).await?;
    privileges(access, session, table, &relation).await?;
    Ok(target)
}

/// The relation that a `table-name` means.
pub async fn find(access: &Access, session: &Session, name: &str) -> Result<Option<Relation>> {
    let fault = |e| access.fault(&format!("could not look for table '{name}'"), e);
    // As written first, then as Postgres reads names without quotes (Flink's dialect).
    let folded = quoted(&name.to_lowercase());
    let row = session
        .client
        .query_opt(
            "SELECT c.oid, n.nspname::text, c.relname::text, c.relkind::text \
             FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE c.oid = coalesce(to_regclass($1), to_regclass($2))::oid",
            &[&quoted(name), &folded],
        )
        .await
        .map_err(fault)?;
    Ok(row.map(|r| Relation {
        oid: r.get(0),
        name: format!("{}.{}", quote(r.get(1)), quote(r.get(2))),
        kind: r.get(3),
    }))
}

/// `schema.table` with each part quoted; a name that brings quotes is taken as it is.
fn quoted(name: &str) -> String {
    if name.contains('"') {
        return name.to_string();
    }
    name.split('.').map(quote).collect::<Vec<_>>().join(".")
}

async fn create(access: &Access, session: &Session, table: &TableDef, name: &str) -> Result<()> {
    let mut ddl = create_table(table, &quoted(name))?;
    if let Some(schema) = missing_schema(access, session, name).await? {
        ddl = format!("CREATE SCHEMA IF NOT EXISTS {schema};\n{ddl}");
    }
    match session.client.batch_execute(&ddl).await {
        Ok(()) => Ok(()),
        // Two creators at once: the other one was faster.
        Err(e) if e.code().is_some_and(|c| c.code() == "23505") => Ok(()),
        Err(e) => {
            let mut error = access.fault(&format!("could not create table '{name}'"), e);
            error.message.push_str(&format!("; as a user who may, run:\n{ddl}"));
            Err(error)
        }
    }
}

/// The schema that a table's name names, quoted, unless it is there: asking for it to be created
/// all the same would need a privilege.
async fn missing_schema(access: &Access, session: &Session, name: &str) -> Result<Option<String>> {
    let Some((schema, _)) = name.split_once('.').filter(|_| !name.contains('"')) else {
        return Ok(None);
    };
    let schema = quote(schema);
    let row = session.client.query_one("SELECT to_regnamespace($1) IS NULL", &[&schema]).await;
    let missing = row.map_err(|e| access.fault(&format!("could not look for {schema}"), e))?.get(0);
    Ok(Some(schema).filter(|_| missing))
}

/// The CREATE TABLE that fits a DDL.
pub fn create_table(table: &TableDef, name: &str) -> Result<String> {
    let mut lines = Vec::new();
    for field in table.write_schema().fields() {
        let Some(column) = table.column(field.name()) else { continue };
        let ty = postgres_type(&column.ty).ok_or_else(|| {
            Error::config(format!(
                "table '{}': column '{}' of type {} has no type in Postgres",
                table.name, column.name, column.ty
            ))
        })?;
        let not_null = if column.nullable { "" } else { " NOT NULL" };
        lines.push(format!("  {} {ty}{not_null}", quote(&column.name)));
    }
    if !table.primary_key.is_empty() {
        let key: Vec<String> = table.primary_key.iter().map(|k| quote(k)).collect();
        lines.push(format!("  PRIMARY KEY ({})", key.join(", ")));
    }
    Ok(format!("CREATE TABLE IF NOT EXISTS {name} (\n{}\n)", lines.join(",\n")))
}

fn postgres_type(ty: &SqlType) -> Option<String> {
    Some(match ty {
        SqlType::Boolean => "boolean".into(),
        SqlType::TinyInt | SqlType::SmallInt => "smallint".into(),
        SqlType::Int => "integer".into(),
        SqlType::BigInt => "bigint".into(),
        SqlType::Float => "real".into(),
        SqlType::Double => "double precision".into(),
        SqlType::Decimal(p, s) => format!("numeric({p},{s})"),
        SqlType::Varchar(MAX_LENGTH) => "text".into(),
        SqlType::Char(n) => format!("character({n})"),
        SqlType::Varchar(n) => format!("character varying({n})"),
        SqlType::Binary(_) | SqlType::Varbinary(_) => "bytea".into(),
        SqlType::Date => "date".into(),
        SqlType::Time(p) => format!("time({})", p.min(&6)),
        SqlType::Timestamp(p) => format!("timestamp({})", p.min(&6)),
        SqlType::TimestampLtz(p) => format!("timestamp({}) with time zone", p.min(&6)),
        SqlType::Array(item) if !matches!(item.ty, SqlType::Array(_)) => {
            format!("{}[]", postgres_type(&item.ty)?)
        }
        _ => return None,
    })
}

async fn compare(
    access: &Access,
    session: &Session,
    table: &TableDef,
    relation: &Relation,
) -> Result<Target> {
    let found = columns(access, session, relation).await?;
    let mut faults = Vec::new();
    let mut columns = Vec::new();
    let mut numbers = Vec::new();
    let mut named = Vec::new();
    for field in table.write_schema().fields() {
        let name = field.name();
        let Some(column) = by_name(&found, name) else {
            faults.push(format!("column '{name}' is missing there"));
            continue;
        };
        named.push(column.number);
        if column.generated {
            faults.push(format!("column '{name}' is generated there and cannot be written"));
        }
        let ty = table.column(name).map(|c| c.ty.to_string()).unwrap_or_default();
        let wire = Wire::of(field.data_type());
        match wire.and_then(|w| Some((w, cast(w, table, name, column)?))) {
            Some((wire, cast)) => {
                let (label, name) = (name.clone(), quote(&column.name));
                columns.push(TargetColumn { label, name, wire, cast });
                numbers.push(column.number);
            }
            None => faults.push(format!(
                "column '{name}' is {ty} here and {} there, which does not fit",
                column.ty
            )),
        }
    }
    for column in &found {
        let given = column.has_default || column.generated || named.contains(&column.number);
        if column.not_null && !given {
            faults.push(format!(
                "column '{}' there is NOT NULL without a default, and the DDL lacks it",
                column.name
            ));
        }
    }
    let label = |k: &String| columns.iter().position(|c| c.label == *k);
    let key: Vec<usize> = table.primary_key.iter().filter_map(label).collect();
    if faults.is_empty() && !key.is_empty() {
        let wanted = key.iter().map(|k| numbers[*k]).collect();
        if let Some(fault) = key_fault(access, session, table, relation, wanted).await? {
            faults.push(fault);
        }
    }
    if !faults.is_empty() {
        return Err(Error::refused(format!(
            "table '{}' does not fit {} in Postgres at {}: {}",
            table.name,
            relation.name,
            access.place(),
            faults.join("; ")
        )));
    }
    Ok(Target {
        table: table.name.clone(),
        name: relation.name.clone(),
        columns,
        key,
        ignore: table.options.get("brooklet.on-conflict") == Some("ignore"),
        dead_letter: table.options.get("brooklet.on-row-error") == Some("dead-letter"),
    })
}

pub async fn columns(
    access: &Access,
    session: &Session,
    relation: &Relation,
) -> Result<Vec<Found>> {
    let fault = |e| access.fault(&format!("could not read the columns of {}", relation.name), e);
    let rows = session
        .client
        .query(
            "SELECT a.attnum, a.attname::text, format_type(a.atttypid, -1), b.typname::text, \
             b.typcategory::text, a.attnotnull, a.atthasdef OR a.attidentity <> '', \
             a.attgenerated <> '' OR a.attidentity = 'a' \
             FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid JOIN pg_type b \
             ON b.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END \
             WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum",
            &[&relation.oid],
        )
        .await
        .map_err(fault)?;
    let found = |r: &tokio_postgres::Row| Found {
        number: r.get(0),
        name: r.get(1),
        ty: r.get(2),
        base: r.get(3),
        category: r.get(4),
        not_null: r.get(5),
        has_default: r.get(6),
        generated: r.get(7),
    };
    Ok(rows.iter().map(found).collect())
}

/// The column of that name, or the one it means without quotes.
pub fn by_name<'a>(found: &'a [Found], name: &str) -> Option<&'a Found> {
    let folded = name.to_lowercase();
    let exact = found.iter().find(|c| c.name == name);
    exact.or_else(|| found.iter().find(|c| c.name == folded))
}

/// The cast from the parameter's type to the column's, empty when none is needed; None when
/// values of the type do not belong into the column. Narrowing is allowed (Postgres refuses the
/// row that does not fit), losing digits silently is not.
fn cast(wire: Wire, table: &TableDef, name: &str, column: &Found) -> Option<String> {
    let whole = match table.column(name).map(|c| &c.ty) {
        Some(SqlType::Decimal(_, scale)) => *scale == 0,
        _ => false,
    };
    let base = column.base.as_str();
    let float = matches!(base, "float4" | "float8");
    let int = matches!(base, "int2" | "int4" | "int8");
    let fits = match wire {
        Wire::Bool => base == "bool",
        Wire::Int2 | Wire::Int4 | Wire::Int8 => int || float || base == "numeric",
        Wire::Float4 | Wire::Float8 => float || base == "numeric",
        Wire::Numeric => float || base == "numeric" || (whole && int),
        Wire::Text => {
            matches!(column.category.as_str(), "S" | "E" | "I")
                || (column.category == "U" && base != "bytea")
        }
        Wire::Bytea => base == "bytea",
        Wire::Date => matches!(base, "date" | "timestamp"),
        Wire::Time => base == "time",
        Wire::Timestamp | Wire::Timestamptz => matches!(base, "timestamp" | "timestamptz"),
        Wire::List => column.category == "A",
    };
    let same = wire.element().name() == base || (wire.element() == Type::TEXT && base == "varchar");
    fits.then(|| if same { String::new() } else { format!("::{}", column.ty) })
}

/// Why rows cannot be updated by key, if so.
async fn key_fault(
    access: &Access,
    session: &Session,
    table: &TableDef,
    relation: &Relation,
    mut wanted: Vec<i16>,
) -> Result<Option<String>> {
    if !matches!(relation.kind.as_str(), "r" | "p") {
        return Ok(Some("it is no table, rows cannot be updated by key".into()));
    }
    let fault = |e| access.fault(&format!("could not read the keys of {}", relation.name), e);
    let rows = session
        .client
        .query(
            "SELECT array_to_string(indkey[0:indnkeyatts - 1], ' ') FROM pg_index \
             WHERE indrelid = $1 AND indisunique AND indisvalid AND indimmediate \
             AND indpred IS NULL AND indexprs IS NULL",
            &[&relation.oid],
        )
        .await
        .map_err(fault)?;
    wanted.sort_unstable();
    let matches = |row: &tokio_postgres::Row| {
        let text: String = row.get(0);
        let mut key: Vec<i16> = text.split(' ').filter_map(|n| n.parse().ok()).collect();
        key.sort_unstable();
        key == wanted
    };
    let key = table.primary_key.join(", ");
    Ok((!rows.iter().any(matches)).then(|| {
        format!("it has no primary key or unique constraint on exactly the columns ({key})")
    }))
}

async fn privileges(
    access: &Access,
    session: &Session,
    table: &TableDef,
    relation: &Relation,
) -> Result<()> {
    let needed: &[&str] =
        if table.primary_key.is_empty() { &["INSERT"] } else { &["INSERT", "UPDATE", "SELECT"] };
    for privilege in needed {
        let row = session
            .client
            .query_one(
                "SELECT has_any_column_privilege($1::oid, $2), current_user::text",
                &[&relation.oid, privilege],
            )
            .await
            .map_err(|e| access.fault("could not read privileges", e))?;
        let (allowed, user): (bool, String) = (row.get(0), row.get(1));
        if !allowed {
            return Err(Error::refused(format!(
                "table '{}': user '{user}' lacks the privilege {privilege} on {} in Postgres at \
                 {}; run: GRANT {} ON {} TO {}",
                table.name,
                relation.name,
                access.place(),
                needed.join(", "),
                relation.name,
                quote(&user)
            )));
        }
    }
    Ok(())
}
