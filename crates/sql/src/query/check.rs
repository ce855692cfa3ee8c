//! All faults of a query in one go: a name that is not known is noted and replaced by NULL, and
//! the query is bound again.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use datafusion::logical_expr::LogicalPlan;
use sqlparser::ast::{
    Expr, Ident, ObjectName, Query, Spanned, TableFactor, Value, Visit, VisitMut, Visitor,
    VisitorMut,
};
use sqlparser::tokenizer::{Location, Span};

use super::{Names, Provider, bind, errors};
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
    let tables = unknown_tables(provider.names(), query);
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
        new.retain(|f| first || errors::is_about_a_name(f));
        let mut replaced = false;
        for fault in &mut new {
            if fault.span == Span::empty() {
                let name = errors::missing_column(fault).or(errors::missing_field(fault));
                fault.span = name.and_then(|n| place_of(&patched, n)).unwrap_or(Span::empty());
            }
            replaced |= errors::is_about_a_name(fault) && without(&mut patched, fault.span.start);
            if fault.span == Span::empty() {
                fault.span = place_of_call(query, &fault.message).unwrap_or(default);
            }
        }
        faults.extend(new);
        if !replaced {
            break;
        }
    }
    Err(faults)
}

/// Whether everything the query reads exists, also behind views.
pub fn all_tables_exist(names: &dyn Names, query: &Query) -> bool {
    let mut seen = BTreeSet::new();
    let mut open = vec![query.clone()];
    while let Some(query) = open.pop() {
        let mut tables = Tables::new(names);
        let _ = query.visit(&mut tables);
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
    let _ = query.visit(&mut tables);
    tables.read.iter().any(|name| which.contains(name))
}

fn unknown_tables(names: &dyn Names, query: &Query) -> Vec<Fault> {
    let mut tables = Tables::new(names);
    let _ = query.visit(&mut tables);
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

impl Visitor for Tables<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let with = query.with.iter().flat_map(|with| &with.cte_tables);
        self.local.extend(with.map(|cte| cte.alias.name.value.clone()));
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table { name, args: None, .. } = factor {
            self.look_up(name);
        }
        ControlFlow::Continue(())
    }
}

/// Puts NULL where a column or a call starts at that place.
fn without(query: &mut Query, at: Location) -> bool {
    let mut patch = Patch { at, done: false };
    let _ = query.visit(&mut patch);
    patch.done
}

struct Patch {
    at: Location,
    done: bool,
}

impl VisitorMut for Patch {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let starts = |id: &Ident| id.span.start == self.at;
        let found = match expr {
            Expr::Identifier(id) => starts(id),
            Expr::CompoundIdentifier(ids) => ids.iter().any(starts),
            Expr::Function(f) => f.name.span().start == self.at,
            _ => false,
        };
        if found {
            *expr = Expr::value(Value::Null);
            self.done = true;
        }
        ControlFlow::Continue(())
    }
}

/// Where a column of that name is read first, in a query or an expression.
pub fn place_of(text: &impl Visit, name: &str) -> Option<Span> {
    let mut columns = Columns { name, found: None };
    let _ = text.visit(&mut columns);
    columns.found
}

struct Columns<'a> {
    name: &'a str,
    found: Option<Span>,
}

impl Visitor for Columns<'_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        let ids = match expr {
            Expr::Identifier(id) => std::slice::from_ref(id),
            Expr::CompoundIdentifier(ids) => ids.as_slice(),
            _ => return ControlFlow::Continue(()),
        };
        match ids.iter().rfind(|id| id.value == self.name) {
            Some(id) => {
                self.found = Some(id.span);
                ControlFlow::Break(())
            }
            None => ControlFlow::Continue(()),
        }
    }
}

/// Where the first call stands of a function that the message names.
fn place_of_call(query: &Query, message: &str) -> Option<Span> {
    let words = message.split(|c: char| !c.is_alphanumeric() && c != '_').map(str::to_string);
    let mut calls = Calls { words: words.collect(), found: None };
    let _ = query.visit(&mut calls);
    calls.found
}

struct Calls {
    words: BTreeSet<String>,
    found: Option<Span>,
}

impl Visitor for Calls {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if let Expr::Function(f) = expr {
            if self.words.contains(&f.name.to_string().to_uppercase()) {
                self.found = Some(f.name.span());
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }
}
