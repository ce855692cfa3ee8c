//! A checked table from its declaration.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::compute::can_cast_types;
use arrow::datatypes::{Field, Schema};
use brooklet_core::connector::Connector;
use brooklet_core::options::Options;
use brooklet_core::schema::{self, ColumnDef, TableDef, WatermarkDef};
use brooklet_core::time::Millis;
use brooklet_core::types::SqlType;
use sqlparser::ast::{BinaryOperator, Expr, Ident, Spanned};
use sqlparser::tokenizer::Span;

use super::options::check;
use super::{Catalog, Registry, Table, span_of};
use crate::fault::Fault;
use crate::parse::ast::{Column, ColumnKind, CreateTable, Watermark};
use crate::parse::interval;
use crate::query::{self, Provider};

/// Checks the declaration, its LIKE already resolved, and gives the table; all faults at once.
pub fn table(
    name: &str,
    ddl: CreateTable,
    catalog: &Catalog,
    registry: Registry,
) -> Result<Table, Vec<Fault>> {
    let at = span_of(&ddl.name);
    let mut faults = Vec::new();
    let connector = check(&ddl.options, registry, at, &mut faults);
    if ddl.columns.is_empty() {
        faults.push(Fault::new(format!("table '{name}' has no columns"), at));
    }
    let mut columns = Columns { catalog, connector, defs: Vec::new(), computed: BTreeMap::new() };
    columns.add_all(&ddl.columns, &mut faults);
    // A column whose own declaration failed is no further fault.
    let sound = |n: &&Ident| {
        columns.defs.iter().any(|def| def.name == n.value)
            || ddl.columns.iter().all(|c| c.name.value != n.value)
    };
    let keys = |names: &[Ident], what: &str, faults: &mut Vec<Fault>| {
        names
            .iter()
            .filter(sound)
            .filter_map(|n| columns.key(n, what).map_err(|f| faults.push(f)).ok())
            .collect()
    };
    let primary_key: Vec<String> = keys(&ddl.primary_key, "PRIMARY KEY", &mut faults);
    let partitioned_by: Vec<String> = keys(&ddl.partitioned_by, "PARTITIONED BY", &mut faults);
    let watermark = ddl.watermark.as_ref().filter(|w| {
        w.column.0.last().and_then(|part| part.as_ident()).is_none_or(|name| sound(&name))
    });
    let watermark = watermark.map(|w| columns.watermark(w)).transpose();
    let watermark = watermark.unwrap_or_else(|fault| {
        faults.push(fault);
        None
    });
    if !faults.is_empty() {
        return Err(faults);
    }
    let Columns { mut defs, computed, .. } = columns;
    for def in defs.iter_mut().filter(|def| primary_key.contains(&def.name)) {
        // A key declares that it is never NULL.
        def.nullable = false;
    }
    let pairs = ddl.options.iter().map(|o| (o.key.clone(), o.value.clone()));
    let def = TableDef {
        name: name.to_string(),
        columns: defs,
        watermark,
        primary_key,
        partitioned_by,
        options: Options(pairs.collect()),
        comment: ddl.comment.clone(),
    };
    if let Some(connector) = connector {
        (connector.check)(&def)
            .map_err(|e| Fault::new(format!("table '{name}': {}", e.message), at))?;
    }
    let watermark = ddl.watermark.as_ref().map(|w| w.expr.clone());
    Ok(Table { def: Arc::new(def), computed, watermark, ddl })
}

struct Columns<'a> {
    catalog: &'a Catalog,
    connector: Option<&'static Connector>,
    defs: Vec<ColumnDef>,
    computed: BTreeMap<String, Expr>,
}

impl Columns<'_> {
    fn add_all(&mut self, declared: &[Column], faults: &mut Vec<Fault>) {
        let mut seen = BTreeSet::new();
        for column in declared {
            if !seen.insert(column.name.value.as_str()) {
                let message = format!("column '{}' is declared twice", column.name.value);
                faults.push(Fault::new(message, column.name.span));
            }
        }
        let stored = stored_schema(declared);
        for column in declared {
            match self.define(column, &stored) {
                Ok(def) => self.defs.push(def),
                Err(fault) => faults.push(fault),
            }
        }
    }

    fn define(&mut self, column: &Column, stored: &Schema) -> Result<ColumnDef, Fault> {
        let name = column.name.value.clone();
        let (ty, nullable, kind) = match &column.kind {
            ColumnKind::Physical(ty) => (ty.ty.clone(), ty.nullable, schema::ColumnKind::Physical),
            ColumnKind::Metadata { ty, key, read_only } => {
                let key = key.clone().unwrap_or_else(|| name.clone());
                self.check_metadata(&key, &ty.ty, column.name.span)?;
                let kind = schema::ColumnKind::Metadata { key, read_only: *read_only };
                (ty.ty.clone(), ty.nullable, kind)
            }
            ColumnKind::Computed(expr) => {
                let (ty, nullable) = self.computed_type(expr, stored, column.name.span)?;
                self.computed.insert(name.clone(), (**expr).clone());
                (ty, nullable, schema::ColumnKind::Computed { expr: expr.to_string() })
            }
        };
        Ok(ColumnDef { name, ty, nullable, kind, comment: column.comment.clone() })
    }

    fn check_metadata(&self, key: &str, ty: &SqlType, at: Span) -> Result<(), Fault> {
        let Some(connector) = self.connector else { return Ok(()) };
        if let Some(found) = connector.metadata.iter().find(|m| m.key == key) {
            let given = (found.ty)();
            return match can_become(&given, ty) {
                true => Ok(()),
                false => Err(Fault::new(format!("metadata '{key}' is {given}, not {ty}"), at)),
            };
        }
        let message = format!("connector '{}' has no metadata '{key}'", connector.name);
        Err(Fault::new(message, at).suggest(key, connector.metadata.iter().map(|m| m.key)))
    }

    /// Computed columns see the stored ones, as in Flink, and not each other.
    fn computed_type(
        &self,
        expr: &Expr,
        stored: &Schema,
        column: Span,
    ) -> Result<(SqlType, bool), Fault> {
        if query::check::depth(expr) > query::check::DEEPEST {
            return Err(Fault::new("the expression is nested too deeply", column));
        }
        let provider = Provider::new(self.catalog);
        let at = match expr.span() {
            span if span == Span::empty() => column,
            span => span,
        };
        let fault = |e| {
            let fault = query::errors::fault(&e, at, &provider.functions());
            let name = query::errors::missing_column(&fault);
            let place = name.and_then(|name| query::check::place_of(expr, name));
            Fault { span: place.unwrap_or(fault.span), ..fault }
        };
        let bound = query::bind_expr(&provider, expr.clone(), stored).map_err(fault)?;
        let (ty, nullable) = query::expr_type(&bound, stored).map_err(fault)?;
        match SqlType::from_arrow(&ty) {
            Some(ty) => Ok((ty, nullable)),
            None => Err(Fault::new(format!("a column cannot hold {ty}"), at)),
        }
    }

    /// A column that a key names: it must be stored, since rows are found by it.
    fn key(&self, name: &Ident, what: &str) -> Result<String, Fault> {
        match self.defs.iter().find(|def| def.name == name.value) {
            Some(def) if matches!(def.kind, schema::ColumnKind::Computed { .. }) => {
                let message = format!("{what} cannot hold the computed column '{}'", name.value);
                Err(Fault::new(message, name.span))
            }
            Some(def) => Ok(def.name.clone()),
            None => {
                let message = format!("{what} names no column: '{}'", name.value);
                Err(Fault::new(message, name.span).suggest(&name.value, self.names()))
            }
        }
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.defs.iter().map(|def| def.name.as_str())
    }

    fn watermark(&self, watermark: &Watermark) -> Result<WatermarkDef, Fault> {
        let at = span_of(&watermark.column);
        let parts: Vec<&Ident> = watermark.column.0.iter().filter_map(|p| p.as_ident()).collect();
        let [name] = parts.as_slice() else {
            let message = "the watermark's column must stand at the top: compute a column from \
                           the field and use that";
            return Err(Fault::new(message, at));
        };
        let Some(def) = self.defs.iter().find(|def| def.name == name.value) else {
            let message = format!("WATERMARK FOR names no column: '{}'", name.value);
            return Err(Fault::new(message, at).suggest(&name.value, self.names()));
        };
        if !matches!(def.ty, SqlType::Timestamp(0..=3) | SqlType::TimestampLtz(0..=3)) {
            let message = format!(
                "the watermark's column '{}' is {}: it must be TIMESTAMP(3) or TIMESTAMP_LTZ(3)",
                def.name, def.ty
            );
            return Err(Fault::new(message, at));
        }
        let Some(delay_ms) = delay_of(&watermark.expr, &name.value).filter(|ms| *ms >= 0) else {
            let message =
                format!("write WATERMARK FOR {0} AS {0} or AS {0} - INTERVAL '…' SECOND", parts[0]);
            let span = watermark.expr.span();
            return Err(Fault::new(message, if span == Span::empty() { at } else { span }));
        };
        Ok(WatermarkDef { column: name.value.clone(), delay_ms })
    }
}

/// Whether a metadata column of one type can be declared as another.
fn can_become(given: &SqlType, declared: &SqlType) -> bool {
    match (given, declared) {
        (SqlType::Map(key, value), SqlType::Map(to_key, to_value)) => {
            key.ty.arrow() == to_key.ty.arrow() && value.ty.arrow() == to_value.ty.arrow()
        }
        (SqlType::Map(..), _) | (_, SqlType::Map(..)) => false,
        _ => can_cast_types(&given.arrow(), &declared.arrow()),
    }
}

/// The columns a computed column may read.
fn stored_schema(declared: &[Column]) -> Schema {
    let field = |column: &Column| -> Option<Field> {
        match &column.kind {
            ColumnKind::Physical(ty) | ColumnKind::Metadata { ty, .. } => {
                Some(ty.ty.field(&column.name.value, ty.nullable))
            }
            ColumnKind::Computed(_) => None,
        }
    };
    Schema::new(declared.iter().filter_map(field).collect::<Vec<_>>())
}

/// The delay in `column`, `column - INTERVAL …`; None for anything else.
fn delay_of(expr: &Expr, column: &str) -> Option<Millis> {
    match expr {
        Expr::Identifier(name) if name.value == column => Some(0),
        Expr::Nested(inner) => delay_of(inner, column),
        Expr::BinaryOp { left, op: BinaryOperator::Minus, right } => {
            delay_of(left, column)?.checked_add(interval::millis(right)?)
        }
        _ => None,
    }
}
