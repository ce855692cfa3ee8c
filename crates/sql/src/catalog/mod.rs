//! The tables, views and functions that a script has created.
//!
//! [`alter`] changes what is declared, [`build`] makes a checked table from CREATE TABLE,
//! [`options`] checks WITH and table settings, [`like`] copies another table's declaration,
//! [`functions`] makes functions.

mod alter;
pub mod build;
pub mod functions;
pub mod like;
pub mod options;

use std::collections::BTreeMap;
use std::sync::Arc;

use brooklet_core::connector::{Connector, Format};
use brooklet_core::schema::TableDef;
use datafusion::logical_expr::ScalarUDF;
use sqlparser::ast::{Expr, Ident, ObjectName, Query};
use sqlparser::tokenizer::Span;

use crate::fault::Fault;
use crate::parse::ast::{CreateTable, CreateView, Drop, DropKind, WithOption};
use crate::query::Names;
use functions::Functions;

/// What there is under which name; names are case-sensitive, tables and views share them.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    tables: BTreeMap<String, Table>,
    /// Tables with the options of a hint, by names of their own.
    hinted: BTreeMap<String, Hinted>,
    views: BTreeMap<String, View>,
    pub functions: Functions,
}

/// A table with other options than it was declared with.
#[derive(Debug, Clone)]
struct Hinted {
    base: String,
    table: Table,
}

/// A table and those parts of its declaration that are still expressions.
#[derive(Debug, Clone)]
pub struct Table {
    pub def: Arc<TableDef>,
    /// The expressions of computed columns by column name.
    pub computed: BTreeMap<String, Expr>,
    pub watermark: Option<Expr>,
    /// The declaration with LIKE resolved.
    pub ddl: CreateTable,
}

#[derive(Debug, Clone)]
pub struct View {
    /// Empty: the query's own names.
    pub columns: Vec<Ident>,
    pub query: Box<Query>,
    pub comment: Option<String>,
    pub temporary: bool,
}

/// What tables can be made of.
#[derive(Clone, Copy)]
pub struct Registry {
    pub connectors: &'static [Connector],
    pub formats: &'static [Format],
}

impl Catalog {
    pub fn table(&self, name: &str) -> Option<&Table> {
        self.tables.get(name).or_else(|| self.hinted.get(name).map(|h| &h.table))
    }
    pub fn view(&self, name: &str) -> Option<&View> {
        self.views.get(name)
    }
    pub fn tables(&self) -> impl Iterator<Item = (&str, &Table)> {
        self.tables.iter().map(|(name, table)| (name.as_str(), table))
    }
    pub fn views(&self) -> impl Iterator<Item = (&str, &View)> {
        self.views.iter().map(|(name, view)| (name.as_str(), view))
    }
    fn has(&self, name: &str) -> bool {
        self.tables.contains_key(name) || self.views.contains_key(name)
    }

    /// CREATE TABLE.
    pub fn create_table(
        &mut self,
        ddl: &CreateTable,
        registry: Registry,
    ) -> Result<(), Vec<Fault>> {
        let name = name_of(&ddl.name)?;
        if self.has(&name) {
            return taken(&name, &ddl.name, ddl.if_not_exists).map_err(|f| vec![f]);
        }
        let ddl = like::resolve(ddl, self)?;
        let table = build::table(&name, ddl, self, registry)?;
        self.tables.insert(name, table);
        Ok(())
    }

    /// CREATE VIEW; the query is bound when something reads it.
    pub fn create_view(&mut self, ddl: &CreateView) -> Result<(), Fault> {
        let name = name_of(&ddl.name)?;
        if self.has(&name) {
            return taken(&name, &ddl.name, ddl.if_not_exists);
        }
        let (columns, query) = (ddl.columns.clone(), ddl.query.clone());
        let (comment, temporary) = (ddl.comment.clone(), ddl.temporary);
        self.views.insert(name, View { columns, query, comment, temporary });
        Ok(())
    }

    pub fn drop(&mut self, drop: &Drop) -> Result<(), Fault> {
        let name = name_of(&drop.name)?;
        let (found, word) = match drop.what {
            DropKind::Table => (self.tables.remove(&name).is_some(), "table"),
            DropKind::View => (self.views.remove(&name).is_some(), "view"),
            DropKind::Function => (self.functions.drop(&name), "function"),
        };
        if found || drop.if_exists {
            return Ok(());
        }
        Err(self.unknown(word, &drop.name))
    }

    /// Puts a table's `brooklet.table.<name>.*` settings, without that prefix, among its options.
    pub fn extend(&mut self, name: &str, settings: &BTreeMap<String, String>) {
        let hinted = self.hinted.values_mut().filter(|h| h.base == name).map(|h| &mut h.table);
        for table in self.tables.get_mut(name).into_iter().chain(hinted) {
            let def = Arc::make_mut(&mut table.def);
            def.options.0.retain(|key, _| !key.starts_with(options::EXTENSION));
            for (key, value) in settings {
                def.options.0.insert(format!("{}{key}", options::EXTENSION), value.clone());
            }
        }
    }

    /// The name of the table with these options beside its own; equal ones are one table.
    pub fn with_options(
        &mut self,
        name: &str,
        given: Vec<WithOption>,
        registry: Registry,
    ) -> Result<String, Vec<Fault>> {
        let Some(base) = self.tables.get(name) else { return Ok(name.to_string()) };
        let mut ddl = base.ddl.clone();
        for option in given {
            ddl.options.retain(|own| own.key != option.key);
            ddl.options.push(option);
        }
        let pairs = |ddl: &CreateTable| -> BTreeMap<String, String> {
            ddl.options.iter().map(|o| (o.key.clone(), o.value.clone())).collect()
        };
        let same = |h: &&Hinted| h.base == name && pairs(&h.table.ddl) == pairs(&ddl);
        if let Some((known, _)) = self.hinted.iter().find(|(_, hinted)| same(hinted)) {
            return Ok(known.clone());
        }
        let free = |n: &String| !self.has(n) && !self.hinted.contains_key(n);
        let new = (1..).map(|n| format!("{name}${n}")).find(free).unwrap_or_default();
        let table = build::table(&new, ddl, self, registry)?;
        self.hinted.insert(new.clone(), Hinted { base: name.to_string(), table });
        Ok(new)
    }

    /// A fault that says there is no such table, view or function.
    pub fn unknown(&self, word: &str, name: &ObjectName) -> Fault {
        let shown = name.0.last().map(|part| part.to_string()).unwrap_or_default();
        let shown = shown.trim_matches('`').to_string();
        Fault::new(format!("there is no {word} '{shown}'"), span_of(name))
            .suggest(&shown, self.tables.keys().chain(self.views.keys()).map(String::as_str))
    }
}

impl Names for Catalog {
    fn table(&self, name: &str) -> Option<Arc<TableDef>> {
        Catalog::table(self, name).map(|t| Arc::clone(&t.def))
    }
    fn computed(&self, table: &str, column: &str) -> Option<Expr> {
        Catalog::table(self, table)?.computed.get(column).cloned()
    }
    fn view(&self, name: &str) -> Option<crate::query::View> {
        let view = self.views.get(name)?;
        let query = (*view.query).clone();
        Some(crate::query::View { columns: view.columns.clone(), query })
    }
    fn all(&self) -> Vec<String> {
        self.tables.keys().chain(self.views.keys()).cloned().collect()
    }
    fn functions(&self) -> Vec<Arc<ScalarUDF>> {
        self.functions.all()
    }
}

fn taken(name: &str, at: &ObjectName, if_not_exists: bool) -> Result<(), Fault> {
    match if_not_exists {
        true => Ok(()),
        false => Err(Fault::new(format!("there is already a '{name}'"), span_of(at))),
    }
}

/// The catalog and the database that Flink starts with, the only ones here.
pub const DEFAULT: [&str; 2] = ["default_catalog", "default_database"];

/// The last part of a name; parts before it must be Flink's default catalog and database.
pub fn name_of(name: &ObjectName) -> Result<String, Fault> {
    let parts: Vec<&Ident> = name.0.iter().filter_map(|part| part.as_ident()).collect();
    let Some((last, before)) = parts.split_last() else {
        return Err(Fault::new("a name is missing", span_of(name)));
    };
    let before: Vec<&str> = before.iter().map(|part| part.value.as_str()).collect();
    if !DEFAULT.ends_with(&before) {
        let message = format!(
            "'{}' is not known: there is one catalog, '{}', with one database, '{}'",
            before.join("."),
            DEFAULT[0],
            DEFAULT[1]
        );
        return Err(Fault::new(message, span_of(name)));
    }
    Ok(last.value.clone())
}

/// USE: only the default catalog and database can be used.
pub fn check_use(name: &ObjectName) -> Result<(), Fault> {
    let parts: Vec<&str> =
        name.0.iter().filter_map(|part| Some(part.as_ident()?.value.as_str())).collect();
    if parts == DEFAULT || parts.len() == 1 && DEFAULT.contains(&parts[0]) {
        return Ok(());
    }
    let message =
        format!("there is one catalog, '{}', with one database, '{}'", DEFAULT[0], DEFAULT[1]);
    Err(Fault::new(message, span_of(name)).suggest(parts.last().unwrap_or(&""), DEFAULT))
}

/// Where a name stands.
pub fn span_of(name: &ObjectName) -> Span {
    let spans = name.0.iter().filter_map(|part| part.as_ident()).map(|ident| ident.span);
    spans.fold(Span::empty(), |all, span| all.union(&span))
}

impl From<Fault> for Vec<Fault> {
    fn from(fault: Fault) -> Self {
        vec![fault]
    }
}
