//! GROUP BY: what is grouped by, as one list of grouping sets, and names that mean columns of the
//! input alone, never those of the result.

use std::collections::BTreeSet;

use sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, GroupByExpr, Ident, Query,
    Select, SelectItem, SetExpr, TableFactor, Visit,
};
use sqlparser::parser::Parser;

use super::check;
use crate::parse::dialect::Flink;

/// A list of grouping sets, each a list of keys.
type Sets = Vec<Vec<Expr>>;

/// Rewrites a SELECT with GROUP BY or HAVING.
pub fn prepare(select: &mut Select) {
    let GroupByExpr::Expressions(written, _) = &mut select.group_by else { return };
    written.retain(|e| !matches!(e, Expr::Tuple(of) if of.is_empty()));
    if written.iter().any(|e| of_one(e).is_some()) {
        let all = written.iter().map(|e| of_one(e).unwrap_or_else(|| vec![keys_of(e)]));
        let sets = all.fold(vec![vec![]], |so_far, more| product(&so_far, &more));
        *written = vec![Expr::GroupingSets(sets)];
    }
    hide_result_names(select);
}

/// Each of the sets with each of the others.
fn product(sets: &Sets, others: &Sets) -> Sets {
    let with = |set: &Vec<Expr>, other: &Vec<Expr>| {
        let mut keys = set.clone();
        keys.extend(other.iter().filter(|key| !set.contains(key)).cloned());
        keys
    };
    sets.iter().flat_map(|set| others.iter().map(move |other| with(set, other))).collect()
}

/// The sets that GROUPING SETS, ROLLUP or CUBE stands for.
fn of_one(expr: &Expr) -> Option<Sets> {
    match expr {
        Expr::GroupingSets(sets) => Some(sets.iter().flat_map(inner).collect()),
        Expr::Rollup(levels) => Some(rollup(levels)),
        Expr::Cube(groups) => Some(cube(groups)),
        // Within GROUPING SETS they come as calls.
        Expr::Function(call) => {
            let name = call.name.to_string();
            match () {
                _ if name.eq_ignore_ascii_case("ROLLUP") => Some(rollup(&arguments(call)?)),
                _ if name.eq_ignore_ascii_case("CUBE") => Some(cube(&arguments(call)?)),
                _ => None,
            }
        }
        _ => None,
    }
}

fn arguments(call: &Function) -> Option<Sets> {
    let FunctionArguments::List(list) = &call.args else { return None };
    let keys = list.args.iter().map(|argument| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(e)) => Some(keys_of(e)),
        _ => None,
    });
    keys.collect()
}

/// A member of GROUPING SETS, which may be sets itself.
fn inner(member: &Vec<Expr>) -> Sets {
    match member.as_slice() {
        [one] => of_one(one).unwrap_or_else(|| vec![keys_of(one)]),
        _ => vec![member.clone()],
    }
}

fn keys_of(expr: &Expr) -> Vec<Expr> {
    match expr {
        Expr::Tuple(keys) => keys.clone(),
        one => vec![one.clone()],
    }
}

/// All levels, then all but the last, and so on down to none.
fn rollup(levels: &Sets) -> Sets {
    (0..=levels.len()).rev().map(|n| levels[..n].concat()).collect()
}

/// Every choice of the groups.
fn cube(groups: &Sets) -> Sets {
    let choices = (0..1_u64 << groups.len().min(MOST_GROUPS)).rev();
    let chosen = |choice: u64| {
        let taken = groups.iter().enumerate();
        let last = groups.len() - 1;
        let taken = taken.filter(|(i, _)| choice >> (last - i) & 1 == 1);
        taken.flat_map(|(_, keys)| keys.clone()).collect()
    };
    choices.map(chosen).collect()
}

/// The groups of a CUBE that are looked at: there are two sets for each further one.
const MOST_GROUPS: usize = 12;

/// Stands behind names of results that GROUP BY and HAVING must not see.
const HIDDEN: char = '\u{1}';

/// DataFusion lets GROUP BY and HAVING name columns of the result. Where such a name is used, the
/// columns get others, and a SELECT around gives them their own back.
fn hide_result_names(select: &mut Select) {
    let given: BTreeSet<String> = select.projection.iter().filter_map(given_name).collect();
    let GroupByExpr::Expressions(keys, _) = &select.group_by else { return };
    let reads = |e: &dyn Fn(&str) -> bool| given.iter().any(|name| e(name));
    let by = |name: &str| keys.iter().any(|key| names(key, name));
    let having = |name: &str| select.having.as_ref().is_some_and(|having| names(having, name));
    let groups = !keys.is_empty() || select.having.is_some();
    if !groups || !(reads(&by) || reads(&having)) {
        return;
    }
    let names: Option<Vec<Ident>> = select.projection.iter().map(item_name).collect();
    let (Some(names), Some(around)) = (names, select_around()) else { return };
    let mut around = around;
    around.projection = names.iter().map(shown_again).collect();
    std::mem::swap(select, &mut around);
    for (item, name) in around.projection.iter_mut().zip(names) {
        let (SelectItem::ExprWithAlias { expr, .. } | SelectItem::UnnamedExpr(expr)) = item else {
            continue;
        };
        let alias = Ident::with_quote('`', format!("{}{HIDDEN}", name.value));
        *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias };
    }
    if let Some(TableFactor::Derived { subquery, .. }) =
        select.from.first_mut().map(|from| &mut from.relation)
    {
        *subquery.body = SetExpr::Select(Box::new(around));
    }
}

fn names(expr: &impl Visit, name: &str) -> bool {
    check::place_of(expr, name).is_some()
}

/// The name that AS gives to something else than the column of that name.
fn given_name(item: &SelectItem) -> Option<String> {
    match item {
        SelectItem::ExprWithAlias { expr, alias } => {
            let itself = match expr {
                Expr::Identifier(id) => id.value == alias.value,
                Expr::CompoundIdentifier(ids) => {
                    ids.last().is_some_and(|id| id.value == alias.value)
                }
                _ => false,
            };
            (!itself && !alias.value.ends_with(HIDDEN)).then(|| alias.value.clone())
        }
        _ => None,
    }
}

fn item_name(item: &SelectItem) -> Option<Ident> {
    match item {
        SelectItem::ExprWithAlias { alias, .. } => Some(alias.clone()),
        SelectItem::UnnamedExpr(Expr::Identifier(id)) => Some(id.clone()),
        _ => None,
    }
}

/// The column under its name; it has a hidden one below.
fn shown_again(name: &Ident) -> SelectItem {
    let hidden = Ident::with_quote('`', format!("{}{HIDDEN}", name.value));
    SelectItem::ExprWithAlias { expr: Expr::Identifier(hidden), alias: name.clone() }
}

/// `SELECT … FROM (…) AS grouped`, to be filled in.
fn select_around() -> Option<Select> {
    let text = "SELECT 1 FROM (SELECT 1) AS grouped";
    let query: Query = *Parser::new(&Flink).try_with_sql(text).ok()?.parse_query().ok()?;
    match *query.body {
        SetExpr::Select(select) => Some(*select),
        _ => None,
    }
}
