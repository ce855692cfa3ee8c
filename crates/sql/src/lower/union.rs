//! UNION ALL, and rows that stand in the query itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use brooklet_core::options::Options;
use brooklet_core::schema::{ColumnDef, ColumnKind, TableDef};
use brooklet_core::source::Reading;
use brooklet_core::types::SqlType;
use brooklet_plan::node::{LATE, ScanSpec};
use brooklet_plan::{Node, NodeId, NodeOp};
use datafusion::common::Result;
use datafusion::logical_expr::{Cast, Expr, ExprSchemable, LogicalPlan, Union, Values};

use super::needs::Need;
use super::rel::{self, Rel};
use super::{Lowering, names_of};

impl Lowering<'_> {
    pub(super) fn union(&mut self, union: &Union, plan: &LogicalPlan, need: Need) -> Result<Rel> {
        let types: Vec<DataType> =
            plan.schema().fields().iter().map(|f| f.data_type().clone()).collect();
        let mut inputs = Vec::new();
        for input in &union.inputs {
            let mut rel = self.lower(input, need)?;
            let fields = rel.fields(&self.plan)?;
            for (i, field) in fields.iter().enumerate() {
                if *field.data_type() != types[i] {
                    let old = rel.exprs[i].clone();
                    rel.exprs[i] = Expr::Cast(Cast::new(Box::new(old), types[i].clone()));
                }
            }
            rel.names = names_of(plan);
            inputs.push(self.emit(&rel, need)?);
        }
        let label = format!("UNION ALL of {}", inputs.len());
        let node = self.union_of(inputs, &names_of(plan), label.clone(), need)?;
        Ok(Rel { names: names_of(plan), ..Rel::of_node(&self.plan, node, label) })
    }

    /// A Union of nodes with the same visible columns; hidden columns are made alike first.
    pub(super) fn union_of(
        &mut self,
        inputs: Vec<NodeId>,
        names: &[String],
        label: String,
        need: Need,
    ) -> Result<NodeId> {
        let ords = inputs.iter().map(|i| self.plan.node(*i).ord.len()).max().unwrap_or(0);
        let ords = if need.carries_ord() { ords } else { 0 };
        let late = need.late && inputs.iter().any(|i| self.plan.node(*i).late.is_some());
        let mut alike = Vec::new();
        for input in inputs {
            alike.push(self.with_hidden(input, names, ords, late)?);
        }
        let append_only = alike.iter().all(|i| self.plan.node(*i).append_only);
        let first = self.plan.node(alike[0]).clone();
        let node = Node {
            op: NodeOp::Union,
            inputs: alike,
            append_only,
            key: None,
            fingerprint: 0,
            label,
            ..first
        };
        Ok(self.push(node, None))
    }

    /// The node with exactly `ords` order columns and, if asked, a lateness column: what is
    /// missing is added as constants (no order within the input, never late).
    fn with_hidden(
        &mut self,
        input: NodeId,
        names: &[String],
        ords: usize,
        late: bool,
    ) -> Result<NodeId> {
        let below = self.plan.node(input);
        if below.ord.len() == ords && below.late.is_some() == late {
            return Ok(input);
        }
        let mut rel = Rel::of_node(&self.plan, input, below.label.clone());
        let width = rel.exprs.len();
        rel.names = names.to_vec();
        for n in 0..ords {
            rel.exprs.push(below.ord.get(n).map_or(rel::bigint(0), |i| rel::column(*i)));
            rel.names.push(rel::hidden_ord(n).name().clone());
        }
        if late {
            rel.exprs.push(below.late.map_or(rel::bigint(i64::MIN), rel::column));
            rel.names.push(LATE.into());
        }
        let node = self.emit_always(&rel, Need::default())?;
        let made = &mut self.plan.nodes[node];
        made.ord = (width..width + ords).collect();
        made.late = late.then_some(width + ords);
        Ok(node)
    }

    /// VALUES: a Map of constants for each row over a table of one row; rows arrive as written.
    pub(super) fn values(
        &mut self,
        values: &Values,
        plan: &LogicalPlan,
        need: Need,
    ) -> Result<Rel> {
        let one = self.rows(1)?;
        let names = names_of(plan);
        let empty = datafusion::common::DFSchema::empty();
        let mut inputs = Vec::new();
        for (number, row) in values.values.iter().enumerate() {
            let mut exprs = Vec::new();
            for (e, field) in row.iter().zip(plan.schema().fields()) {
                exprs.push(match e.get_type(&empty)? == *field.data_type() {
                    true => e.clone(),
                    false => Expr::Cast(Cast::new(Box::new(e.clone()), field.data_type().clone())),
                });
            }
            let names = names.clone();
            let rel = Rel { exprs, names, label: "VALUES".into(), ..one.clone() };
            inputs.push(self.written(rel, number, need)?);
        }
        let label = "VALUES".to_string();
        let node = match inputs.as_slice() {
            [one] => *one,
            _ => self.union_of(inputs, &names, label.clone(), Need { late: false, ..need })?,
        };
        Ok(Rel { names, ..Rel::of_node(&self.plan, node, label) })
    }

    /// A row that came as the nth, which it carries if that is needed.
    pub(super) fn written(&mut self, mut rel: Rel, nth: usize, need: Need) -> Result<NodeId> {
        let width = rel.exprs.len();
        if need.ord {
            rel.exprs.push(rel::bigint(nth as i64));
            rel.names.push(rel::hidden_ord(0).name().clone());
        }
        let node = self.emit_always(&rel, Need::default())?;
        self.plan.nodes[node].ord = if need.ord { vec![width] } else { vec![] };
        Ok(node)
    }

    /// `count` rows without columns: a Scan of the connector `values`, bounded, option `rows`.
    /// Its one column `row` is BIGINT and counts from 0.
    pub(super) fn rows(&mut self, count: usize) -> Result<Rel> {
        let name = format!("__values_{count}");
        let node = match self.scans.get(&name) {
            Some(node) => *node,
            None => self.new_rows(&name, count)?,
        };
        let rel = Rel::of_node(&self.plan, node, "VALUES");
        Ok(Rel { exprs: vec![], names: vec![], ..rel })
    }

    fn new_rows(&mut self, name: &str, count: usize) -> Result<NodeId> {
        let options = [("connector", "values".to_string()), ("rows", count.to_string())];
        let options: BTreeMap<String, String> =
            options.into_iter().map(|(k, v)| (k.to_string(), v)).collect();
        let column = ColumnDef {
            name: "row".into(),
            ty: SqlType::BigInt,
            nullable: false,
            kind: ColumnKind::Physical,
            comment: None,
        };
        let table = Arc::new(TableDef {
            name: name.to_string(),
            columns: vec![column],
            watermark: None,
            primary_key: vec![],
            partitioned_by: vec![],
            options: Options(options),
            comment: None,
        });
        let schema = Arc::new(Schema::new(vec![Field::new("row", DataType::Int64, true)]));
        let row = datafusion::physical_expr::expressions::Column::new("row", 0);
        let node = Node {
            op: NodeOp::Scan(ScanSpec {
                table,
                decode: Arc::clone(&schema),
                metadata: vec![],
                exprs: vec![Arc::new(row)],
                watermark: None,
                reading: Reading::Log,
            }),
            inputs: vec![],
            schema,
            append_only: true,
            key: None,
            ord: vec![],
            late: None,
            fingerprint: 0,
            label: "VALUES".into(),
        };
        let id = self.push(node, None);
        self.scans.insert(name.to_string(), id);
        Ok(id)
    }
}
