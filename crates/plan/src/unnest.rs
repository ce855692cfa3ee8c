//! UNNEST: a row for each element of a collection.

use crate::node::Expr;

/// A Map that copies its rows: each for every element of a column. Output: the projection's
/// visible columns, the element's, hidden ones.
#[derive(Debug, Clone)]
pub struct UnnestSpec {
    /// Of the input.
    pub column: usize,
    pub kind: UnnestKind,
    /// How many columns an element has, without its number.
    pub width: usize,
    /// The element's number follows, from 1.
    pub numbered: bool,
    /// Only elements that pass; reads the input's columns, then the element's.
    pub filter: Option<Expr>,
    /// A row without elements comes out once, with NULLs.
    pub outer: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnnestKind {
    /// Of an ARRAY. A ROW's fields are columns; an element that is a NULL ROW is left out.
    Items { rows: bool },
    /// Key and value of a MAP.
    Entries,
    /// Of a MULTISET, each as often as it is in it.
    Counted { rows: bool },
    /// As often as the number in the column says; elements have no columns.
    Repeat,
}
