//! `/*+ STATE_TTL('t' = '1 d') */`: for how long a join or an aggregation of a query keeps what it
//! knows of one of its inputs.
//!
//! The hint goes into the name that the input has in the plan: `t` is called `/*+ 86400000 */.t`,
//! which is still found as `t`.

use std::sync::Arc;

use brooklet_core::options::parse_duration;
use datafusion::common::{Result, TableReference};
use datafusion::logical_expr::{LogicalPlan, SubqueryAlias};
use sqlparser::ast::{
    Ident, ObjectNamePart, Query, Select, SelectItem, SelectItemQualifiedWildcardKind, TableAlias,
    TableFactor,
};

use super::walk::{Changed, walk_mut};
use crate::parse::hints::{Arguments, of_select};

pub const STATE_TTL: &str = "STATE_TTL";
const OPENS: &str = "/*+ ";
const CLOSES: &str = " */";

/// Marks the hinted inputs of a query; its hints are gone then.
pub fn mark(query: &mut Query) {
    walk_mut(query, &mut |changed| {
        if let Changed::Select(select) = changed {
            mark_select(select);
        }
    });
}

fn mark_select(select: &mut Select) {
    let hints = of_select(select).unwrap_or_default();
    select.optimizer_hints.clear();
    for hint in hints.into_iter().filter(|hint| hint.name == STATE_TTL) {
        let Arguments::Pairs(pairs) = hint.arguments else { continue };
        for pair in pairs {
            let Some(ttl) = parse_duration(&pair.value) else { continue };
            select
                .projection
                .iter_mut()
                .for_each(|item| mark_all(item, &pair.key, ttl.as_millis()));
            for from in &mut select.from {
                mark_factor(&mut from.relation, &pair.key, ttl.as_millis());
                for join in &mut from.joins {
                    mark_factor(&mut join.relation, &pair.key, ttl.as_millis());
                }
            }
        }
    }
}

/// `t.*` is asked for by the whole name.
fn mark_all(item: &mut SelectItem, key: &str, ttl_ms: u128) {
    if let SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) =
        item
        && let [ObjectNamePart::Identifier(own)] = name.0.as_slice()
        && own.value == key
    {
        let mark = Ident::with_quote('`', format!("{OPENS}{ttl_ms}{CLOSES}"));
        name.0.insert(0, ObjectNamePart::Identifier(mark));
    }
}

fn mark_factor(factor: &mut TableFactor, key: &str, ttl_ms: u128) {
    let Some(own) = name(factor).filter(|name| name.value == key).cloned() else { return };
    let (TableFactor::Table { alias, .. } | TableFactor::Derived { alias, .. }) = factor else {
        return;
    };
    let value = format!("{OPENS}{ttl_ms}{CLOSES}{}", own.value);
    let marked = Ident { value, quote_style: Some('`'), ..own };
    match alias {
        Some(alias) => alias.name = marked,
        None => {
            *alias = Some(TableAlias { explicit: true, name: marked, columns: vec![], at: None })
        }
    }
}

/// The name that a table or a query has in FROM.
pub fn name(factor: &TableFactor) -> Option<&Ident> {
    match factor {
        TableFactor::Table { alias: Some(alias), .. }
        | TableFactor::Derived { alias: Some(alias), .. } => Some(&alias.name),
        TableFactor::Table { name, .. } => name.0.last()?.as_ident(),
        _ => None,
    }
}

/// A marked input with its name as it was, and the mark.
pub fn unmarked(factor: &TableFactor) -> Option<(TableFactor, String)> {
    let marked = name(factor)?.value.strip_prefix(OPENS)?;
    let (ttl, own) = marked.split_once(CLOSES)?;
    let mut factor = factor.clone();
    if let TableFactor::Table { alias: Some(alias), .. }
    | TableFactor::Derived { alias: Some(alias), .. } = &mut factor
    {
        alias.name.value = own.to_string();
    }
    Some((factor, format!("{OPENS}{ttl}{CLOSES}")))
}

/// The input's plan under its marked name.
pub fn named(plan: LogicalPlan, mark: &str) -> Result<LogicalPlan> {
    let own = plan.schema().iter().find_map(|(q, _)| q.map(|q| q.table().to_string()));
    let alias = TableReference::partial(mark, own.unwrap_or_default());
    Ok(LogicalPlan::SubqueryAlias(SubqueryAlias::try_new(Arc::new(plan), alias)?))
}

/// The hint for an input of a join or an aggregation, in milliseconds.
pub fn of(plan: &LogicalPlan) -> Option<i64> {
    match plan {
        LogicalPlan::SubqueryAlias(alias) => {
            let mark = alias.alias.schema().and_then(|mark| mark.strip_prefix(OPENS));
            mark.and_then(|mark| mark.strip_suffix(CLOSES)?.parse().ok())
        }
        LogicalPlan::Projection(p) => of(&p.input),
        LogicalPlan::Filter(f) => of(&f.input),
        _ => None,
    }
}
