//! TableScan: one Scan per table, with the columns that all queries together read.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use brooklet_core::connector::find_format;
use brooklet_core::schema::{ColumnKind, TableDef};
use brooklet_core::source::Reading;
use brooklet_core::time::Millis;
use brooklet_plan::node::{
    Emit, LATE, NOW, ReduceKind, ReduceSpec, ScanSpec, ScanWatermark, WatermarkEmit,
};
use brooklet_plan::{Node, NodeId, NodeOp};
use datafusion::common::{DataFusionError, Result};
use datafusion::logical_expr::{Cast, Expr, TableScan};

use super::rel::{self, Physical, Rel};
use super::{Lowering, error};
use crate::query::{self, clock};

impl Lowering<'_> {
    pub(super) fn scan(&mut self, scan: &TableScan) -> Result<Rel> {
        let name = scan.table_name.table().to_string();
        let node = match self.scans.get(&name) {
            Some(node) => *node,
            None => self.new_scan(&name)?,
        };
        let table = self.table(&name)?;
        let all = table.read_schema();
        let out = self.plan.node(node).schema.clone();
        let projection: Vec<usize> = match &scan.projection {
            Some(columns) => columns.clone(),
            None => (0..all.fields().len()).collect(),
        };
        let place = |i: &usize| out.index_of(all.field(*i).name());
        let exprs = projection.iter().map(|i| Ok(rel::column(place(i)?)));
        Ok(Rel {
            node,
            filter: None,
            window: None,
            exprs: exprs.collect::<Result<_>>()?,
            names: projection.iter().map(|i| all.field(*i).name().clone()).collect(),
            label: name,
        })
    }

    pub(super) fn table(&self, name: &str) -> Result<Arc<TableDef>> {
        let found = self.provider.names().table(name);
        found.ok_or_else(|| error(format!("no table '{name}'"), None))
    }

    fn new_scan(&mut self, name: &str) -> Result<NodeId> {
        let table = self.table(name)?;
        let wanted = self.wanted.get(name).cloned().unwrap_or_default();
        let mut columns = wanted.columns.clone();
        if let Some(w) = &table.watermark {
            columns.extend(table.columns.iter().position(|c| c.name == w.column));
        }
        let computed = self.computed(&table, &columns)?;
        let reading = self.reading(&table);
        let by_key = table.is_upserts() || by_key(&table, reading, wanted.need.ord, &computed)?;
        if by_key {
            let place = |name: &String| table.columns.iter().position(|c| c.name == *name);
            columns.extend(table.primary_key.iter().filter_map(place));
        }
        let watermark = self.watermark(&table, &columns)?;
        let on_event = watermark.as_ref().is_some_and(|w| w.emit == WatermarkEmit::OnEvent);
        let layout = Layout::new(&table, &columns, &computed);
        let scope = rel::scope(&layout.schema, None)?;
        let physical = Physical { schema: &layout.schema, scope: &scope, needs_now: true };
        let mut exprs = Vec::new();
        for expr in &layout.exprs {
            exprs.push(physical.expr(expr)?);
        }
        let mut fields: Vec<Field> =
            columns.iter().map(|i| plain_field(&table.columns[*i])).collect();
        let visible = fields.len();
        let append_only = !self.is_changelog(&table) && reading != Reading::Refreshed;
        let ord = match wanted.need.ord || by_key || wanted.need.summed && append_only {
            true => vec![visible],
            false => vec![],
        };
        fields.extend(ord.iter().map(|_| rel::hidden_ord(0)));
        let late = (wanted.need.late && on_event).then_some(fields.len());
        fields.extend(late.map(|_| Field::new(LATE, DataType::Int64, true)));
        let key = primary_key(&table, &fields);
        let node = Node {
            schema: Arc::new(Schema::new(fields)),
            append_only,
            op: NodeOp::Scan(ScanSpec {
                decode: Arc::new(layout.decode),
                metadata: layout.metadata,
                exprs,
                watermark,
                reading,
                table,
            }),
            inputs: vec![],
            key,
            ord,
            late,
            fingerprint: 0,
            label: name.to_string(),
        };
        let scan = self.push(node, None);
        let id = if by_key { self.table_of(scan)? } else { scan };
        self.scans.insert(name.to_string(), id);
        Ok(id)
    }

    /// What makes a table of a Scan's upserts.
    fn table_of(&mut self, scan: NodeId) -> Result<NodeId> {
        let Some(keys) = self.plan.node(scan).key.clone() else { return Ok(scan) };
        let input = self.exchange(scan, &keys, false);
        let below = self.plan.node(input).clone();
        let spec = ReduceSpec {
            keys,
            kind: ReduceKind::Upserts,
            emit: Emit::EveryEpoch,
            ttl_ms: self.ttl()?,
        };
        let node = Node {
            op: NodeOp::Reduce(spec),
            inputs: vec![input],
            label: format!("{} by key", below.label),
            ..below
        };
        let dealt = self.dealt[input].clone();
        Ok(self.push(node, dealt))
    }

    /// Computed columns among `columns`, bound over the table's other columns.
    fn computed(&self, table: &TableDef, columns: &BTreeSet<usize>) -> Result<Vec<(usize, Expr)>> {
        let fields: Vec<Field> = table
            .columns
            .iter()
            .filter(|c| !matches!(c.kind, ColumnKind::Computed { .. }))
            .map(plain_field)
            .collect();
        let schema = Schema::new(fields);
        let mut bound = Vec::new();
        for i in columns {
            let column = &table.columns[*i];
            if !matches!(column.kind, ColumnKind::Computed { .. }) {
                continue;
            }
            let wrong = |e: String| {
                error(format!("column '{}' of table '{}': {e}", column.name, table.name), None)
            };
            let parsed = self.provider.names().computed(&table.name, &column.name);
            let parsed = parsed.ok_or_else(|| wrong("its expression is not known".into()))?;
            let expr = query::bind_expr(self.provider, parsed, &schema)
                .map_err(|e| wrong(e.strip_backtrace()))?;
            let (ty, _) = query::expr_type(&expr, &schema)?;
            let expr = match column.ty.arrow() {
                declared if declared == ty => expr,
                declared => Expr::Cast(Cast::new(Box::new(expr), declared)),
            };
            bound.push((*i, expr));
        }
        Ok(bound)
    }

    fn watermark(
        &self,
        table: &TableDef,
        columns: &BTreeSet<usize>,
    ) -> Result<Option<ScanWatermark>> {
        let Some(def) = &table.watermark else { return Ok(None) };
        let position = columns.iter().position(|i| table.columns[*i].name == def.column);
        let column = position
            .ok_or_else(|| error(format!("no column '{}' for the watermark", def.column), None))?;
        let emit = match table.options.get("scan.watermark.emit.strategy") {
            Some("on-event") => WatermarkEmit::OnEvent,
            _ => WatermarkEmit::OnPeriodic,
        };
        let external = |e: brooklet_core::Error| DataFusionError::Plan(e.to_string());
        let millis = |key: &str| self.settings.millis(key).map_err(external);
        let of_table = table.options.duration("scan.watermark.idle-timeout").map_err(external)?;
        let idle = match of_table {
            Some(d) => i64::try_from(d.as_millis()).unwrap_or(i64::MAX),
            None if self.settings.is_set("table.exec.source.idle-timeout") => {
                millis("table.exec.source.idle-timeout")?
            }
            None => millis("brooklet.source.idle-timeout")?,
        };
        let future = millis("brooklet.source.max-future")?;
        Ok(Some(ScanWatermark {
            column,
            // All rows are there in batch mode: none is late, windows close at the end.
            delay_ms: if self.settings.is_batch() { Millis::MAX } else { def.delay_ms },
            emit,
            idle_timeout_ms: (idle > 0).then_some(idle),
            max_future_ms: (future > 0).then_some(future),
        }))
    }

    fn reading(&self, table: &TableDef) -> Reading {
        let connector = self.offers.connectors.iter().find(|c| c.name == table.connector());
        let side = connector.and_then(|c| c.source.as_ref());
        side.map_or(Reading::Log, |side| (side.reading)(&table.options))
    }

    /// Rows may be taken back: the format is a changelog, or records are upserts.
    fn is_changelog(&self, table: &TableDef) -> bool {
        let format = ["format", "value.format"].iter().find_map(|k| table.options.get(k));
        let format = format.and_then(|f| find_format(self.offers.formats, f));
        format.is_some_and(|f| f.changelog) || table.is_upserts()
    }
}

/// Whether rows that are taken back must be found by their key, because what comes with them (their
/// place in the order of arrival, the time) is not what came with them first.
fn by_key(
    table: &TableDef,
    reading: Reading,
    ord: bool,
    computed: &[(usize, Expr)],
) -> Result<bool> {
    let reads_now = |e: &Expr| clock::to_column(e.clone()).is_ok_and(|e| clock::reads_now(&e));
    let timed = computed.iter().any(|(_, expr)| reads_now(expr));
    if reading != Reading::Refreshed || !(ord || timed) {
        return Ok(false);
    }
    if table.primary_key.is_empty() {
        let why = match timed {
            true => "one of its columns reads the clock",
            false => "the query depends on the order of its rows",
        };
        let message = format!(
            "table '{}' is read again and again and {why}: declare its PRIMARY KEY, by which rows \
             that are gone are found",
            table.name
        );
        return Err(error(message, None));
    }
    Ok(true)
}

/// A table's column as operators see it: NULL may stand anywhere, a format may give it.
fn plain_field(column: &brooklet_core::schema::ColumnDef) -> Field {
    column.ty.field(&column.name, true)
}

/// Indices of the primary key among the first fields, if all of it is read.
fn primary_key(table: &TableDef, fields: &[Field]) -> Option<Vec<usize>> {
    if table.primary_key.is_empty() {
        return None;
    }
    let place = |name: &String| fields.iter().position(|f| f.name() == name);
    table.primary_key.iter().map(place).collect()
}

/// Decoded columns, then metadata; and the Scan's expressions over them.
struct Layout {
    decode: Schema,
    metadata: Vec<(String, DataType)>,
    schema: Arc<Schema>,
    exprs: Vec<Expr>,
}

impl Layout {
    fn new(table: &TableDef, columns: &BTreeSet<usize>, computed: &[(usize, Expr)]) -> Self {
        let mut read: BTreeSet<usize> = columns.clone();
        for (_, expr) in computed {
            let named = |name: &str| table.columns.iter().position(|c| c.name == name);
            read.extend(expr.column_refs().iter().filter_map(|c| named(&c.name)));
        }
        let mut fields = Vec::new();
        let mut place = vec![None; table.columns.len()];
        for i in read.iter().copied() {
            if table.columns[i].kind == ColumnKind::Physical {
                place[i] = Some(fields.len());
                fields.push(plain_field(&table.columns[i]));
            }
        }
        let decode = Schema::new(fields.clone());
        let mut metadata = Vec::new();
        for i in read.iter().copied() {
            if let ColumnKind::Metadata { key, .. } = &table.columns[i].kind {
                place[i] = Some(fields.len());
                fields.push(plain_field(&table.columns[i]));
                metadata.push((key.clone(), table.columns[i].ty.arrow()));
            }
        }
        let over = |expr: &Expr| positional(expr, table, &place);
        let exprs = columns.iter().map(|i| match place[*i] {
            Some(at) => rel::column(at),
            None => computed.iter().find(|(c, _)| c == i).map_or(rel::bigint(0), |x| over(&x.1)),
        });
        let exprs = exprs.collect();
        Layout { decode, metadata, schema: Arc::new(Schema::new(fields)), exprs }
    }
}

/// A computed column's expression over positions of the decoded columns.
fn positional(expr: &Expr, table: &TableDef, place: &[Option<usize>]) -> Expr {
    use datafusion::common::tree_node::{Transformed, TreeNode};
    let replaced = expr.clone().transform_up(|e| {
        let Expr::Column(c) = &e else { return Ok(Transformed::no(e)) };
        let found = table.columns.iter().position(|t| t.name == c.name).and_then(|i| place[i]);
        Ok(match found {
            Some(at) if c.name != NOW => Transformed::yes(rel::column(at)),
            _ => Transformed::no(e),
        })
    });
    let replaced = replaced.map_or_else(|_| expr.clone(), |t| t.data);
    crate::query::clock::to_column(replaced).unwrap_or_else(|_| expr.clone())
}
