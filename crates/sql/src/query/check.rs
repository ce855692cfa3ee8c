//! All faults of a query in one go: what is wrong by itself, such as a name that is not known, is
//! noted and replaced by NULL, and the query is bound again.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use datafusion::logical_expr::LogicalPlan;
use sqlparser::ast::{
    Expr, Ident, JoinConstraint, JoinOperator, ObjectName, Query, SetExpr, Spanned, TableFactor,
    Value, Visit,
};
use sqlparser::tokenizer::{Location, Span};

use super::walk::{Changed, Seen, walk, walk_mut};
use super::{Names, Provider, bind, errors, nesting, nulls, refused, reserved};
use crate::catalog::{name_of, span_of};
use crate::fault::Fault;

/// How many names of one query are replaced at most.
const MOST: usize = 50;

/// Binds a query; `default` is where faults point that know no better place.
pub fn bind_all(
    provider: &Provider,
    query: &Query,
    default: Span,
) -> Result<LogicalPlan, Vec<Fault>> {
    if depth(query) > DEEPEST {
        let message = format!(
            "an expression is nested more than {DEEPEST} deep: split it, or write IN (…) for a \
             long chain of OR"
        );
        return Err(Fault::new(message, default).into());
    }
    if let Some(message) = nesting::fault(query) {
        return Err(Fault::new(message, default).into());
    }
    let mut tables = unknown_tables(provider.names(), query);
    tables.extend(wrong_joins(query));
    tables.extend(reserved::faults(query));
    tables.extend(refused::faults(query));
    let own = provider.names().functions();
    let own = |name: &str| own.iter().any(|f| f.name().eq_ignore_ascii_case(name));
    tables.extend(nulls::faults(query, &own));
    if !tables.is_empty() {
        return Err(tables);
    }
    let functions = provider.functions();
    let mut patched = query.clone();
    let mut faults: Vec<Fault> = Vec::new();
    for _ in 0..MOST {
        let error = match bind(provider, patched.clone()) {
            Ok(plan) if faults.is_empty() => return Ok(plan),
            Ok(_) => break,
            Err(error) => error,
        };
        let mut new = errors::faults(&error, &functions);
        let first = faults.is_empty();
        // What follows from a NULL that was put in is no fault of the query.
        new.retain(|f| first || errors::is_local(f));
        let mut replaced = false;
        for fault in &mut new {
            if fault.span == Span::empty() {
                let name = errors::missing_column(fault).or(errors::missing_field(fault));
                let name = name.and_then(|name| place_of(&patched, name));
                let call = || place_of_call(&patched, &fault.message);
                fault.span = name.or_else(call).unwrap_or(Span::empty());
            }
            replaced |= errors::is_local(fault) && without(&mut patched, fault.span.start);
            if fault.span == Span::empty() {
                fault.span = default;
            }
        }
        faults.extend(new);
        if !replaced {
            break;
        }
    }
    Err(faults)
}

/// Joins that Flink does not read.
fn wrong_joins(query: &Query) -> Vec<Fault> {
    let mut faults = Vec::new();
    walk(query, &mut |seen| {
        if let Seen::Query(query) = seen {
            joins_of(&query.body, &mut faults);
        }
        ControlFlow::Continue(())
    });
    faults
}

fn joins_of(body: &SetExpr, faults: &mut Vec<Fault>) {
    let select = match body {
        SetExpr::Select(select) => select,
        SetExpr::SetOperation { left, right, .. } => {
            joins_of(left, faults);
            return joins_of(right, faults);
        }
        _ => return,
    };
    for join in select.from.iter().flat_map(|from| &from.joins) {
        let message = match &join.join_operator {
            JoinOperator::Join(JoinConstraint::None)
            | JoinOperator::Inner(JoinConstraint::None)
            | JoinOperator::Left(JoinConstraint::None)
            | JoinOperator::LeftOuter(JoinConstraint::None)
            | JoinOperator::Right(JoinConstraint::None)
            | JoinOperator::RightOuter(JoinConstraint::None)
            | JoinOperator::FullOuter(JoinConstraint::None) => {
                "JOIN needs a condition: ON or USING; CROSS JOIN has none"
            }
            JoinOperator::Right(JoinConstraint::Using(_) | JoinConstraint::Natural)
            | JoinOperator::RightOuter(JoinConstraint::Using(_) | JoinConstraint::Natural)
            | JoinOperator::FullOuter(JoinConstraint::Using(_) | JoinConstraint::Natural) => {
                "RIGHT and FULL JOIN are written with ON: the columns of USING come from both sides"
            }
            JoinOperator::LeftSemi(_) | JoinOperator::Semi(_) | JoinOperator::RightSemi(_) => {
                "SEMI JOIN is written WHERE … IN (SELECT …) or EXISTS"
            }
            JoinOperator::LeftAnti(_) | JoinOperator::Anti(_) | JoinOperator::RightAnti(_) => {
                "ANTI JOIN is written WHERE NOT EXISTS (SELECT …)"
            }
            _ => continue,
        };
        faults.push(Fault::new(message, join.relation.span()));
    }
}

/// How deep expressions may be nested; each operator of a chain such as `a + b + c` counts. What
/// evaluates them for every batch goes as deep on small stacks.
pub const DEEPEST: usize = 500;

/// How deep the deepest expression is nested.
pub fn depth(text: &impl Visit) -> usize {
    let (mut now, mut most) = (0_usize, 0);
    walk(text, &mut |seen| {
        match seen {
            Seen::Expr(_) => now += 1,
            Seen::ExprEnd => now -= 1,
            _ => {}
        }
        most = most.max(now);
        ControlFlow::Continue(())
    });
    most
}

/// Whether everything the query reads exists, also behind views.
pub fn all_tables_exist(names: &dyn Names, query: &Query) -> bool {
    let mut seen = BTreeSet::new();
    let mut open = vec![query.clone()];
    while let Some(query) = open.pop() {
        let mut tables = Tables::new(names);
        tables.of(&query);
        if !tables.faults.is_empty() {
            return false;
        }
        for view in tables.views {
            if seen.insert(view.clone()) {
                open.extend(names.view(&view).map(|v| v.query));
            }
        }
    }
    true
}

/// Whether the query reads one of these names; a view over one of them is among them.
pub fn reads_any(names: &dyn Names, query: &Query, which: &BTreeSet<String>) -> bool {
    let mut tables = Tables::new(names);
    tables.of(query);
    tables.read.iter().any(|name| which.contains(name))
}

fn unknown_tables(names: &dyn Names, query: &Query) -> Vec<Fault> {
    let mut tables = Tables::new(names);
    tables.of(query);
    tables.faults
}

/// Looks up every table of a query.
struct Tables<'a> {
    names: &'a dyn Names,
    /// Names that WITH gives.
    local: BTreeSet<String>,
    views: Vec<String>,
    /// Every name that FROM reads.
    read: Vec<String>,
    faults: Vec<Fault>,
}

impl<'a> Tables<'a> {
    fn new(names: &'a dyn Names) -> Self {
        Tables { names, local: BTreeSet::new(), views: vec![], read: vec![], faults: vec![] }
    }

    fn of(&mut self, query: &Query) {
        walk(query, &mut |seen| {
            match seen {
                Seen::Query(query) => {
                    let with = query.with.iter().flat_map(|with| &with.cte_tables);
                    self.local.extend(with.map(|cte| cte.alias.name.value.clone()));
                }
                Seen::TableFactor(TableFactor::Table { name, args: None, .. }) => {
                    self.look_up(name)
                }
                _ => {}
            }
            ControlFlow::Continue(())
        });
    }

    fn look_up(&mut self, name: &ObjectName) {
        let found = match name_of(name) {
            Ok(found) => found,
            Err(fault) => return self.faults.push(fault),
        };
        self.read.push(found.clone());
        if self.local.contains(&found) || self.names.table(&found).is_some() {
            return;
        }
        if self.names.view(&found).is_some() {
            return self.views.push(found);
        }
        let all = self.names.all();
        let among = all.iter().chain(&self.local).map(String::as_str);
        let fault = Fault::new(format!("there is no table or view '{found}'"), span_of(name));
        let fault = fault.suggest(&found, among);
        self.faults.push(fault);
    }
}

/// Puts NULL where a column or a call starts at that place.
fn without(query: &mut Query, at: Location) -> bool {
    let starts = |id: &Ident| id.span.start == at;
    let mut done = false;
    walk_mut(query, &mut |changed| {
        let Changed::Expr(expr) = changed else { return };
        let found = match &*expr {
            Expr::Identifier(id) => starts(id),
            Expr::CompoundIdentifier(ids) => ids.iter().any(starts),
            Expr::Function(f) => f.name.span().start == at,
            _ => false,
        };
        if found {
            *expr = Expr::value(Value::Null);
            done = true;
        }
    });
    done
}

/// Where a column of that name is read first, in a query or an expression.
pub fn place_of(text: &impl Visit, name: &str) -> Option<Span> {
    first(text, &mut |expr| {
        let ids = match expr {
            Expr::Identifier(id) => std::slice::from_ref(id),
            Expr::CompoundIdentifier(ids) => ids.as_slice(),
            _ => return None,
        };
        ids.iter().rfind(|id| id.value == name).map(|id| id.span)
    })
}

/// Where the first call stands of a function that the message names.
fn place_of_call(query: &Query, message: &str) -> Option<Span> {
    let words = message.split(|c: char| !c.is_alphanumeric() && c != '_').map(str::to_string);
    let words: BTreeSet<String> = words.collect();
    first(query, &mut |expr| match expr {
        Expr::Function(f) if words.contains(&f.name.to_string().to_uppercase()) => {
            Some(f.name.span())
        }
        _ => None,
    })
}

/// The first place that `find` finds.
fn first(text: &impl Visit, find: &mut dyn FnMut(&Expr) -> Option<Span>) -> Option<Span> {
    let mut found = None;
    walk(text, &mut |seen| {
        if let Seen::Expr(expr) = seen {
            found = find(expr);
        }
        match found {
            Some(_) => ControlFlow::Break(()),
            None => ControlFlow::Continue(()),
        }
    });
    found
}
