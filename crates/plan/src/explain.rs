//! The plan as text: a tree for each sink, one line a node.
//!
//! A node that several others read is printed once; later readers show its number only.

use std::collections::BTreeSet;
use std::fmt::Write;

use arrow::datatypes::{DataType, SchemaRef};
use brooklet_core::connector::Guarantee;
use brooklet_core::source::Reading;
use datafusion::physical_expr::expressions::Column;

use crate::node::{
    AggCall, Clock, Emit, GateSpec, JoinSpec, JoinTime, LookupSpec, MapSpec, Node, NodeId, NodeOp,
    ReduceKind, ReduceSpec, Retain, ScanSpec, SinkSpec, SortKey, StreamPlan, WatermarkEmit,
    WindowKind,
};
use crate::pattern::MatchSpec;

mod over;

/// The plan as an indented tree for each sink.
pub fn text(plan: &StreamPlan) -> String {
    let mut out = String::new();
    let mut shown = BTreeSet::new();
    let sinks: Vec<NodeId> = plan.sinks().map(|(id, _)| id).collect();
    for id in sinks {
        tree(plan, id, 0, &mut shown, &mut out);
    }
    out
}

fn tree(
    plan: &StreamPlan,
    id: NodeId,
    depth: usize,
    shown: &mut BTreeSet<NodeId>,
    out: &mut String,
) {
    let node = plan.node(id);
    let readers = plan.nodes.iter().filter(|n| n.inputs.contains(&id)).count();
    let indent = "  ".repeat(depth);
    if !shown.insert(id) {
        let _ = writeln!(out, "{indent}{} [{id}], see above", node.op.name());
        return;
    }
    let number = if readers > 1 { format!(" [{id}]") } else { String::new() };
    let _ = writeln!(out, "{indent}{}{number} {}", node.op.name(), line(plan, node));
    for input in &node.inputs {
        tree(plan, *input, depth + 1, shown, out);
    }
}

/// One node without its inputs and its kind.
pub fn line(plan: &StreamPlan, node: &Node) -> String {
    let below = node.inputs.first().map(|i| &plan.node(*i).schema);
    let what = match (&node.op, below) {
        (NodeOp::Scan(s), _) => scan(s, node),
        (NodeOp::Map(s), Some(input)) => map(s, node, input),
        (NodeOp::Exchange(s), Some(input)) if !s.keys.is_empty() => {
            format!("by {}", names(input, &s.keys))
        }
        (NodeOp::Exchange(_), _) => "to one shard".into(),
        (NodeOp::Join(s), Some(left)) => {
            let right = node.inputs.get(1).map(|i| &plan.node(*i).schema);
            right.map_or_else(String::new, |right| join(s, left, right))
        }
        (NodeOp::Reduce(s), Some(input)) => reduce(s, input),
        (NodeOp::Gate(s), Some(input)) => gate(s, input),
        (NodeOp::Lookup(s), Some(input)) => lookup(s, input),
        (NodeOp::Sink(s), _) => return sink(s, node),
        (NodeOp::Union, None) => node.label.clone(),
        _ => String::new(),
    };
    let mut parts = vec![what];
    parts.retain(|p| !p.is_empty());
    parts.push(if node.append_only { "append" } else { "updates" }.to_string());
    if let Some(key) = &node.key {
        parts.push(format!("key ({})", names(&node.schema, key)));
    }
    let mut hidden = vec![];
    if !node.ord.is_empty() {
        hidden.push("ord");
    }
    if node.late.is_some() {
        hidden.push("late");
    }
    if !hidden.is_empty() {
        parts.push(format!("+ {}", hidden.join(", ")));
    }
    parts.join("; ")
}

fn scan(spec: &ScanSpec, node: &Node) -> String {
    let decode: Vec<String> =
        spec.decode.fields().iter().map(|f| column(f.name(), f.data_type())).collect();
    let mut text =
        format!("{} ({}) decodes [{}]", spec.table.name, spec.table.connector(), decode.join(", "));
    if !spec.metadata.is_empty() {
        let keys: Vec<&str> = spec.metadata.iter().map(|(k, _)| k.as_str()).collect();
        let _ = write!(text, " and metadata [{}]", keys.join(", "));
    }
    text.push_str(match spec.reading {
        Reading::Log => "",
        Reading::Once => ", once",
        Reading::Refreshed => ", again and again",
    });
    let computed: Vec<String> = spec
        .exprs
        .iter()
        .enumerate()
        .filter(|(_, e)| e.downcast_ref::<Column>().is_none())
        .map(|(i, e)| format!("{} = {}", node.schema.field(i).name(), short(e)))
        .collect();
    if !computed.is_empty() {
        let _ = write!(text, "; {}", computed.join(", "));
    }
    if let Some(w) = &spec.watermark {
        let column = node.schema.field(w.column).name();
        let emit = if w.emit == WatermarkEmit::OnEvent { ", on event" } else { "" };
        let _ = write!(text, "; watermark {column} - {}{emit}", duration(w.delay_ms));
    }
    text
}

/// A ROW shows which of its fields are read.
fn column(name: &str, ty: &DataType) -> String {
    match ty {
        DataType::Struct(fields) => {
            let inner: Vec<String> =
                fields.iter().map(|f| column(f.name(), f.data_type())).collect();
            format!("{name}<{}>", inner.join(", "))
        }
        _ => name.to_string(),
    }
}

fn map(spec: &MapSpec, node: &Node, input: &SchemaRef) -> String {
    let mut parts = Vec::new();
    if let Some(unnest) = &spec.unnest {
        let outer = if unnest.outer { ", all rows" } else { "" };
        return format!("UNNEST {}{outer}", input.field(unnest.column).name());
    }
    if let Some(filter) = &spec.filter {
        parts.push(format!("where {}", short(filter)));
    }
    if let Some(w) = &spec.window {
        parts.push(windows(w.kind, &format!("{} ", input.field(w.time).name())));
    }
    let visible = spec.exprs.iter().zip(node.schema.fields());
    let exprs: Vec<String> = visible
        .filter(|(_, f)| !f.name().starts_with("__"))
        .map(|(e, f)| {
            let text = short(e);
            if text == *f.name() { text } else { format!("{text} AS {}", f.name()) }
        })
        .collect();
    parts.push(format!("[{}]", exprs.join(", ")));
    parts.join("; ")
}

fn offset_of(offset: i64) -> String {
    if offset == 0 { String::new() } else { format!(" offset {}", duration(offset)) }
}

fn join(spec: &JoinSpec, left: &SchemaRef, right: &SchemaRef) -> String {
    let pair =
        |(l, r): &(usize, usize)| format!("{} = {}", left.field(*l).name(), right.field(*r).name());
    let on: Vec<String> = spec.on.iter().map(pair).collect();
    let either: Vec<String> = spec.either.iter().map(pair).collect();
    let mut text = format!("{:?}", spec.kind);
    if !on.is_empty() {
        let _ = write!(text, " on {}", on.join(", "));
    }
    if spec.nulls_match {
        text.push_str(", NULL with NULL");
    }
    if !either.is_empty() {
        let _ = write!(text, " on either {}", either.join(", "));
    }
    if let Some(filter) = &spec.filter {
        let _ = write!(text, "; where {}", short(filter));
    }
    let retain = |r: &Retain, s: &SchemaRef| match r {
        Retain::Forever => "for ever".to_string(),
        Retain::UntilWatermark { column, after_ms: 0 } => {
            format!("until {}", s.field(*column).name())
        }
        Retain::UntilWatermark { column, after_ms } => {
            format!("until {} + {}", s.field(*column).name(), duration(*after_ms))
        }
        Retain::UntilClock { column, after_ms } => {
            format!("until {} + {} by the clock", s.field(*column).name(), duration(*after_ms))
        }
        Retain::Idle { ms } => format!("{} idle", duration(*ms)),
    };
    match &spec.time {
        JoinTime::Any => {}
        JoinTime::Interval { lag_ms, .. } => {
            let _ = write!(text, "; watermark - {}", duration(*lag_ms));
        }
        JoinTime::Versions(versions) => {
            let [l, r] = versions.times;
            let newest = if versions.newest_only { ", newest only" } else { "" };
            let (l, r) = (left.field(l).name(), right.field(r).name());
            let _ = write!(text, "; as of {l}, versions by {r}{newest}");
        }
    }
    let (l, r) = (retain(&spec.retain[0], left), retain(&spec.retain[1], right));
    let kept = if l == r { l } else { format!("{l}, {r}") };
    let _ = match spec.on_close {
        Some(close) => {
            let end = left.field(close.window_ends[0]).name();
            write!(text, "; when {end} closes{}", clock(close.clock))
        }
        None => write!(text, "; kept {kept}"),
    };
    text
}

fn gate(spec: &GateSpec, input: &SchemaRef) -> String {
    let until = match spec.time {
        Some(time) => format!("until {}", input.field(time).name()),
        None => "until the epoch ends".to_string(),
    };
    match &spec.order {
        None => until,
        Some(order) if order.is_empty() => format!("{until}; in order"),
        Some(order) => format!("{until}; in order, then ({})", order_by(order, input)),
    }
}

/// Windows close by event time where nothing else is said.
fn clock(clock: Clock) -> &'static str {
    match clock {
        Clock::Watermark => "",
        Clock::Wall(_) => " on the wall",
        Clock::Now => " by the clock",
    }
}

fn lookup(spec: &LookupSpec, input: &SchemaRef) -> String {
    let pairs = spec.keys.iter().zip(spec.key_columns.fields());
    let on: Vec<String> =
        pairs.map(|(key, c)| format!("{} = {}", input.field(*key).name(), c.name())).collect();
    let kind = if spec.outer { "Left" } else { "Inner" };
    let mut text = format!("{kind} {} on {}", spec.table.name, on.join(", "));
    if let Some(filter) = &spec.filter {
        let _ = write!(text, "; where {}", short(filter));
    }
    match spec.cache {
        _ if spec.built_in => text.push_str("; as of the epoch before"),
        None => text.push_str("; asked every epoch, answers recorded"),
        Some(cache) => {
            let keys = cache.max_keys.map(|n| format!("{n} keys"));
            let ages = [
                cache.expire_after_write_ms.map(|ms| format!("{} old", duration(ms))),
                cache.expire_after_access_ms.map(|ms| format!("{} idle", duration(ms))),
            ];
            let limits: Vec<String> = keys.into_iter().chain(ages.into_iter().flatten()).collect();
            let until = if limits.is_empty() { "for ever".into() } else { limits.join(", ") };
            let _ = write!(text, "; kept {until}, answers recorded");
        }
    }
    text
}

fn reduce(spec: &ReduceSpec, input: &SchemaRef) -> String {
    let keys = match spec.keys.is_empty() {
        true => String::new(),
        false => format!("by {} ", names(input, &spec.keys)),
    };
    let what = match &spec.kind {
        ReduceKind::Aggregate { calls } if calls.is_empty() => "distinct".to_string(),
        ReduceKind::Aggregate { calls } => {
            let calls: Vec<String> = calls.iter().map(|c| call(c, input)).collect();
            format!("[{}]", calls.join(", "))
        }
        ReduceKind::TopN { order, n, rank } => {
            let ranked = if *rank { " with rank" } else { "" };
            format!("top {n} order ({}){ranked}", order_by(order, input))
        }
        ReduceKind::Dedup { keep, time } => {
            let by = time.map_or("arrival", |t| input.field(t).name().as_str());
            format!("keep {} by {by}", format!("{keep:?}").to_lowercase())
        }
        ReduceKind::FirstWithin { time, by_time, after_ms } => {
            let time = input.field(*time).name();
            let by = if *by_time { time } else { "arrival" };
            let until = duration(*after_ms);
            return format!("{keys}keep first by {by}; kept until {time} + {until}");
        }
        ReduceKind::Over(spec) => over::text(spec, input),
        ReduceKind::Upserts => "upserts".to_string(),
        ReduceKind::Session { gap_ms, calls } => {
            let of: Vec<String> = calls.iter().flatten().map(|c| call(c, input)).collect();
            let of = if calls.is_some() { of.join(", ") } else { "rows".into() };
            format!("[{of}] of SESSION {}", duration(*gap_ms))
        }
        ReduceKind::Slices { windows: kind, calls, .. } => {
            let of: Vec<String> = calls.iter().map(|c| call(c, input)).collect();
            format!("[{}] of the slices of {}", of.join(", "), windows(*kind, ""))
        }
        ReduceKind::Match(spec) => return format!("{keys}{}", pattern(spec, input)),
    };
    let mut text = format!("{keys}{what}");
    let _ = match (spec.emit, spec.ttl_ms) {
        (Emit::OnClose { window_end, clock: by }, _) => {
            write!(text, "; when {} closes{}", input.field(window_end).name(), clock(by))
        }
        (Emit::Firing { window_end, clock: by, early, late_ms }, _) => {
            let end = input.field(window_end).name();
            let early = if early { ", and before" } else { "" };
            let late = if late_ms > 0 {
                format!(", and {} after", duration(late_ms))
            } else {
                String::new()
            };
            write!(text, "; when {end} closes{}{early}{late}", clock(by))
        }
        (Emit::EveryEpoch, Some(ttl)) => write!(text, "; kept {} idle", duration(ttl)),
        (Emit::EveryEpoch, None) => write!(text, "; kept for ever"),
    };
    text
}

/// `on`: nothing, or a column and a blank.
fn windows(kind: WindowKind, on: &str) -> String {
    match kind {
        WindowKind::Tumble { size, offset } => {
            format!("TUMBLE {on}{}{}", duration(size), offset_of(offset))
        }
        WindowKind::Hop { size, slide, offset } => {
            let (size, slide) = (duration(size), duration(slide));
            format!("HOP {on}{size} every {slide}{}", offset_of(offset))
        }
        WindowKind::Cumulate { size, step, offset } => {
            let (size, step) = (duration(size), duration(step));
            format!("CUMULATE {on}{size} by {step}{}", offset_of(offset))
        }
    }
}

fn pattern(spec: &MatchSpec, input: &SchemaRef) -> String {
    let by = spec.time.map_or("arrival", |t| input.field(t).name().as_str());
    let mut text = format!("pattern {} by {by}", spec.text());
    if !spec.order.is_empty() {
        let _ = write!(text, ", {}", order_by(&spec.order, input));
    }
    for variable in &spec.variables {
        let Some(condition) = &variable.condition else { continue };
        let exprs: Vec<String> = condition.exprs.iter().map(short).collect();
        let _ = write!(text, "; {} if {}", variable.name, exprs.join(", "));
    }
    let measures: Vec<String> = spec.measures.exprs.iter().map(short).collect();
    let _ = write!(text, "; gives [{}]", measures.join(", "));
    match spec.within_ms {
        Some(ms) => write!(text, "; runs kept {}", duration(ms)),
        None => write!(text, "; runs kept until they end"),
    }
    .map_or_else(|_| String::new(), |()| text)
}

fn order_by(order: &[SortKey], input: &SchemaRef) -> String {
    let each: Vec<String> = order
        .iter()
        .map(|k| {
            let direction = if k.descending { " desc" } else { "" };
            format!("{}{direction}", input.field(k.column).name())
        })
        .collect();
    each.join(", ")
}

fn call(call: &AggCall, input: &SchemaRef) -> String {
    let name = &call.func;
    let args = if call.args.is_empty() { "*".to_string() } else { names(input, &call.args) };
    let distinct = if call.distinct { "DISTINCT " } else { "" };
    let filter = call.filter.map_or(String::new(), |f| format!(" if {}", input.field(f).name()));
    format!("{name}({distinct}{args}){filter}")
}

fn sink(spec: &SinkSpec, node: &Node) -> String {
    let guarantee = match spec.guarantee {
        Guarantee::ExactlyOnce => "exactly once",
        Guarantee::AtLeastOnce => "at least once",
    };
    let kind = if node.append_only { "append" } else { "updates" };
    let mut text = format!("{} ({}); {guarantee}; {kind}", node.label, spec.connector);
    for table in &spec.tables {
        if !table.table.primary_key.is_empty() {
            let _ = write!(text, "; key ({})", table.table.primary_key.join(", "));
        }
        if let Some(whole) = &table.whole {
            let how = if whole.replaces { "replaced by" } else { "given" };
            let when = match whole.every_ms {
                Some(age) => format!("within {}", duration(age)),
                None => "at the end".to_string(),
            };
            let _ = write!(text, "; {how} the whole result {when}");
        } else if let Some(s) = &table.staging {
            let (bytes, age) = (s.max_bytes >> 20, duration(s.max_age_ms));
            let _ = write!(text, "; rolls at {bytes} MB or {age}");
            if let Some(n) = s.max_records {
                let _ = write!(text, " or {n} records");
            }
        }
    }
    text
}

fn names(schema: &SchemaRef, columns: &[usize]) -> String {
    let each: Vec<&str> = columns.iter().map(|c| schema.field(*c).name().as_str()).collect();
    each.join(", ")
}

/// An expression without the positions of its columns; long ones are cut.
fn short(expr: &crate::node::Expr) -> String {
    let text = expr.to_string();
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(at) = rest.find('@') {
        out.push_str(&rest[..at]);
        rest = rest[at + 1..].trim_start_matches(|c: char| c.is_ascii_digit());
    }
    out.push_str(rest);
    match out.char_indices().nth(MAX_EXPR) {
        Some((cut, _)) => format!("{}…", &out[..cut]),
        None => out,
    }
}

const MAX_EXPR: usize = 160;

/// `10 s`, `1 min`, `1500 ms`.
fn duration(ms: i64) -> String {
    match ms {
        0 => "0 s".into(),
        _ if ms % 86_400_000 == 0 => format!("{} d", ms / 86_400_000),
        _ if ms % 3_600_000 == 0 => format!("{} h", ms / 3_600_000),
        _ if ms % 60_000 == 0 => format!("{} min", ms / 60_000),
        _ if ms % 1000 == 0 => format!("{} s", ms / 1000),
        _ => format!("{ms} ms"),
    }
}
