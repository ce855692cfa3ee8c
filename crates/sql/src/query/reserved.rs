//! Words that are no names of columns unless they stand in backquotes.

use std::ops::ControlFlow;

use sqlparser::ast::{Expr, Ident, Query, SelectItem, SetExpr, TableAlias, TableFactor};

use super::walk::{Seen, walk};
use crate::fault::Fault;

/// A fault for each reserved word that a query uses as a name.
pub fn faults(query: &Query) -> Vec<Fault> {
    let mut found = Vec::new();
    walk(query, &mut |seen| {
        match seen {
            Seen::Query(query) => {
                let with = query.with.iter().flat_map(|with| &with.cte_tables);
                with.for_each(|cte| of_alias(&cte.alias, &mut found));
                of_body(&query.body, &mut found);
            }
            Seen::TableFactor(
                TableFactor::Table { alias, .. }
                | TableFactor::Derived { alias, .. }
                | TableFactor::TableFunction { alias, .. }
                | TableFactor::Function { alias, .. }
                | TableFactor::UNNEST { alias, .. },
            ) => alias.iter().for_each(|alias| of_alias(alias, &mut found)),
            Seen::Expr(Expr::Identifier(id)) => found.extend(fault(id)),
            Seen::Expr(Expr::CompoundIdentifier(ids)) => found.extend(ids.iter().filter_map(fault)),
            _ => {}
        }
        ControlFlow::Continue(())
    });
    found
}

/// The fault of a name, if it is a reserved word without quotes.
fn fault(name: &Ident) -> Option<Fault> {
    let upper = name.value.to_uppercase();
    if name.quote_style.is_some() || WORDS.binary_search(&upper.as_str()).is_err() {
        return None;
    }
    let written = &name.value;
    let message = format!("{upper} is a reserved word: write the name in backquotes, `{written}`");
    Some(Fault::new(message, name.span))
}

fn of_body(body: &SetExpr, found: &mut Vec<Fault>) {
    match body {
        SetExpr::Select(select) => {
            let given = |item: &SelectItem| match item {
                SelectItem::ExprWithAlias { alias, .. } => fault(alias),
                _ => None,
            };
            found.extend(select.projection.iter().filter_map(given));
        }
        SetExpr::SetOperation { left, right, .. } => {
            of_body(left, found);
            of_body(right, found);
        }
        _ => {}
    }
}

fn of_alias(alias: &TableAlias, found: &mut Vec<Fault>) {
    let columns = alias.columns.iter().map(|column| &column.name);
    found.extend(std::iter::once(&alias.name).chain(columns).filter_map(fault));
}

/// Names of types, and VALUE. Flink reserves four hundred words more. Sorted.
const WORDS: &[&str] = &[
    "BIGINT",
    "BINARY",
    "BOOLEAN",
    "CHAR",
    "DATE",
    "DECIMAL",
    "DOUBLE",
    "FLOAT",
    "INT",
    "INTEGER",
    "INTERVAL",
    "MULTISET",
    "NUMERIC",
    "REAL",
    "ROW",
    "SMALLINT",
    "STRING",
    "TIME",
    "TIMESTAMP",
    "TIMESTAMP_LTZ",
    "TINYINT",
    "VALUE",
    "VARBINARY",
    "VARCHAR",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_sorted_and_each_is_a_fault_without_quotes() {
        assert!(WORDS.is_sorted());
        assert!(fault(&Ident::new("value")).is_some());
        assert!(fault(&Ident::with_quote('`', "value")).is_none());
        assert!(fault(&Ident::new("key")).is_none());
    }
}
