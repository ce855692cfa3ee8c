//! A join with a table FOR SYSTEM_TIME AS OF a processing time: a Lookup.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema};
use brooklet_core::connector::LookupSide;
use brooklet_core::lookup::LookupCache;
use brooklet_core::schema::{ColumnKind, TableDef};
use brooklet_plan::node::LookupSpec;
use brooklet_plan::{Node, NodeId, NodeOp, StreamPlan};
use datafusion::common::{DataFusionError, JoinType, Result};
use datafusion::logical_expr::{Expr, Join, LogicalPlan, TableScan};

use super::needs::Need;
use super::rel::{self, Physical, Rel};
use super::{Lowering, error, names_of, needs};
use crate::query::temporal;

/// The right side: its columns and what they must fulfil, over left ++ table.
struct Right {
    exprs: Vec<Expr>,
    filter: Option<Expr>,
}

impl Lowering<'_> {
    pub(super) fn lookup(
        &mut self,
        join: &Join,
        scan: &TableScan,
        plan: &LogicalPlan,
        need: Need,
    ) -> Result<Rel> {
        let below = needs::of_inputs(plan, need, self.provider.names());
        let table = self.table(scan.table_name.table())?;
        let built_in = self.is_built_in(&table, scan)?;
        let on = join.on.iter().map(|(l, _)| l.clone()).collect();
        let left = self.side(&join.left, on, &[], below[0])?;
        let offset = self.plan.node(left.node).schema.fields().len();
        let right = right(&join.right, offset)?;
        let columns = fetched(&table, scan)?;
        let mut filters: Vec<Expr> = right.filter.into_iter().collect();
        let mut pairs = Vec::new();
        for ((_, theirs), ours) in join.on.iter().zip(&left.keys) {
            let theirs = rel::substitute(theirs.clone(), join.right.schema(), &right.exprs)?;
            let ty = self.plan.node(left.node).schema.field(*ours).data_type().clone();
            match rel::position(&theirs).map(|at| columns.field(at - offset)) {
                Some(field) if *field.data_type() == ty => pairs.push((*ours, field.clone())),
                _ => filters.push(rel::column(*ours).eq(theirs)),
            }
        }
        if built_in {
            filters.extend(by_primary_key(&mut pairs, &table, &columns, offset));
        }
        if pairs.is_empty() {
            let message = format!(
                "table '{}' is looked up by key: the join needs an equality condition between a \
                 column of it, as it is, and the left side",
                table.name
            );
            return Err(error(message, temporal::place(scan)));
        }
        let places: Vec<Expr> = (0..left.width).map(rel::column).chain(right.exprs).collect();
        if let Some(f) = &join.filter {
            let schema = join.left.schema().join(join.right.schema())?;
            filters.push(rel::substitute(f.clone(), &schema, &places)?);
        }
        let lookup = NewLookup { table, built_in, columns, pairs, filters };
        let node = self.lookup_node(left.node, join.join_type == JoinType::Left, lookup)?;
        Ok(Rel {
            node,
            filter: None,
            window: None,
            exprs: places,
            names: names_of(plan),
            label: self.plan.node(node).label.clone(),
        })
    }

    fn is_built_in(&self, table: &TableDef, scan: &TableScan) -> Result<bool> {
        let connectors = self.offers.connectors;
        let connector = connectors.iter().find(|c| c.name == table.connector());
        match connector.and_then(|c| c.lookup.as_ref()) {
            Some(LookupSide::Ask(_)) => Ok(false),
            Some(LookupSide::Kept) => Ok(true),
            None => {
                let can = connectors.iter().filter(|c| c.lookup.is_some()).map(|c| c.name);
                let can: Vec<&str> = can.collect();
                let message = format!(
                    "rows of table '{}' cannot be looked up by key: connector '{}' does not offer \
                     it (offered by: {}); without FOR SYSTEM_TIME AS OF its rows are joined as they come",
                    table.name,
                    table.connector(),
                    can.join(", ")
                );
                Err(error(message, temporal::place(scan)))
            }
        }
    }

    fn lookup_node(&mut self, input: NodeId, outer: bool, new: NewLookup) -> Result<NodeId> {
        let below = self.plan.node(input).clone();
        let NewLookup { table, built_in, columns, pairs, filters } = new;
        let fields = below.schema.fields().iter().chain(columns.fields());
        let fields = fields.map(|f| f.as_ref().clone().with_nullable(true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<Field>>()));
        let filter = filters.into_iter().reduce(Expr::and);
        let filter = match filter {
            None => None,
            Some(f) => {
                let scope = rel::scope(&schema, None)?;
                Some(Physical { schema: &schema, scope: &scope, needs_now: false }.expr(&f)?)
            }
        };
        let (keys, key_columns): (Vec<usize>, Vec<Field>) = pairs.into_iter().unzip();
        let is_one = !table.primary_key.is_empty()
            && table.primary_key.iter().all(|k| key_columns.iter().any(|c| c.name() == k));
        let key = match (below.key, is_one) {
            (Some(key), true) => Some(key),
            (Some(mut key), false) if !table.primary_key.is_empty() => {
                let place = |name: &String| columns.index_of(name).ok();
                let theirs: Option<Vec<usize>> = table.primary_key.iter().map(place).collect();
                theirs.map(|theirs| {
                    key.extend(theirs.iter().map(|c| below.schema.fields().len() + c));
                    key
                })
            }
            _ => None,
        };
        let cache = match built_in {
            true => None,
            false => {
                LookupCache::of(&table.options).map_err(|e| DataFusionError::Plan(e.to_string()))?
            }
        };
        let label = format!("lookup in {}", table.name);
        let dealt = self.dealt[input].clone();
        let spec = LookupSpec {
            table,
            built_in,
            keys,
            key_columns: Arc::new(Schema::new(key_columns)),
            columns,
            outer,
            filter,
            cache,
        };
        let node = Node {
            schema,
            append_only: below.append_only,
            key,
            ord: below.ord,
            late: below.late,
            op: NodeOp::Lookup(spec),
            inputs: vec![input],
            fingerprint: 0,
            label,
        };
        Ok(self.push(node, dealt))
    }
}

/// A built-in table that is looked up is written by the same pipeline.
pub fn check_written(plan: &StreamPlan) -> Result<()> {
    let written = |name: &str| {
        plan.sinks().flat_map(|(_, sink)| &sink.tables).any(|t| t.kept && t.table.name == name)
    };
    for node in &plan.nodes {
        let NodeOp::Lookup(spec) = &node.op else { continue };
        let name = &spec.table.name;
        if spec.built_in && !written(name) {
            let message = format!(
                "built-in table '{name}' is looked up, but no INSERT of the file writes it: its \
                 rows are part of the pipeline's state"
            );
            return Err(error(message, None));
        }
    }
    Ok(())
}

struct NewLookup {
    table: Arc<TableDef>,
    built_in: bool,
    columns: Arc<Schema>,
    /// Input column and the table's.
    pairs: Vec<(usize, Field)>,
    filters: Vec<Expr>,
}

/// What stands between the join and the table; `offset` columns of the left side come before its
/// own.
fn right(plan: &LogicalPlan, offset: usize) -> Result<Right> {
    match plan {
        LogicalPlan::TableScan(scan) => {
            let width = scan.projected_schema.fields().len();
            Ok(Right { exprs: (offset..offset + width).map(rel::column).collect(), filter: None })
        }
        LogicalPlan::SubqueryAlias(a) => right(&a.input, offset),
        LogicalPlan::Filter(f) => {
            let below = right(&f.input, offset)?;
            let new = rel::substitute(f.predicate.clone(), f.input.schema(), &below.exprs)?;
            let filter = Some(match below.filter {
                Some(old) => old.and(new),
                None => new,
            });
            Ok(Right { filter, ..below })
        }
        LogicalPlan::Projection(p) => {
            let below = right(&p.input, offset)?;
            let new =
                p.expr.iter().map(|e| rel::substitute(e.clone(), p.input.schema(), &below.exprs));
            Ok(Right { exprs: new.collect::<Result<_>>()?, filter: below.filter })
        }
        other => {
            Err(error(format!("FOR SYSTEM_TIME AS OF does not go with {}", other.display()), None))
        }
    }
}

/// The columns that the query reads of the table.
fn fetched(table: &TableDef, scan: &TableScan) -> Result<Arc<Schema>> {
    let mut fields = Vec::new();
    for field in scan.projected_schema.fields() {
        let column = table.column(field.name());
        let column = column.filter(|c| c.kind == ColumnKind::Physical).ok_or_else(|| {
            let message = format!(
                "column '{}' of table '{}' is computed or metadata, which a lookup does not give",
                field.name(),
                table.name
            );
            error(message, temporal::place(scan))
        })?;
        fields.push(column.ty.field(&column.name, true));
    }
    Ok(Arc::new(Schema::new(fields)))
}

/// A built-in table finds rows by its primary key; further equalities become conditions.
fn by_primary_key(
    pairs: &mut Vec<(usize, Field)>,
    table: &TableDef,
    columns: &Schema,
    offset: usize,
) -> Vec<Expr> {
    let of = |name: &String| pairs.iter().position(|(_, field)| field.name() == name);
    let key: Option<Vec<usize>> = table.primary_key.iter().map(of).collect();
    let Some(key) = key else { return Vec::new() };
    let rest = (0..pairs.len()).filter(|i| !key.contains(i)).map(|i| &pairs[i]);
    let conditions = rest.filter_map(|(ours, field)| {
        let theirs = columns.index_of(field.name()).ok()?;
        Some(rel::column(*ours).eq(rel::column(offset + theirs)))
    });
    let conditions = conditions.collect();
    *pairs = key.iter().map(|i| pairs[*i].clone()).collect();
    conditions
}
