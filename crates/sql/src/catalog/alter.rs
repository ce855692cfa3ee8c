//! ALTER: a table's declaration changed and checked anew, a view's query, names.

use sqlparser::ast::{Expr, Ident, ObjectName, ObjectNamePart};
use sqlparser::tokenizer::Span;

use super::{Catalog, DEFAULT, Registry, build, name_of, span_of};
use crate::fault::Fault;
use crate::parse::ast::{
    Alter, Altered, Change, Column, ColumnKind, CreateTable, Elements, Position, WithOption,
};
use crate::query::check::place_of;

impl Catalog {
    /// ALTER; a view's new query is bound by the caller.
    pub fn alter(&mut self, alter: &Alter, registry: Registry) -> Result<(), Vec<Fault>> {
        let at = span_of(&alter.name);
        match alter.what {
            Altered::Database => return database(&alter.name),
            Altered::Table => {}
            Altered::View => return self.alter_view(alter).map_err(Vec::from),
        }
        let name = name_of(&alter.name)?;
        let Some(table) = self.tables.get(&name) else {
            return match (self.views.contains_key(&name), alter.if_exists) {
                (true, _) => {
                    let message = format!("'{name}' is a view: ALTER VIEW changes it");
                    Err(Fault::new(message, at).into())
                }
                (false, true) => Ok(()),
                (false, false) => Err(self.unknown("table", &alter.name).into()),
            };
        };
        if table.ddl.temporary {
            let message = format!("'{name}' is temporary: DROP it and CREATE it again");
            return Err(Fault::new(message, at).into());
        }
        let mut ddl = table.ddl.clone();
        // Faults about them must point into this statement.
        for option in &mut ddl.options {
            (option.key_span, option.value_span) = (at, at);
        }
        ddl.name = alter.name.clone();
        let new = match &alter.change {
            Change::Rename(to) => self.free(to)?,
            change => {
                changed(&mut ddl, change)?;
                name.clone()
            }
        };
        let table = build::table(&new, ddl, self, registry)?;
        self.tables.remove(&name);
        self.hinted.retain(|_, hinted| hinted.base != name);
        self.tables.insert(new, table);
        Ok(())
    }

    fn alter_view(&mut self, alter: &Alter) -> Result<(), Fault> {
        let (name, at) = (name_of(&alter.name)?, span_of(&alter.name));
        let Some(view) = self.views.get(&name) else {
            if self.tables.contains_key(&name) {
                let message = format!("'{name}' is a table: ALTER TABLE changes it");
                return Err(Fault::new(message, at));
            }
            return Err(self.unknown("view", &alter.name));
        };
        if view.temporary {
            let message = format!("'{name}' is temporary: DROP it and CREATE it again");
            return Err(Fault::new(message, at));
        }
        let mut view = view.clone();
        let new = match &alter.change {
            Change::Rename(to) => self.free(to)?,
            Change::As(query) => {
                view.query = query.clone();
                view.columns.clear();
                name.clone()
            }
            _ => name.clone(),
        };
        self.views.remove(&name);
        self.views.insert(new, view);
        Ok(())
    }

    /// A name that nothing has.
    fn free(&self, to: &ObjectName) -> Result<String, Fault> {
        let name = name_of(to)?;
        match self.has(&name) {
            true => Err(Fault::new(format!("there is already a '{name}'"), span_of(to))),
            false => Ok(name),
        }
    }
}

/// The one database has no properties that mean something.
fn database(name: &ObjectName) -> Result<(), Vec<Fault>> {
    let parts = name.0.iter().filter_map(ObjectNamePart::as_ident).map(|part| part.value.as_str());
    let parts: Vec<&str> = parts.collect();
    match DEFAULT.ends_with(&parts) {
        true => Ok(()),
        false => {
            let message = format!("there is one database, '{}'", DEFAULT[1]);
            Err(Fault::new(message, span_of(name)).into())
        }
    }
}

fn changed(ddl: &mut CreateTable, change: &Change) -> Result<(), Fault> {
    match change {
        Change::Set(options) => {
            for option in options {
                ddl.options.retain(|old| old.key != option.key);
                ddl.options.push(option.clone());
            }
            Ok(())
        }
        Change::Reset(keys) => keys.iter().try_for_each(|key| reset(&mut ddl.options, key)),
        Change::Add(elements) => add(ddl, elements),
        Change::Modify(elements) => modify(ddl, elements),
        Change::RenameColumn(from, to) => rename(ddl, from, to),
        Change::DropColumns(columns) => columns.iter().try_for_each(|c| drop_column(ddl, c)),
        Change::DropKey(span) => {
            if ddl.primary_key.is_empty() {
                return Err(Fault::new("the table has no PRIMARY KEY", *span));
            }
            release_key(ddl);
            Ok(())
        }
        Change::DropWatermark(span) => match ddl.watermark.take() {
            Some(_) => Ok(()),
            None => Err(Fault::new("the table has no WATERMARK", *span)),
        },
        Change::Rename(_) | Change::As(_) => Ok(()),
    }
}

fn reset(options: &mut Vec<WithOption>, (key, span): &(String, Span)) -> Result<(), Fault> {
    if key == "connector" {
        return Err(Fault::new("a table keeps its connector", *span));
    }
    options.retain(|option| option.key != *key);
    Ok(())
}

/// Columns of the key stay NOT NULL.
fn release_key(ddl: &mut CreateTable) {
    let keys = std::mem::take(&mut ddl.primary_key);
    for column in &mut ddl.columns {
        if let ColumnKind::Physical(ty) = &mut column.kind
            && keys.iter().any(|key| key.value == column.name.value)
        {
            ty.nullable = false;
        }
    }
}

fn place(ddl: &CreateTable, name: &Ident) -> Result<usize, Fault> {
    let names = || ddl.columns.iter().map(|c| c.name.value.as_str());
    names().position(|known| known == name.value).ok_or_else(|| {
        let fault = Fault::new(format!("the table has no column '{}'", name.value), name.span);
        fault.suggest(&name.value, names())
    })
}

fn insert(
    ddl: &mut CreateTable,
    column: Column,
    position: &Option<Position>,
    default: usize,
) -> Result<(), Fault> {
    let at = match position {
        None => default,
        Some(Position::First) => 0,
        Some(Position::After(name)) => place(ddl, name)? + 1,
    };
    ddl.columns.insert(at, column);
    Ok(())
}

fn add(ddl: &mut CreateTable, elements: &Elements) -> Result<(), Fault> {
    for (column, position) in &elements.columns {
        if place(ddl, &column.name).is_ok() {
            let message = format!("the table has a column '{}' already", column.name.value);
            return Err(Fault::new(message, column.name.span));
        }
        let end = ddl.columns.len();
        insert(ddl, column.clone(), position, end)?;
    }
    if let Some(watermark) = &elements.watermark {
        if ddl.watermark.is_some() {
            let message = "the table has a WATERMARK: MODIFY changes it";
            return Err(Fault::new(message, span_of(&watermark.column)));
        }
        ddl.watermark = Some(watermark.clone());
    }
    if let Some(first) = elements.primary_key.first() {
        if !ddl.primary_key.is_empty() {
            let message = "the table has a PRIMARY KEY: MODIFY changes it";
            return Err(Fault::new(message, first.span));
        }
        ddl.primary_key = elements.primary_key.clone();
    }
    Ok(())
}

fn modify(ddl: &mut CreateTable, elements: &Elements) -> Result<(), Fault> {
    for (column, position) in &elements.columns {
        let at = place(ddl, &column.name)?;
        let old = ddl.columns.remove(at);
        let comment = column.comment.clone().or(old.comment);
        insert(ddl, Column { comment, ..column.clone() }, position, at)?;
    }
    if let Some(watermark) = &elements.watermark {
        if ddl.watermark.is_none() {
            let message = "the table has no WATERMARK: ADD gives it one";
            return Err(Fault::new(message, span_of(&watermark.column)));
        }
        ddl.watermark = Some(watermark.clone());
    }
    if let Some(first) = elements.primary_key.first() {
        if ddl.primary_key.is_empty() {
            let message = "the table has no PRIMARY KEY: ADD gives it one";
            return Err(Fault::new(message, first.span));
        }
        release_key(ddl);
        ddl.primary_key = elements.primary_key.clone();
    }
    Ok(())
}

fn rename(ddl: &mut CreateTable, from: &Ident, to: &Ident) -> Result<(), Fault> {
    let at = place(ddl, from)?;
    if place(ddl, to).is_ok() {
        let message = format!("the table has a column '{}' already", to.value);
        return Err(Fault::new(message, to.span));
    }
    unread(ddl, from)?;
    let keys = ddl.primary_key.iter_mut().filter(|key| key.value == from.value);
    keys.for_each(|key| *key = to.clone());
    ddl.columns[at].name = to.clone();
    Ok(())
}

fn drop_column(ddl: &mut CreateTable, name: &Ident) -> Result<(), Fault> {
    let at = place(ddl, name)?;
    unread(ddl, name)?;
    if ddl.primary_key.iter().any(|key| key.value == name.value) {
        let message = format!("column '{}' is part of the PRIMARY KEY", name.value);
        return Err(Fault::new(message, name.span));
    }
    ddl.columns.remove(at);
    Ok(())
}

/// That nothing else of the declaration reads the column.
fn unread(ddl: &CreateTable, name: &Ident) -> Result<(), Fault> {
    let reads = |expr: &Expr| place_of(expr, &name.value).is_some();
    let computed = ddl.columns.iter().find(|c| match &c.kind {
        ColumnKind::Computed(expr) => c.name.value != name.value && reads(expr),
        _ => false,
    });
    let reader = if let Some(column) = computed {
        format!("the computed column '{}'", column.name.value)
    } else if let Some(watermark) = &ddl.watermark
        && (reads(&watermark.expr) || watermark.column.to_string().trim_matches('`') == name.value)
    {
        "the WATERMARK".to_string()
    } else if ddl.partitioned_by.iter().any(|c| c.value == name.value) {
        "PARTITIONED BY".to_string()
    } else {
        return Ok(());
    };
    Err(Fault::new(format!("column '{}' is read by {reader}", name.value), name.span))
}
