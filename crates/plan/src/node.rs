//! Nodes of the streaming plan, in topological order: inputs come before their readers.
//!
//! A node's schema holds the query's columns and then hidden ones, which are ordinary columns to
//! every operator: `__ord` (arrival order, Int64) and `__late` (the `late_before` of the row,
//! Int64 milliseconds). `Node::ord` and `Node::late` say where they stand.

use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};
use datafusion::physical_expr::PhysicalExpr;

use brooklet_core::connector::Guarantee;
pub use brooklet_core::lookup::LookupCache;
use brooklet_core::schema::TableDef;
use brooklet_core::source::Reading;
use brooklet_core::time::{Millis, WATERMARK_MAX, WATERMARK_MIN};
use brooklet_core::zone::Zone;

pub use crate::aggregates::{AggCall, AggFunc, Percentages};
pub use crate::file_names::{FileNames, NamePart};
use crate::letters::{LetterKind, LetterRoute, LetterTo, is_letter_table};
use crate::over::OverSpec;
use crate::partition_time::PartitionTime;
use crate::pattern::MatchSpec;
use crate::unnest::UnnestSpec;

pub type NodeId = usize;

/// Hidden columns' names.
pub const ORD: &str = "__ord";
pub const LATE: &str = "__late";
/// The last column of a query's rows, if they are to be shown in its order (Int64).
pub const ORDER: &str = "__order";
/// Appended by a Map or Scan that asks for the epoch's `now` (TIMESTAMP_LTZ(3)).
pub const NOW: &str = "__now";

/// All INSERTs of a pipeline in one graph, scans and views shared.
#[derive(Debug, Clone, Default)]
pub struct StreamPlan {
    pub nodes: Vec<Node>,
    /// Where records go that are set aside; a table without an entry has the default.
    pub letters: Vec<LetterRoute>,
    /// `brooklet.on-row-error` = dead-letter: rows that an expression fails on are set aside.
    pub sets_bad_rows_aside: bool,
}

#[derive(Debug, Clone)]
pub struct Node {
    pub op: NodeOp,
    pub inputs: Vec<NodeId>,
    pub schema: SchemaRef,
    /// Only insertions ever come out.
    pub append_only: bool,
    /// Columns that identify a row at any moment, if some do.
    pub key: Option<Vec<usize>>,
    /// Hidden columns whose lexicographic order is the arrival order; empty when not carried.
    pub ord: Vec<usize>,
    /// Hidden column with the row's `late_before` (on-event watermarks); None when not carried.
    pub late: Option<usize>,
    /// Identity of the node's state over edits of the SQL: a hash of what it computes.
    pub fingerprint: u64,
    /// The place in the SQL a person would look at: a table, a view, a clause.
    pub label: String,
}

#[derive(Debug, Clone)]
pub enum NodeOp {
    Scan(ScanSpec),
    Map(MapSpec),
    Exchange(ExchangeSpec),
    Join(JoinSpec),
    Reduce(ReduceSpec),
    Gate(GateSpec),
    Lookup(LookupSpec),
    Union,
    Sink(SinkSpec),
}

pub type Expr = Arc<dyn PhysicalExpr>;

/// Reads a table. Decodes, computes the declared columns, takes the watermark from every decoded
/// row; filters stand in a Map above.
#[derive(Debug, Clone)]
pub struct ScanSpec {
    pub table: Arc<TableDef>,
    /// Physical columns to decode, pruned to what is read, also inside ROWs.
    pub decode: SchemaRef,
    /// Metadata columns to add after the decoded ones: the key and the column's type.
    pub metadata: Vec<(String, DataType)>,
    /// Evaluated over decoded ++ metadata ++ `__now`. Visible columns of the node, in order.
    pub exprs: Vec<Expr>,
    pub watermark: Option<ScanWatermark>,
    /// Whether what was read can be read again.
    pub reading: Reading,
}

#[derive(Debug, Clone)]
pub struct ScanWatermark {
    /// Column of the node's schema that holds the event time.
    pub column: usize,
    pub delay_ms: Millis,
    pub emit: WatermarkEmit,
    /// None: no split ever becomes idle.
    pub idle_timeout_ms: Option<Millis>,
    /// Rows further ahead of `now` do not move the watermark.
    pub max_future_ms: Option<Millis>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WatermarkEmit {
    /// Once per epoch; lateness is judged against the previous epoch's watermark.
    OnPeriodic,
    /// Per row; lateness is judged against the hidden `__late` column.
    OnEvent,
}

/// Stateless: filter, then window assignment, then projection.
///
/// Expressions see the input's columns, then `__now` if `needs_now`, then (projection only)
/// `window_start`, `window_end`, `window_time` if `window` is set.
#[derive(Debug, Clone)]
pub struct MapSpec {
    pub filter: Option<Expr>,
    pub window: Option<WindowAssign>,
    pub exprs: Vec<Expr>,
    pub needs_now: bool,
    /// Such a Map does nothing else.
    pub unnest: Option<UnnestSpec>,
}

/// Adds the window columns; HOP and CUMULATE copy a row into each of its windows. Rows whose time
/// is NULL vanish, as in Flink.
#[derive(Debug, Clone, PartialEq)]
pub struct WindowAssign {
    pub time: usize,
    pub kind: WindowKind,
}

/// All in milliseconds; windows are half-open `[start, end)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WindowKind {
    Tumble { size: Millis, offset: Millis },
    Hop { size: Millis, slide: Millis, offset: Millis },
    Cumulate { size: Millis, step: Millis, offset: Millis },
}

/// The columns that a window function adds, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindowColumn {
    Start,
    End,
    /// The window's last millisecond.
    Time,
}

/// Deals rows anew to the shards by the hash of key columns; no keys: everything to shard 0.
#[derive(Debug, Clone)]
pub struct ExchangeSpec {
    pub keys: Vec<usize>,
}

/// Per key, in meaning a function rows → rows; emits new minus old for the keys it touched, or
/// once when a window closes. The input is already exchanged on (a subset of) the keys.
#[derive(Debug, Clone)]
pub struct ReduceSpec {
    pub keys: Vec<usize>,
    pub kind: ReduceKind,
    pub emit: Emit,
    /// Groups untouched for this long are forgotten (`table.exec.state.ttl`).
    pub ttl_ms: Option<Millis>,
}

#[derive(Debug, Clone)]
pub enum ReduceKind {
    /// Output: keys in their order, then one column per call, then (if the node has `ord`) the
    /// ord columns of the last row that touched the group. Without keys and without rows nothing
    /// is emitted, as in Flink.
    Aggregate { calls: Vec<AggCall> },
    /// The first `n` rows of each key in `order`, ties by arrival. Output: the input's columns,
    /// then the rank (Int64) if `rank`.
    TopN { order: Vec<SortKey>, n: usize, rank: bool },
    /// One row per key; output: the input's columns. `First` is append-only and keeps keys only.
    /// `time` None: arrival order (processing time). `time` Some: by that event-time column; a
    /// first row is emitted when the watermark passes it and late rows are dropped.
    Dedup { keep: Keep, time: Option<usize> },
    /// The first row of each key by arrival, or by event time if `by_time`; a key is forgotten
    /// when the watermark has passed the event time of its row by more than `after_ms`. Rows
    /// before the watermark are late and dropped. Append-only; output: the input's columns.
    FirstWithin { time: usize, by_time: bool, after_ms: Millis },
    /// Each row with what is computed from the rows around it. Output: the input's columns, the
    /// results behind the visible ones.
    Over(OverSpec),
    /// Per key, windows that last until no row came for `gap_ms`; rows that touch two make them
    /// one. `emit` names the event time as what closes. With `calls` one row a session: keys, then
    /// results; without, its rows: the input's columns. Then `window_start`, `window_end` and
    /// `window_time`.
    Session { gap_ms: Millis, calls: Option<Vec<AggCall>> },
    /// An aggregate over HOP or CUMULATE whose windows are made of slices, for calls that merge
    /// and rows that are only added. The window columns of the input, `bounds`, are those of the
    /// slice; `emit` names its end. Output: keys, the same columns of the window, results, ord
    /// columns as Aggregate has them.
    Slices { windows: WindowKind, bounds: Vec<(usize, WindowColumn)>, calls: Vec<AggCall> },
    /// A table from its upserts: in arrival order a row of weight +1 is its key's from then on,
    /// one of weight −1 says that the key has none any more, whatever its other columns hold.
    /// Output: the input's columns.
    Upserts,
    /// MATCH_RECOGNIZE. Append-only; output: keys in their order, measures, then (if the node has
    /// `ord`) the time of the match, the ord columns of the row that completed it, and a number
    /// among the matches of that row.
    Match(Box<MatchSpec>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    First,
    Last,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Emit {
    EveryEpoch,
    /// What belongs to a window is emitted once, when the clock reaches `window_end − 1 ms`, and
    /// dropped. `window_end` is a column of the input.
    OnClose {
        window_end: usize,
        clock: Clock,
    },
    /// The same with changes: every epoch before it closes too (`early`), and for rows that come
    /// until `late_ms` after it has closed.
    Firing {
        window_end: usize,
        clock: Clock,
        early: bool,
        late_ms: Millis,
    },
}

/// What closes windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Clock {
    /// Event time; rows can come too late.
    Watermark,
    /// The same where windows are cut by what the wall shows in a time zone.
    Wall(Zone),
    /// The epoch's `now`; at the end of the input open windows stay open.
    Now,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SortKey {
    pub column: usize,
    pub descending: bool,
    pub nulls_first: bool,
}

/// Rows wait until the watermark reaches their time. Rows only come. A second input gives nothing
/// but its watermark. Output: the input's columns;
/// with `order` the hidden ones are one new arrival order.
#[derive(Debug, Clone)]
pub struct GateSpec {
    /// Event time; None: rows wait for the end of their epoch (processing time).
    pub time: Option<usize>,
    /// Some: all rows come out in the order of their time, then of these columns, then of arrival;
    /// what is not after the last row that came out is late and dropped. None: in any order, and
    /// late rows pass when the watermark moves again.
    pub order: Option<Vec<SortKey>>,
}

/// A two-sided join; both inputs are exchanged on the equality columns.
#[derive(Debug, Clone)]
pub struct JoinSpec {
    pub kind: JoinKind,
    /// Pairs (left column, right column).
    pub on: Vec<(usize, usize)>,
    /// NULL equals NULL (IS NOT DISTINCT FROM); otherwise it equals nothing.
    pub nulls_match: bool,
    /// Without `on`: the filter passes no pair of rows in which none of these is equal.
    pub either: Vec<(usize, usize)>,
    /// Further condition over left ++ right columns.
    pub filter: Option<Expr>,
    /// When rows of the left and of the right side may be forgotten.
    pub retain: [Retain; 2],
    pub time: JoinTime,
    /// Rows meet within their window, when it closes; only insertions come out.
    pub on_close: Option<JoinOnClose>,
}

/// The windows of a join's sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JoinOnClose {
    /// Columns of the left and of the right input, equal in every pair.
    pub window_ends: [usize; 2],
    pub clock: Clock,
}

/// What time means to a join beside its conditions.
#[derive(Debug, Clone)]
pub enum JoinTime {
    /// Nothing.
    Any,
    /// Rows that only come and are forgotten by `retain`: a row does not meet one that was to be
    /// forgotten when it came, and rows of outer sides that met nothing come out when they are
    /// forgotten, so that rows only come out, too.
    Interval {
        /// Hidden columns of both sides that say what watermark each row saw; None: the one before
        /// the epoch.
        late: [Option<usize>; 2],
        /// The output's watermark is behind the inputs' by this.
        lag_ms: Millis,
    },
    /// Each left row meets the version of its key's right row at its time.
    Versions(VersionSpec),
}

/// The right side of a temporal join: in arrival order a row of weight +1 is its key's version
/// from its time on; one of weight −1 that no such row follows at once ends the versions there.
/// The left side's rows come when the watermark has reached their time.
#[derive(Debug, Clone)]
pub struct VersionSpec {
    /// Event-time columns of the left and of the right side.
    pub times: [usize; 2],
    /// As for intervals.
    pub late: [Option<usize>; 2],
    /// A version before the newest one is none.
    pub newest_only: bool,
}

/// Output: left columns then right columns; only the left ones for Semi and Anti, and with whether
/// a right row matches for Mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoinKind {
    Inner,
    Left,
    Right,
    Full,
    Semi,
    Anti,
    Mark,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retain {
    Forever,
    /// Forgotten when the watermark is past `column + after_ms`.
    UntilWatermark {
        column: usize,
        after_ms: Millis,
    },
    /// Forgotten when the clock is past `column + after_ms`.
    UntilClock {
        column: usize,
        after_ms: Millis,
    },
    /// Forgotten when untouched for this long.
    Idle {
        ms: Millis,
    },
}

/// Finds the rows of another table that have a row's key at that moment. Output: the input's
/// columns, then those of the table.
#[derive(Debug, Clone)]
pub struct LookupSpec {
    pub table: Arc<TableDef>,
    /// The table is built in: asked as it was after the epoch before. Other tables are outside,
    /// their answers are recorded.
    pub built_in: bool,
    /// Input columns that hold the key.
    pub keys: Vec<usize>,
    /// The table's columns that are compared with them, under its names, in the keys' types.
    pub key_columns: SchemaRef,
    /// The table's columns that come out.
    pub columns: SchemaRef,
    /// Rows for which nothing is found come out with NULLs (LEFT JOIN).
    pub outer: bool,
    /// Further condition over input ++ table.
    pub filter: Option<Expr>,
    /// None: every epoch asks.
    pub cache: Option<LookupCache>,
}

/// One commit domain with all its tables; input i feeds table i. An input's columns are exactly
/// the table's write columns, then its hidden ones.
#[derive(Debug, Clone)]
pub struct SinkSpec {
    pub connector: String,
    pub domain: String,
    pub guarantee: Guarantee,
    pub tables: Vec<SinkTable>,
}

#[derive(Debug, Clone)]
pub struct SinkTable {
    pub table: Arc<TableDef>,
    /// Rows are given in arrival order: files keep it, and where existing keys are left as they
    /// are it says which row of a new key is the first.
    pub ordered: bool,
    /// Set for tables whose rows wait in the engine until a file rolls.
    pub staging: Option<Staging>,
    /// The engine keeps the rows by primary key, for readers in this process.
    pub kept: bool,
    pub whole: Option<WholeResult>,
}

/// The Sink is given the whole result of the query instead of changes.
#[derive(Debug, Clone, PartialEq)]
pub struct WholeResult {
    /// The age at which a change is handed over with all else; None: once, at the end of the input.
    pub every_ms: Option<Millis>,
    /// What the table held before goes.
    pub replaces: bool,
    /// A column that takes the number of the epoch.
    pub epoch_column: Option<usize>,
    /// Rows are only added and stand in files: they keep the order in which they came.
    pub in_order: bool,
}

/// When the rows of one open file become a file. Any limit that is reached rolls it; all are
/// judged once per epoch, by the epoch's `now`.
#[derive(Debug, Clone, PartialEq)]
pub struct Staging {
    pub partition_columns: Vec<usize>,
    /// `sink.rolling-policy.file-size`.
    pub max_bytes: u64,
    /// `sink.rolling-policy.rollover-interval`, or the checkpoint interval for bulk formats.
    pub max_age_ms: Millis,
    /// `brooklet.rolling.records`.
    pub max_records: Option<u64>,
    /// `sink.parallelism`: writers, fixed key-slot ranges.
    pub writers: u32,
    pub names: FileNames,
    /// `partition.default-name`: the directory of NULL and of the empty string.
    pub default_partition: String,
    pub commit: Option<PartitionCommit>,
}

/// When a partition of files is complete, and the empty file that says so
/// (`sink.partition-commit.*`).
#[derive(Debug, Clone, PartialEq)]
pub struct PartitionCommit {
    pub success_file: String,
    pub trigger: CommitTrigger,
    pub delay_ms: Millis,
    /// The clock completes a partition no sooner than this after its first row: the checkpoint
    /// interval, which is when Flink looks.
    pub interval_ms: Millis,
}

#[derive(Debug, Clone, PartialEq)]
pub enum CommitTrigger {
    /// The delay after the partition's first row.
    ProcessTime,
    /// When the watermark has passed the partition's time by more than the delay.
    PartitionTime(PartitionTime),
}

impl Clock {
    /// The last millisecond of windows that are complete when the watermark is there.
    pub fn reached(self, watermark: Millis) -> Millis {
        match self {
            Clock::Wall(zone) => zone.wall(watermark),
            Clock::Watermark | Clock::Now => watermark,
        }
    }
}

impl StreamPlan {
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id]
    }
    /// Adds a node and returns its id.
    pub fn push(&mut self, node: Node) -> NodeId {
        self.nodes.push(node);
        self.nodes.len() - 1
    }
    /// What happens to the records of a table that are set aside.
    pub fn route(&self, table: &str, kind: LetterKind) -> LetterTo {
        let found = self.letters.iter().find(|l| l.table == table && l.kind == kind);
        found.map_or(LetterTo::default_of(kind), |l| l.to)
    }
    pub fn scans(&self) -> impl Iterator<Item = (NodeId, &ScanSpec)> {
        self.nodes.iter().enumerate().filter_map(|(id, n)| match &n.op {
            NodeOp::Scan(spec) => Some((id, spec)),
            _ => None,
        })
    }
    pub fn sinks(&self) -> impl Iterator<Item = (NodeId, &SinkSpec)> {
        self.nodes.iter().enumerate().filter_map(|(id, n)| match &n.op {
            NodeOp::Sink(spec) => Some((id, spec)),
            _ => None,
        })
    }
}

impl SinkSpec {
    /// Whether all its tables take records that are set aside.
    pub fn takes_letters_only(&self) -> bool {
        self.tables.iter().all(|t| is_letter_table(&t.table))
    }
}

impl NodeOp {
    /// The watermark of its rows, where its inputs' is `watermark`.
    pub fn lagged(&self, watermark: Millis) -> Millis {
        match self {
            NodeOp::Join(JoinSpec { time: JoinTime::Interval { lag_ms, .. }, .. })
                if watermark != WATERMARK_MAX && watermark != WATERMARK_MIN =>
            {
                watermark.saturating_sub(*lag_ms)
            }
            _ => watermark,
        }
    }
    pub fn name(&self) -> &'static str {
        match self {
            NodeOp::Scan(_) => "Scan",
            NodeOp::Map(_) => "Map",
            NodeOp::Exchange(_) => "Exchange",
            NodeOp::Join(_) => "Join",
            NodeOp::Reduce(_) => "Reduce",
            NodeOp::Gate(_) => "Gate",
            NodeOp::Lookup(_) => "Lookup",
            NodeOp::Union => "Union",
            NodeOp::Sink(_) => "Sink",
        }
    }
}
