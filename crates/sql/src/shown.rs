//! What SHOW and DESCRIBE answer, under Flink's column names.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, StringArray};
use arrow::datatypes::Schema;
use brooklet_core::schema::{ColumnKind, TableDef};
use brooklet_core::types::{MAX_LENGTH, SqlType};
use sqlparser::ast::{Expr, Ident, ObjectName, VisitMut, VisitorMut};
use std::ops::ControlFlow;

use crate::catalog::{Catalog, DEFAULT, Table, name_of};
use crate::fault::{Fault, Faults};
use crate::parse::show::{Like, Show, ShowKind};
use crate::parse::types::CARRIED;
use crate::placeholders::is_secret_key;
use crate::planner;

/// What stands in place of a password.
const HIDDEN: &str = "******";

/// Rows of names and texts, and one BOOLEAN column of DESCRIBE.
pub type Shown = RecordBatch;

/// The answer to SHOW; `settings` are those set so far.
pub fn show(
    catalog: &Catalog,
    settings: &[(String, String)],
    batch_mode: bool,
    show: &Show,
) -> Result<Shown, Vec<Fault>> {
    let like = show.like.as_ref();
    let tables = || catalog.tables().map(|(name, _)| name.to_string());
    let views = || catalog.views().map(|(name, _)| name.to_string());
    let one = |title: &str, name: &str| names(title, vec![name.to_string()], None);
    match &show.what {
        ShowKind::Tables => {
            let mut all: Vec<String> = tables().chain(views()).collect();
            all.sort();
            names("table name", all, like)
        }
        ShowKind::Views => names("view name", views().collect(), like),
        ShowKind::Columns(name) => describe(catalog, name, like, batch_mode),
        ShowKind::CreateTable(name) => one("result", &create_table(catalog, name)?),
        ShowKind::CreateView(name) => one("result", &create_view(catalog, name)?),
        ShowKind::Catalogs => names("catalog name", vec![DEFAULT[0].into()], like),
        ShowKind::CurrentCatalog => one("current catalog name", DEFAULT[0]),
        ShowKind::Databases => names("database name", vec![DEFAULT[1].into()], like),
        ShowKind::CurrentDatabase => one("current database name", DEFAULT[1]),
        ShowKind::Functions => names("function name", functions(catalog), like),
        ShowKind::UserFunctions => names("function name", catalog.functions.names(), like),
        ShowKind::Modules => one("module name", "core"),
        ShowKind::Jars => names("jars", Vec::new(), None),
        ShowKind::Settings => {
            let secret = |key: &str, value: &String| match is_secret_key(key) {
                true => HIDDEN.to_string(),
                false => value.clone(),
            };
            let values = settings.iter().map(|(key, value)| Some(secret(key, value)));
            let keys = settings.iter().map(|(key, _)| Some(key.clone()));
            batch(vec![("key", text(keys)), ("value", text(values))])
        }
    }
}

/// The columns of a table or view: DESCRIBE and SHOW COLUMNS.
pub fn describe(
    catalog: &Catalog,
    name: &ObjectName,
    like: Option<&Like>,
    batch_mode: bool,
) -> Result<Shown, Vec<Fault>> {
    let found = name_of(name)?;
    let mut columns = match (catalog.table(&found), catalog.view(&found)) {
        (Some(table), _) => of_table(table, batch_mode),
        (None, Some(view)) => {
            let columns = planner::query_columns(catalog, &view.query).map_err(|Faults(f)| f)?;
            let renamed = |i: usize, name: String| match view.columns.get(i) {
                Some(ident) => ident.value.clone(),
                None => name,
            };
            let column = |(i, (name, ty, nullable)): (usize, (String, SqlType, bool))| Column {
                name: renamed(i, name),
                ty: ty.to_string(),
                nullable,
                ..Column::default()
            };
            columns.into_iter().enumerate().map(column).collect()
        }
        (None, None) => return Err(catalog.unknown("table or view", name).into()),
    };
    columns.retain(|c| like.is_none_or(|like| like.takes(&c.name)));
    let texts = |of: fn(&Column) -> Option<String>| text(columns.iter().map(of));
    let nullable: BooleanArray = columns.iter().map(|c| Some(c.nullable)).collect();
    let mut shown = vec![
        ("name", texts(|c| Some(c.name.clone()))),
        ("type", texts(|c| Some(c.ty.clone()))),
        ("null", Arc::new(nullable) as ArrayRef),
        ("key", texts(|c| c.key.clone())),
        ("extras", texts(|c| c.extras.clone())),
        ("watermark", texts(|c| c.watermark.clone())),
    ];
    if columns.iter().any(|c| c.comment.is_some()) {
        shown.push(("comment", texts(|c| c.comment.clone())));
    }
    batch(shown)
}

/// A line of DESCRIBE.
#[derive(Default)]
struct Column {
    name: String,
    ty: String,
    nullable: bool,
    key: Option<String>,
    extras: Option<String>,
    watermark: Option<String>,
    comment: Option<String>,
}

/// In batch mode event time is no attribute.
fn of_table(table: &Table, batch_mode: bool) -> Vec<Column> {
    let TableDef { columns, primary_key, .. } = &*table.def;
    let time = table.def.watermark.as_ref().map(|w| w.column.as_str());
    let column = |c: &brooklet_core::schema::ColumnDef| {
        let is_time = time == Some(c.name.as_str());
        let proctime = table.computed.get(&c.name).is_some_and(is_proctime);
        let mark = match (is_time, proctime) {
            (true, _) if !batch_mode => " *ROWTIME*",
            (_, true) => " *PROCTIME*",
            _ => "",
        };
        Column {
            name: c.name.clone(),
            ty: format!("{}{mark}", c.ty),
            nullable: c.nullable && !proctime,
            key: primary_key.contains(&c.name).then(|| format!("PRI({})", primary_key.join(", "))),
            extras: extras(table, c),
            watermark: table.watermark.as_ref().filter(|_| is_time).map(quoted),
            comment: c.comment.clone(),
        }
    };
    columns.iter().map(column).collect()
}

fn extras(table: &Table, column: &brooklet_core::schema::ColumnDef) -> Option<String> {
    match &column.kind {
        ColumnKind::Physical => None,
        ColumnKind::Computed { .. } => {
            Some(format!("AS {}", quoted(table.computed.get(&column.name)?)))
        }
        ColumnKind::Metadata { key, read_only } => {
            let from = match *key == column.name {
                true => String::new(),
                false => format!(" FROM '{key}'"),
            };
            Some(format!("METADATA{from}{}", if *read_only { " VIRTUAL" } else { "" }))
        }
    }
}

fn is_proctime(expr: &Expr) -> bool {
    matches!(expr, Expr::Function(f) if f.name.to_string().eq_ignore_ascii_case("PROCTIME"))
}

/// The expression with its names in backquotes, as Flink keeps it.
fn quoted(expr: &Expr) -> String {
    struct Quotes;
    impl VisitorMut for Quotes {
        type Break = ();
        fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
            let quote = |ident: &mut Ident| ident.quote_style = Some('`');
            match expr {
                Expr::Identifier(ident) => quote(ident),
                Expr::CompoundIdentifier(parts) => parts.iter_mut().for_each(quote),
                _ => {}
            }
            ControlFlow::Continue(())
        }
    }
    let mut expr = expr.clone();
    let _ = expr.visit(&mut Quotes);
    types_as_written(&expr.to_string())
}

/// The text with types as the user wrote them, not as the parser carries them.
fn types_as_written(text: &str) -> String {
    let Some((before, rest)) = text.split_once(CARRIED) else { return text.to_string() };
    let mut depth = 0;
    let end = rest.char_indices().find(|(_, c)| {
        depth += i32::from(*c == '(') - i32::from(*c == ')');
        depth == 0
    });
    match end {
        Some((end, _)) => {
            format!("{before}{}{}", &rest[1..end], types_as_written(&rest[end + 1..]))
        }
        None => text.to_string(),
    }
}

fn create_table(catalog: &Catalog, name: &ObjectName) -> Result<String, Vec<Fault>> {
    let found = name_of(name)?;
    let table = catalog.table(&found).ok_or_else(|| catalog.unknown("table", name))?;
    let def = &table.def;
    let list = |names: &[String]| {
        let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        names.join(", ")
    };
    let mut lines: Vec<String> = def.columns.iter().map(|c| declared(table, c)).collect();
    if let (Some(watermark), Some(expr)) = (&def.watermark, &table.watermark) {
        lines.push(format!("WATERMARK FOR `{}` AS {}", watermark.column, quoted(expr)));
    }
    if !def.primary_key.is_empty() {
        let (title, keys) = (def.primary_key.join("_"), list(&def.primary_key));
        lines.push(format!("CONSTRAINT `PK_{title}` PRIMARY KEY ({keys}) NOT ENFORCED"));
    }
    let mut sql = format!("CREATE TABLE {} (\n  {}\n)\n", path(&found), lines.join(",\n  "));
    if let Some(comment) = &def.comment {
        sql += &format!("COMMENT '{}'\n", escaped(comment));
    }
    if !def.partitioned_by.is_empty() {
        sql += &format!("PARTITIONED BY ({})\n", list(&def.partitioned_by));
    }
    let declared = def.options.0.iter().filter(|(key, _)| !key.starts_with("brooklet."));
    let options = declared.map(|(key, value)| {
        let value = if is_secret_key(key) { HIDDEN } else { value };
        format!("  '{}' = '{}'", escaped(key), escaped(value))
    });
    sql += &format!("WITH (\n{}\n)\n", options.collect::<Vec<_>>().join(",\n"));
    Ok(sql)
}

/// A column as CREATE TABLE declares it.
fn declared(table: &Table, column: &brooklet_core::schema::ColumnDef) -> String {
    let mut line = format!("`{}`", column.name);
    if !matches!(column.kind, ColumnKind::Computed { .. }) {
        let null = if column.nullable { "" } else { " NOT NULL" };
        line += &format!(" {}{null}", long_type(&column.ty));
    }
    if let Some(extras) = extras(table, column) {
        line += &format!(" {extras}");
    }
    if let Some(comment) = &column.comment {
        line += &format!(" COMMENT '{}'", escaped(comment));
    }
    line
}

/// STRING and BYTES with their lengths.
fn long_type(ty: &SqlType) -> String {
    ty.to_string()
        .replace("STRING", &format!("VARCHAR({MAX_LENGTH})"))
        .replace("BYTES", &format!("VARBINARY({MAX_LENGTH})"))
}

fn create_view(catalog: &Catalog, name: &ObjectName) -> Result<String, Vec<Fault>> {
    let found = name_of(name)?;
    let view = catalog.view(&found).ok_or_else(|| catalog.unknown("view", name))?;
    let columns = planner::query_columns(catalog, &view.query).map_err(|Faults(f)| f)?;
    let mut names: Vec<String> = columns.into_iter().map(|(name, ..)| name).collect();
    names.iter_mut().zip(&view.columns).for_each(|(name, own)| name.clone_from(&own.value));
    let names: Vec<String> = names.iter().map(|name| format!("  `{name}`")).collect();
    let (path, query) = (path(&found), &view.query);
    Ok(format!("CREATE VIEW {path} (\n{}\n)\nAS {query}\n", names.join(",\n")))
}

fn path(name: &str) -> String {
    format!("`{}`.`{}`.`{name}`", DEFAULT[0], DEFAULT[1])
}

fn escaped(text: &str) -> String {
    text.replace('\'', "''")
}

/// All that can be called.
fn functions(catalog: &Catalog) -> Vec<String> {
    let mut all = crate::query::Provider::new(catalog).functions();
    all.extend(catalog.functions.names());
    all.sort();
    all.dedup();
    all
}

fn names(title: &str, names: Vec<String>, like: Option<&Like>) -> Result<Shown, Vec<Fault>> {
    let kept = names.into_iter().filter(|name| like.is_none_or(|like| like.takes(name)));
    batch(vec![(title, text(kept.map(Some)))])
}

fn text(values: impl Iterator<Item = Option<String>>) -> ArrayRef {
    Arc::new(values.collect::<StringArray>())
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> Result<Shown, Vec<Fault>> {
    let field = |(name, column): &(&str, ArrayRef)| {
        let ty = SqlType::from_arrow(column.data_type()).unwrap_or(SqlType::STRING);
        ty.field(name, true)
    };
    let schema = Schema::new(columns.iter().map(field).collect::<Vec<_>>());
    let columns = columns.into_iter().map(|(_, column)| column).collect();
    RecordBatch::try_new(Arc::new(schema), columns)
        .map_err(|e| Fault::new(e.to_string(), sqlparser::tokenizer::Span::empty()).into())
}

impl Like {
    fn takes(&self, name: &str) -> bool {
        let fold = |text: &str| match self.any_case {
            true => text.to_lowercase().chars().collect::<Vec<_>>(),
            false => text.chars().collect(),
        };
        matches(&fold(&self.pattern), &fold(name)) != self.not
    }
}

fn matches(pattern: &[char], text: &[char]) -> bool {
    match (pattern, text) {
        ([], _) => text.is_empty(),
        (['%', rest @ ..], _) => (0..=text.len()).any(|skip| matches(rest, &text[skip..])),
        (['_', rest @ ..], [_, left @ ..]) => matches(rest, left),
        ([p, rest @ ..], [c, left @ ..]) => p == c && matches(rest, left),
        _ => false,
    }
}
