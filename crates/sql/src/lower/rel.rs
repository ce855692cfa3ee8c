//! A relation while it is lowered: a node and what is still to be done to its rows in one Map.
//!
//! Expressions name columns by position (`#3`), so that neither qualifiers nor repeated names
//! matter, and become physical when the Map is made.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use brooklet_core::types::SqlType;
use brooklet_plan::node::{LATE, MapSpec, NOW, ORD, WindowAssign};
use brooklet_plan::{Node, NodeId, NodeOp, StreamPlan};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, DataFusionError, Result, ScalarValue};
use datafusion::logical_expr::execution_props::ExecutionProps;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{Expr, ExprSchemable};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::create_physical_expr;
use datafusion::physical_expr::expressions::Column as PhysicalColumn;

use super::needs::Need;
use crate::query::clock;
use crate::query::window_tvf::WINDOW_COLUMNS;

#[derive(Debug, Clone)]
pub struct Rel {
    pub node: NodeId,
    pub filter: Option<Expr>,
    pub window: Option<WindowAssign>,
    pub exprs: Vec<Expr>,
    /// Names of the columns `exprs` give.
    pub names: Vec<String>,
    pub label: String,
}

/// Column `i` of the node below.
pub fn column(i: usize) -> Expr {
    Expr::Column(Column::new_unqualified(format!("#{i}")))
}

/// The position a bare column stands for.
pub fn position(expr: &Expr) -> Option<usize> {
    match expr {
        Expr::Alias(alias) => position(&alias.expr),
        Expr::Column(c) if c.relation.is_none() => c.name.strip_prefix('#')?.parse().ok(),
        _ => None,
    }
}

/// A column that a window assignment adds.
pub fn window_column(i: usize) -> Expr {
    Expr::Column(Column::new_unqualified(WINDOW_COLUMNS[i]))
}

/// `expr` over the columns of `schema` with each column replaced by the expression at its index.
pub fn substitute(expr: Expr, schema: &DFSchema, by: &[Expr]) -> Result<Expr> {
    let replaced = expr.transform_up(|e| match &e {
        Expr::Column(c) => {
            let i = schema.index_of_column(c)?;
            let new = by.get(i).ok_or_else(|| {
                DataFusionError::Plan(format!("column '{}' is not carried this far", c.name))
            })?;
            Ok(Transformed::yes(new.clone()))
        }
        _ => Ok(Transformed::no(e)),
    })?;
    clock::to_column(replaced.data)
}

/// Whether computing the expression twice costs nothing worth a Map of its own.
pub fn is_cheap(expr: &Expr) -> bool {
    match expr {
        Expr::Column(_) | Expr::Literal(..) => true,
        Expr::Alias(alias) => is_cheap(&alias.expr),
        Expr::ScalarFunction(f) if f.func.name() == "get_field" => f.args.iter().all(is_cheap),
        _ => false,
    }
}

impl Rel {
    /// The visible columns of a node as they are.
    pub fn of_node(plan: &StreamPlan, node: NodeId, label: impl Into<String>) -> Self {
        let n = plan.node(node);
        let visible = visible(n);
        Rel {
            node,
            filter: None,
            window: None,
            exprs: (0..visible).map(column).collect(),
            names: n.schema.fields()[..visible].iter().map(|f| f.name().clone()).collect(),
            label: label.into(),
        }
    }

    /// Without the columns from that one on.
    pub fn truncate(&mut self, width: usize) {
        self.exprs.truncate(width);
        self.names.truncate(width);
    }

    fn is_identity(&self, plan: &StreamPlan) -> bool {
        self.filter.is_none()
            && self.window.is_none()
            && self.exprs.len() == visible(plan.node(self.node))
            && self.exprs.iter().enumerate().all(|(i, e)| position(e) == Some(i))
    }

    /// Schema of what the expressions may read.
    pub fn scope(&self, plan: &StreamPlan) -> Result<DFSchema> {
        let time = self.window.as_ref().map(|w| w.time);
        scope(&plan.node(self.node).schema, time)
    }

    /// Type and nullability of each expression.
    pub fn fields(&self, plan: &StreamPlan) -> Result<Vec<Field>> {
        let scope = self.scope(plan)?;
        let field = |(e, name): (&Expr, &String)| {
            let (_, field) = e.to_field(&scope)?;
            Ok(honest(field.as_ref().clone()).with_name(name).with_nullable(true))
        };
        self.exprs.iter().zip(&self.names).map(field).collect()
    }

    /// The node whose visible columns are exactly `exprs`: this one when nothing is to be done.
    /// Hidden columns that are needed and there are carried along.
    pub fn emit(&self, plan: &mut StreamPlan, need: Need) -> Result<NodeId> {
        match self.is_identity(plan) {
            true => Ok(self.node),
            false => self.emit_always(plan, need),
        }
    }

    /// The same, with a Map even if only names change.
    pub fn emit_always(&self, plan: &mut StreamPlan, need: Need) -> Result<NodeId> {
        let below = plan.node(self.node).clone();
        let scope = self.scope(plan)?;
        let mut fields = self.fields(plan)?;
        let mut exprs = self.exprs.clone();
        let (mut ord, mut late) = (Vec::new(), None);
        if need.carries_ord() {
            for (n, i) in below.ord.iter().enumerate() {
                ord.push(exprs.len());
                exprs.push(column(*i));
                fields.push(hidden_ord(n));
            }
        }
        if let Some(i) = below.late.filter(|_| need.late) {
            late = Some(exprs.len());
            exprs.push(column(i));
            fields.push(Field::new(LATE, DataType::Int64, true));
        }
        let needs_now = exprs.iter().chain(&self.filter).any(clock::reads_now);
        let physical = Physical { schema: &below.schema, scope: &scope, needs_now };
        let spec = MapSpec {
            filter: self.filter.as_ref().map(|f| physical.expr(f)).transpose()?,
            window: self.window.clone(),
            exprs: exprs.iter().map(|e| physical.expr(e)).collect::<Result<_>>()?,
            needs_now,
            unnest: None,
        };
        let key = below.key.as_ref().and_then(|k| self.carried(k));
        let key = if self.copies() { None } else { key };
        Ok(plan.push(Node {
            op: NodeOp::Map(spec),
            inputs: vec![self.node],
            schema: Arc::new(Schema::new(fields)),
            append_only: below.append_only,
            key,
            ord,
            late,
            fingerprint: 0,
            label: self.label.clone(),
        }))
    }

    /// Where columns of the node below stand in the output; None unless all do.
    pub fn carried(&self, columns: &[usize]) -> Option<Vec<usize>> {
        let find = |c: &usize| self.exprs.iter().position(|e| position(e) == Some(*c));
        columns.iter().map(find).collect()
    }

    /// Rows are copied into several windows.
    fn copies(&self) -> bool {
        use brooklet_plan::node::WindowKind;
        !matches!(self.window.as_ref().map(|w| w.kind), None | Some(WindowKind::Tumble { .. }))
    }
}

/// The SQL type of a field: what its metadata says, if that is true.
pub fn sql_type(field: &Field) -> Option<SqlType> {
    SqlType::of_field(field)
}

/// Without metadata that names another SQL type than the field now has.
fn honest(field: Field) -> Field {
    match sql_type(&field) {
        Some(ty) => ty.field(field.name(), field.is_nullable()),
        None => field.with_metadata(Default::default()),
    }
}

/// Number of columns before the hidden ones.
pub fn visible(node: &Node) -> usize {
    node.schema.fields().len() - node.ord.len() - usize::from(node.late.is_some())
}

/// The nth arrival-order column.
pub fn hidden_ord(n: usize) -> Field {
    let name = if n == 0 { ORD.to_string() } else { format!("{ORD}{n}") };
    Field::new(name, DataType::Int64, true)
}

/// What expressions over a node may read: its columns by position, `__now`, window columns when
/// the column `time` is assigned to windows.
pub fn scope(below: &SchemaRef, time: Option<usize>) -> Result<DFSchema> {
    let mut fields: Vec<Field> = below
        .fields()
        .iter()
        .enumerate()
        .map(|(i, f)| f.as_ref().clone().with_name(format!("#{i}")))
        .collect();
    fields.push(Field::new(NOW, clock::now_type(), false));
    if let Some(time) = time {
        let plain = DataType::Timestamp(TimeUnit::Millisecond, None);
        let rowtime = below.field(time).data_type().clone();
        for (name, ty) in WINDOW_COLUMNS.into_iter().zip([plain.clone(), plain, rowtime]) {
            fields.push(Field::new(name, ty, false));
        }
    }
    DFSchema::try_from(Schema::new(fields))
}

/// Makes physical expressions over a node's columns, `__now` (if asked for) and window columns.
/// Without `__now` it is a condition on pairs of rows, which may not read it.
pub struct Physical<'a> {
    pub schema: &'a SchemaRef,
    pub scope: &'a DFSchema,
    pub needs_now: bool,
}

impl Physical<'_> {
    pub fn expr(&self, expr: &Expr) -> Result<Arc<dyn PhysicalExpr>> {
        if !self.needs_now && clock::reads_now(expr) {
            return Err(super::error("a join condition cannot read the clock", None));
        }
        let bare = expr.clone().unalias();
        let made = create_physical_expr(
            &bare,
            self.scope,
            &ExecutionProps::new(),
            &PhysicalPlanningContext::default(),
        )?;
        let width = self.schema.fields().len();
        let named = made.transform_up(|e| {
            let Some(c) = e.downcast_ref::<PhysicalColumn>() else {
                return Ok(Transformed::no(e));
            };
            let (name, index) = match c.index() {
                i if i < width => (self.schema.field(i).name().as_str(), i),
                i if i == width => (NOW, width),
                i => (WINDOW_COLUMNS[i - width - 1], i - usize::from(!self.needs_now)),
            };
            let column: Arc<dyn PhysicalExpr> = Arc::new(PhysicalColumn::new(name, index));
            Ok(Transformed::yes(column))
        })?;
        Ok(named.data)
    }
}

/// A BIGINT literal.
pub fn bigint(value: i64) -> Expr {
    Expr::Literal(ScalarValue::Int64(Some(value)), None)
}
