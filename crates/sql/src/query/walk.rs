//! Walks over a query's syntax tree.
//!
//! There are two visitors, one that changes and one that does not, and both call what is done
//! through a pointer: the whole traversal is compiled anew for every type of visitor, and two of
//! them are most of this crate's code already.

use std::ops::ControlFlow;

use sqlparser::ast::{Expr, Query, Select, TableFactor, Visit, VisitMut, Visitor, VisitorMut};

/// Shown before what is inside of it.
pub enum Seen<'a> {
    Query(&'a Query),
    TableFactor(&'a TableFactor),
    Expr(&'a Expr),
    /// The end of the last expression that was shown and not left yet.
    ExprEnd,
}

/// What can be changed.
pub enum Changed<'a> {
    /// Before what is inside of it.
    Query(&'a mut Query),
    /// The end of the last query that was handed over and not left yet.
    QueryEnd,
    /// Before what is inside of it.
    TableFactor(&'a mut TableFactor),
    /// Before what is inside of it.
    Select(&'a mut Select),
    /// Before what is inside of it.
    Enter(&'a mut Expr),
    /// After what is inside of it.
    Expr(&'a mut Expr),
}

/// Shows everything in the order of the text, until told to break.
pub fn walk(text: &impl Visit, each: &mut dyn FnMut(Seen<'_>) -> ControlFlow<()>) {
    let _ = text.visit(&mut Walk(each));
}

/// Hands everything over to be changed.
pub fn walk_mut(text: &mut impl VisitMut, each: &mut dyn FnMut(Changed<'_>)) {
    let _ = text.visit(&mut WalkMut(each));
}

struct Walk<'a>(&'a mut dyn FnMut(Seen<'_>) -> ControlFlow<()>);

impl Visitor for Walk<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        (self.0)(Seen::Query(query))
    }
    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        (self.0)(Seen::TableFactor(factor))
    }
    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        (self.0)(Seen::Expr(expr))
    }
    fn post_visit_expr(&mut self, _: &Expr) -> ControlFlow<()> {
        (self.0)(Seen::ExprEnd)
    }
}

struct WalkMut<'a>(&'a mut dyn FnMut(Changed<'_>));

impl VisitorMut for WalkMut<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        (self.0)(Changed::Query(query));
        ControlFlow::Continue(())
    }
    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        (self.0)(Changed::QueryEnd);
        ControlFlow::Continue(())
    }
    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        (self.0)(Changed::TableFactor(factor));
        ControlFlow::Continue(())
    }
    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        (self.0)(Changed::Select(select));
        ControlFlow::Continue(())
    }
    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        (self.0)(Changed::Enter(expr));
        ControlFlow::Continue(())
    }
    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        (self.0)(Changed::Expr(expr));
        ControlFlow::Continue(())
    }
}
