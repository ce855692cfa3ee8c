//! CREATE TABLE … LIKE: one declaration out of two, by Flink's rules.

use sqlparser::tokenizer::Span;

use super::{Catalog, Table, name_of, span_of};
use crate::fault::Fault;
use crate::parse::ast::{Column, ColumnKind, CreateTable, Like, WithOption};

/// What becomes of one kind of thing that both declarations may have.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Rule {
    /// Taken over; a clash is an error.
    Including,
    Excluding,
    /// Taken over; on a clash the new declaration wins.
    Overwriting,
}

#[derive(Debug, Clone, Copy)]
struct Rules {
    constraints: Rule,
    generated: Rule,
    metadata: Rule,
    options: Rule,
    partitions: Rule,
    watermarks: Rule,
}

/// The declaration with everything that LIKE brings in; unchanged without LIKE.
pub fn resolve(ddl: &CreateTable, catalog: &Catalog) -> Result<CreateTable, Fault> {
    let Some(like) = &ddl.like else { return Ok(ddl.clone()) };
    let Some(base) = catalog.table(&name_of(&like.table)?) else {
        return Err(catalog.unknown("table", &like.table));
    };
    let rules = rules(like)?;
    let at = span_of(&like.table);
    let mut merged = ddl.clone();
    merged.like = None;
    merged.columns = columns(base, ddl, rules, at)?;
    merged.options = options(base, ddl, rules, at)?;
    let clash = |what: &str, rule: Rule| match rule {
        Rule::Including => Err(Fault::new(format!("both tables declare {what}"), at)),
        _ => Ok(()),
    };
    if rules.watermarks != Rule::Excluding && base.ddl.watermark.is_some() {
        match merged.watermark {
            Some(_) => clash("a watermark", rules.watermarks)?,
            None => merged.watermark = base.ddl.watermark.clone(),
        }
    }
    if rules.constraints != Rule::Excluding && !base.ddl.primary_key.is_empty() {
        match merged.primary_key.is_empty() {
            false => clash("a PRIMARY KEY", rules.constraints)?,
            true => merged.primary_key = base.ddl.primary_key.clone(),
        }
    }
    if rules.partitions != Rule::Excluding && !base.ddl.partitioned_by.is_empty() {
        match merged.partitioned_by.is_empty() {
            false => clash("PARTITIONED BY", rules.partitions)?,
            true => merged.partitioned_by = base.ddl.partitioned_by.clone(),
        }
    }
    Ok(merged)
}

fn rules(like: &Like) -> Result<Rules, Fault> {
    // Flink's default is INCLUDING ALL OVERWRITING OPTIONS.
    let mut rules = Rules {
        constraints: Rule::Including,
        generated: Rule::Including,
        metadata: Rule::Including,
        options: Rule::Overwriting,
        partitions: Rule::Including,
        watermarks: Rule::Including,
    };
    for pair in like.rules.chunks(2) {
        let wrong = || {
            let message = format!(
                "LIKE does not know '{}': write INCLUDING, EXCLUDING or OVERWRITING and one of \
                 ALL, CONSTRAINTS, GENERATED, METADATA, OPTIONS, PARTITIONS, WATERMARKS",
                pair.join(" ")
            );
            Fault::new(message, span_of(&like.table))
        };
        let [rule, what] = pair else { return Err(wrong()) };
        let rule = match rule.as_str() {
            "INCLUDING" => Rule::Including,
            "EXCLUDING" => Rule::Excluding,
            "OVERWRITING" => Rule::Overwriting,
            _ => return Err(wrong()),
        };
        match what.as_str() {
            "ALL" => {
                let options = if rule == Rule::Including { Rule::Overwriting } else { rule };
                rules = Rules {
                    constraints: rule,
                    generated: rule,
                    metadata: rule,
                    options,
                    partitions: rule,
                    watermarks: rule,
                };
            }
            "CONSTRAINTS" => rules.constraints = rule,
            "GENERATED" => rules.generated = rule,
            "METADATA" => rules.metadata = rule,
            "OPTIONS" => rules.options = rule,
            "PARTITIONS" => rules.partitions = rule,
            "WATERMARKS" => rules.watermarks = rule,
            "DISTRIBUTION" => {}
            _ => return Err(wrong()),
        }
    }
    Ok(rules)
}

fn columns(base: &Table, ddl: &CreateTable, rules: Rules, at: Span) -> Result<Vec<Column>, Fault> {
    let mut all: Vec<Column> = Vec::new();
    for column in &base.ddl.columns {
        let rule = match column.kind {
            ColumnKind::Physical(_) => Rule::Including,
            ColumnKind::Metadata { .. } => rules.metadata,
            ColumnKind::Computed(_) => rules.generated,
        };
        let again = ddl.columns.iter().any(|c| c.name.value == column.name.value);
        match (rule, again) {
            (Rule::Excluding, _) | (Rule::Overwriting, true) => {}
            (Rule::Including, true) => {
                let message = format!("both tables declare a column '{}'", column.name.value);
                return Err(Fault::new(message, at));
            }
            (_, false) => all.push(column.clone()),
        }
    }
    all.extend(ddl.columns.iter().cloned());
    Ok(all)
}

fn options(
    base: &Table,
    ddl: &CreateTable,
    rules: Rules,
    at: Span,
) -> Result<Vec<WithOption>, Fault> {
    let mut all = ddl.options.clone();
    if rules.options == Rule::Excluding {
        return Ok(all);
    }
    for option in &base.ddl.options {
        match ddl.options.iter().any(|o| o.key == option.key) {
            true if rules.options == Rule::Including => {
                let message = format!("both tables give option '{}'", option.key);
                return Err(Fault::new(message, at));
            }
            true => {}
            // Faults about it must point into this file.
            false => all.push(WithOption { key_span: at, value_span: at, ..option.clone() }),
        }
    }
    Ok(all)
}
