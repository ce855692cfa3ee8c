//! Records that are set aside: dead letters and late rows, on their way to the log or to a Sink.
//!
//! A row carries only its arrival number (`__ord`); the epoch keeps, for tables that ask for it,
//! where the rows of each batch came from, so that a late row is found again as the record it
//! was. Everything here is a function of the epoch's record: a replay sets aside the same.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int64Type;

use brooklet_core::format::RecordOfRow;
use brooklet_core::raw::RawBatch;
use brooklet_core::source::SplitId;
use brooklet_core::time::Millis;
use brooklet_core::{Delta, Error, Instance, Result};
use brooklet_plan::letters::{LetterKind, LetterTo};
use brooklet_plan::node::{Node, NodeId, NodeOp, ReduceKind, StreamPlan, WindowKind};

use crate::compute::Scanned;
use crate::ops::BadRows;

mod reason;
mod rows;

/// Rows as JSON texts, one a row: formats are none of the engine's business.
pub type RowText = Arc<dyn Fn(&RecordBatch) -> Result<Vec<String>> + Send + Sync>;

/// A record that was set aside.
#[derive(Debug, Clone, PartialEq)]
pub struct Letter {
    pub kind: LetterKind,
    /// The source table.
    pub table: String,
    /// None, as `offset` is, for a row that was made of many records.
    pub split: Option<SplitId>,
    pub offset: Option<i64>,
    pub timestamp: Option<Millis>,
    /// The label of the node that refused it.
    pub node: String,
    pub reason: String,
    pub bytes: Option<Vec<u8>>,
    /// The row at that node, as JSON.
    pub row: Option<String>,
    /// Nothing of the record went anywhere else: given again it counts once.
    pub replayable: bool,
}

/// Letters with the rows they are about: one each, or none at all.
#[derive(Debug, Default)]
pub struct Refused {
    pub letters: Vec<Letter>,
    pub rows: Option<RecordBatch>,
}

/// Where the rows of one batch came from.
#[derive(Debug)]
pub struct Origin {
    /// Arrival number of the first row.
    pub first_ord: i64,
    pub rows: usize,
    pub split: SplitId,
    pub records: Records,
}

#[derive(Debug)]
pub enum Records {
    /// Row i is record `of_row(i)` of the batch, counted from `first` where it says `Same`.
    Raw { batch: Arc<RawBatch>, of_row: RecordOfRow, first: usize },
    /// Row i has the offset `from` + i; None where offsets are not rows.
    Rows { from: Option<i64> },
}

impl Origin {
    /// Says in `letter` which record row `row` of the batch was. It may be replayed if it was that
    /// one row.
    pub fn tell(&self, row: usize, letter: &mut Letter) {
        letter.split = Some(self.split.clone());
        letter.replayable = false;
        match &self.records {
            Records::Rows { from } => letter.offset = from.map(|from| from + row as i64),
            Records::Raw { batch, of_row, first } => {
                let record = match of_row {
                    RecordOfRow::Same => first + row,
                    RecordOfRow::Each(each) => each[row] as usize,
                };
                letter.offset = Some(batch.offset(record));
                letter.timestamp = Some(batch.timestamp(record)).filter(|t| *t >= 0);
                letter.bytes = batch.value(record).map(<[u8]>::to_vec);
                letter.replayable = letter.bytes.is_some() && of_row.is_alone(row);
            }
        }
    }
}

/// What an epoch set aside, before it is known where it goes.
#[derive(Default)]
pub struct SetAside {
    /// By scan, in arrival order.
    origins: Vec<(NodeId, Origin)>,
    refused: Vec<Refused>,
    pub late: Vec<(NodeId, Delta)>,
    pub bad: Vec<(NodeId, BadRows)>,
}

/// What an epoch set aside, dealt.
#[derive(Default)]
pub struct Dealt {
    pub logged: Vec<Letter>,
    /// Rows of the nodes that feed Sinks.
    pub fed: BTreeMap<NodeId, Delta>,
    /// Late rows and rows refused by an expression above the scan, by scan.
    pub late_of: BTreeMap<NodeId, u64>,
    pub bad_of: BTreeMap<NodeId, u64>,
}

impl SetAside {
    pub fn of_scans(scanned: &mut Scanned) -> SetAside {
        let mut it = SetAside::default();
        for (id, scan) in scanned {
            it.origins.extend(scan.origins.drain(..).map(|origin| (*id, origin)));
            it.refused.append(&mut scan.refused);
        }
        it
    }
    fn is_empty(&self) -> bool {
        self.refused.is_empty() && self.late.is_empty() && self.bad.is_empty()
    }
}

/// Where each node's rows come from, and what is done with those set aside.
pub struct Letters {
    lineage: Vec<Lineage>,
    instance: Instance,
    row_text: Option<RowText>,
}

/// When and by whom records are set aside, from the epoch's record.
pub struct Stamp {
    pub now: Millis,
    pub instance: Instance,
}

/// What is below a node.
#[derive(Debug, Clone, Default)]
struct Lineage {
    scans: Vec<NodeId>,
    /// Each row is one record's: its arrival number finds the record.
    of_records: bool,
    /// Nothing beside this node's only reader sees the rows, which are whole records'.
    unseen: bool,
}

impl Letters {
    pub fn new(plan: &StreamPlan, instance: Instance) -> Letters {
        let mut readers = vec![0; plan.nodes.len()];
        plan.nodes.iter().flat_map(|node| &node.inputs).for_each(|input| readers[*input] += 1);
        let mut lineage: Vec<Lineage> = Vec::with_capacity(plan.nodes.len());
        for (id, node) in plan.nodes.iter().enumerate() {
            let alone = readers[id] == 1;
            let of_node = match &node.op {
                NodeOp::Scan(_) => Lineage { scans: vec![id], of_records: true, unseen: alone },
                op => {
                    let below = node.inputs.iter().map(|i| &lineage[*i]);
                    let mut scans: Vec<NodeId> =
                        below.clone().flat_map(|l| l.scans.iter().copied()).collect();
                    scans.sort_unstable();
                    scans.dedup();
                    let of_records = keeps_records(op) && below.clone().all(|l| l.of_records);
                    let unseen = alone && passes_whole(op) && below.clone().all(|l| l.unseen);
                    Lineage { scans, of_records, unseen }
                }
            };
            lineage.push(of_node);
        }
        Letters { lineage, instance, row_text: None }
    }

    /// How rows are shown; without it they are not.
    pub fn set_row_text(&mut self, row_text: Option<RowText>) {
        self.row_text = row_text;
    }
    pub fn row_text(&self) -> Option<RowText> {
        self.row_text.clone()
    }

    /// Finds the records again and deals them to the log and to the nodes that feed Sinks.
    /// `late_before` is by node, `now` the epoch's.
    pub fn deal(
        &self,
        plan: &StreamPlan,
        mut aside: SetAside,
        late_before: &[Millis],
        now: Millis,
    ) -> Result<Dealt> {
        let mut dealt = Dealt::default();
        if aside.is_empty() {
            return Ok(dealt);
        }
        aside.origins.sort_by_key(|(_, origin)| origin.first_ord);
        let mut refused = std::mem::take(&mut aside.refused);
        for (node, rows) in &aside.late {
            let reasons = reason::late(plan, *node, rows, late_before[*node])?;
            let about = About { kind: LetterKind::Late, node: *node, rows, reasons };
            refused.push(self.find(plan, &aside.origins, about, &mut dealt.late_of)?);
        }
        for (node, BadRows { rows, reasons }) in std::mem::take(&mut aside.bad) {
            let about = About { kind: LetterKind::Dead, node, rows: &rows, reasons };
            refused.push(self.find(plan, &aside.origins, about, &mut dealt.bad_of)?);
        }
        self.deliver(plan, refused, now, &mut dealt)?;
        Ok(dealt)
    }

    /// The letters of rows that a node refused, without those that nobody wants.
    fn find(
        &self,
        plan: &StreamPlan,
        origins: &[(NodeId, Origin)],
        about: About<'_>,
        counts: &mut BTreeMap<NodeId, u64>,
    ) -> Result<Refused> {
        let refusing = plan.node(about.node);
        let below = refusing.inputs[0];
        let lineage = &self.lineage[below];
        // Of several rows that a node makes of one, others may have passed.
        let one_by_one = refusing.inputs.len() == 1 && !copies_rows(&refusing.op);
        let unseen = lineage.unseen && one_by_one;
        let ords = match (plan.node(below).ord.as_slice(), lineage.of_records) {
            ([ord], true) => about.rows.column(*ord).as_primitive_opt::<Int64Type>(),
            _ => None,
        };
        let mut letters = Vec::new();
        let mut kept = Vec::new();
        for (row, reason) in about.reasons.into_iter().enumerate() {
            let ord = ords.map(|ords| ords.value(row));
            let origin = ord.and_then(|ord| origin_of(origins, ord).map(|of| (of, ord)));
            let first = lineage.scans.first().copied();
            let Some(scan) = origin.map(|((scan, _), _)| *scan).or(first) else { continue };
            *counts.entry(scan).or_default() += 1;
            let table = &plan.node(scan).label;
            let wanted = plan.route(table, about.kind) != LetterTo::Drop;
            if !wanted || about.rows.weight(row) <= 0 {
                continue;
            }
            let node = plan.node(about.node).label.clone();
            let mut letter = Letter::new(about.kind, table, node, reason);
            if let Some(((_, origin), ord)) = origin {
                origin.tell((ord - origin.first_ord) as usize, &mut letter);
                letter.replayable &= unseen;
            }
            letters.push(letter);
            kept.push(row as u32);
        }
        let visible = visible(plan.node(below));
        let rows = match kept.is_empty() {
            true => None,
            false => Some(about.rows.take(&kept)?.rows.project(&visible)?),
        };
        Ok(Refused { letters, rows })
    }

    fn deliver(
        &self,
        plan: &StreamPlan,
        refused: Vec<Refused>,
        now: Millis,
        dealt: &mut Dealt,
    ) -> Result<()> {
        let stamp = Stamp { now, instance: self.instance.clone() };
        let mut of_nodes: BTreeMap<NodeId, Vec<Letter>> = BTreeMap::new();
        for Refused { mut letters, rows } in refused {
            if let (Some(rows), Some(row_text)) = (&rows, &self.row_text) {
                let texts = row_text(rows)?;
                letters.iter_mut().zip(texts).for_each(|(l, text)| l.row = Some(text));
            }
            for letter in letters {
                match plan.route(&letter.table, letter.kind) {
                    LetterTo::Fail => return Err(letter.as_error()),
                    LetterTo::Drop => {}
                    LetterTo::Log => dealt.logged.push(letter),
                    LetterTo::Node(node) => of_nodes.entry(node).or_default().push(letter),
                }
            }
        }
        for (node, mut letters) in of_nodes {
            // The number of shards decided the order so far.
            letters.sort_by(Letter::order);
            let rows = rows::batch(&plan.node(node).schema, &letters, &stamp)?;
            dealt.fed.insert(node, Delta::inserts(rows));
        }
        Ok(())
    }
}

/// Rows that a node refused, each with its reason; their first columns are those of its input.
struct About<'a> {
    kind: LetterKind,
    node: NodeId,
    rows: &'a Delta,
    reasons: Vec<String>,
}

impl Letter {
    /// Without position, bytes and row.
    pub fn new(kind: LetterKind, table: &str, node: String, reason: String) -> Letter {
        Letter {
            kind,
            table: table.to_string(),
            split: None,
            offset: None,
            timestamp: None,
            node,
            reason,
            bytes: None,
            row: None,
            replayable: false,
        }
    }
    /// What stops a pipeline whose table's dead letters are to fail it.
    fn as_error(&self) -> Error {
        let split = self.split.as_ref().map(|split| format!(" of {split}")).unwrap_or_default();
        let offset = self.offset.map(|o| format!(" at offset {o}{split}")).unwrap_or_default();
        Error::data(format!(
            "table '{table}': a record{offset} was refused: {reason}; SET \
             'brooklet.table.{table}.dead-letters' = 'log', a path or a topic passes it",
            table = self.table,
            reason = self.reason
        ))
    }
    fn order(&self, other: &Letter) -> std::cmp::Ordering {
        let by = |l: &Letter| (l.kind, l.offset, l.timestamp);
        self.table
            .cmp(&other.table)
            .then_with(|| self.split.cmp(&other.split))
            .then_with(|| by(self).cmp(&by(other)))
            .then_with(|| self.node.cmp(&other.node))
            .then_with(|| self.row.cmp(&other.row))
            .then_with(|| self.reason.cmp(&other.reason))
    }
}

/// Whether the rows of such a node are rows of its input, each still one record.
fn keeps_records(op: &NodeOp) -> bool {
    match op {
        NodeOp::Map(_) | NodeOp::Exchange(_) | NodeOp::Lookup(_) => true,
        NodeOp::Union | NodeOp::Gate(_) => true,
        NodeOp::Reduce(spec) => !matches!(
            spec.kind,
            ReduceKind::Aggregate { .. }
                | ReduceKind::Slices { .. }
                | ReduceKind::Match(_)
                | ReduceKind::Session { calls: Some(_), .. }
        ),
        NodeOp::Scan(_) | NodeOp::Join(_) | NodeOp::Sink(_) => false,
    }
}

/// Whether each row into such a node is at most one row out of it, and kept nowhere.
fn passes_whole(op: &NodeOp) -> bool {
    match op {
        NodeOp::Map(_) => !copies_rows(op),
        NodeOp::Exchange(_) => true,
        NodeOp::Scan(_) | NodeOp::Union | NodeOp::Reduce(_) | NodeOp::Join(_) => false,
        NodeOp::Gate(_) | NodeOp::Lookup(_) | NodeOp::Sink(_) => false,
    }
}

/// Whether a row belongs to several windows.
fn copies_rows(op: &NodeOp) -> bool {
    let NodeOp::Map(spec) = op else { return false };
    let window = spec.window.as_ref();
    spec.unnest.is_some()
        || window.is_some_and(|window| !matches!(window.kind, WindowKind::Tumble { .. }))
}

/// The columns of a node that the query knows.
fn visible(node: &Node) -> Vec<usize> {
    let hidden = |column: &usize| node.ord.contains(column) || node.late == Some(*column);
    (0..node.schema.fields().len()).filter(|column| !hidden(column)).collect()
}

/// The batch of that arrival number; None when it came in an earlier epoch.
fn origin_of(origins: &[(NodeId, Origin)], ord: i64) -> Option<&(NodeId, Origin)> {
    let after = origins.partition_point(|(_, origin)| origin.first_ord <= ord);
    let found = origins.get(after.checked_sub(1)?)?;
    (ord < found.1.first_ord + found.1.rows as i64).then_some(found)
}
