//! Flink SQL statements as parsed; queries and expressions are sqlparser's own nodes.
//!
//! Spans are lines and columns (from 1, in characters) of the text after placeholders were
//! substituted; `placeholders::Source` leads from there to the file. Names keep their case.

pub use super::show::{Show, ShowKind};
use brooklet_core::types::Nullable;
pub use sqlparser::ast::Query;
use sqlparser::ast::{Expr, Ident, ObjectName};
pub use sqlparser::tokenizer::Span;

/// One statement and where its text stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    pub kind: StatementKind,
    pub span: Span,
}

#[derive(Debug, Clone, PartialEq)]
pub enum StatementKind {
    CreateTable(Box<CreateTable>),
    CreateView(Box<CreateView>),
    CreateFunction(CreateFunction),
    Insert(Box<Insert>),
    /// EXECUTE STATEMENT SET BEGIN … END and BEGIN STATEMENT SET; … END;
    StatementSet(Vec<Statement>),
    Explain(Explain),
    /// A SELECT, VALUES or WITH at the top.
    Query(Box<Query>),
    Set(Set),
    /// RESET 'key', or everything.
    Reset(Option<String>),
    Drop(Drop),
    Alter(Box<Alter>),
    Describe(ObjectName),
    Show(Show),
    Use(ObjectName),
}

#[derive(Debug, Clone, PartialEq)]
pub struct CreateTable {
    pub name: ObjectName,
    pub temporary: bool,
    pub if_not_exists: bool,
    pub columns: Vec<Column>,
    pub watermark: Option<Watermark>,
    /// Declared inline or as a constraint; empty without one.
    pub primary_key: Vec<Ident>,
    pub partitioned_by: Vec<Ident>,
    pub options: Vec<WithOption>,
    pub comment: Option<String>,
    pub like: Option<Like>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    pub name: Ident,
    pub kind: ColumnKind,
    pub comment: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum ColumnKind {
    Physical(Nullable),
    /// `key` None: the column's name.
    Metadata {
        ty: Nullable,
        key: Option<String>,
        read_only: bool,
    },
    Computed(Box<Expr>),
}

/// WATERMARK FOR column AS expr.
#[derive(Debug, Clone, PartialEq)]
pub struct Watermark {
    /// More than one part names a field of a ROW.
    pub column: ObjectName,
    pub expr: Expr,
}

/// `'key' = 'value'` in a WITH clause.
#[derive(Debug, Clone, PartialEq)]
pub struct WithOption {
    pub key: String,
    pub value: String,
    pub key_span: Span,
    pub value_span: Span,
}

/// LIKE table (INCLUDING ALL, EXCLUDING OPTIONS …): the words in upper case.
#[derive(Debug, Clone, PartialEq)]
pub struct Like {
    pub table: ObjectName,
    pub rules: Vec<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct CreateView {
    pub name: ObjectName,
    /// Empty: the query's own names.
    pub columns: Vec<Ident>,
    pub query: Box<Query>,
    pub temporary: bool,
    pub if_not_exists: bool,
    pub comment: Option<String>,
}

/// CREATE FUNCTION name AS 'class' LANGUAGE …: the name is looked up among the native functions.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateFunction {
    pub name: ObjectName,
    pub class: String,
    pub language: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Insert {
    pub table: ObjectName,
    pub overwrite: bool,
    /// PARTITION (column = value, …).
    pub partition: Vec<(Ident, Expr)>,
    /// Empty: all columns in declared order.
    pub columns: Vec<Ident>,
    pub query: Box<Query>,
    pub on_conflict: Option<OnConflict>,
}

/// ON CONFLICT DO … at the end of an INSERT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnConflict {
    DoNothing,
    DoError,
    DoDeduplicate,
}

/// EXPLAIN [PLAN FOR | details] statement.
#[derive(Debug, Clone, PartialEq)]
pub struct Explain {
    /// CHANGELOG_MODE, ESTIMATED_COST …, in upper case.
    pub details: Vec<String>,
    pub inner: Box<Statement>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Set {
    /// None: SET alone, which lists the settings.
    pub pair: Option<WithOption>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Drop {
    pub what: DropKind,
    pub name: ObjectName,
    pub if_exists: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DropKind {
    Table,
    View,
    Function,
}

/// ALTER TABLE, VIEW or DATABASE.
#[derive(Debug, Clone, PartialEq)]
pub struct Alter {
    pub what: Altered,
    pub name: ObjectName,
    pub if_exists: bool,
    pub change: Change,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Altered {
    Table,
    View,
    Database,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    Rename(ObjectName),
    RenameColumn(Ident, Ident),
    Set(Vec<WithOption>),
    /// Keys and where they stand.
    Reset(Vec<(String, Span)>),
    Add(Elements),
    Modify(Elements),
    DropColumns(Vec<Ident>),
    DropKey(Span),
    DropWatermark(Span),
    /// A view's new query.
    As(Box<Query>),
}

/// What ADD and MODIFY give a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Elements {
    pub columns: Vec<(Column, Option<Position>)>,
    pub watermark: Option<Watermark>,
    pub primary_key: Vec<Ident>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Position {
    First,
    After(Ident),
}
