//! Records that are set aside: where each table's go, and the Sinks that take them.

use std::sync::Arc;

use brooklet_core::options::Options;
use brooklet_core::schema::TableDef;
use brooklet_plan::letters::{
    LETTER_TABLE, LetterKind, LetterRoute, LetterTarget, LetterTo, letter_columns,
};
use brooklet_plan::{Node, NodeId, NodeOp, Settings};
use datafusion::common::Result;
use datafusion::logical_expr::LogicalPlan;

use super::sink::COLLECT;
use super::{Job, Lowering, error};
use crate::query::Names;

/// Options of a Kafka table that say how its cluster is reached.
const CONNECTION: [&str; 6] = [
    "properties.bootstrap.servers",
    "properties.security.",
    "properties.sasl.",
    "properties.ssl.",
    "properties.enable.ssl.",
    "sink.transactional-id-prefix",
];

const ON_ROW_ERROR: &str = "brooklet.on-row-error";

/// Whether rows that an expression fails on are set aside.
pub fn sets_bad_rows_aside(settings: &Settings) -> bool {
    settings.text(ON_ROW_ERROR) == "dead-letter"
}

/// Whether a table below wants its late records: they are found again by their arrival number.
pub fn keeps_late(plan: &LogicalPlan, names: &dyn Names) -> bool {
    if let LogicalPlan::TableScan(scan) = plan {
        let table = names.table(scan.table_name.table());
        return table
            .is_some_and(|t| target(&t, LetterKind::Late).is_ok_and(|target| target.is_kept()));
    }
    plan.inputs().into_iter().any(|input| keeps_late(input, names))
}

fn target(table: &TableDef, kind: LetterKind) -> brooklet_core::Result<LetterTarget> {
    let key = format!("brooklet.{}", kind.setting());
    let target = LetterTarget::parse(kind, table.options.get(&key));
    target.map_err(|e| e.at(format!("table {}", table.name)))
}

impl Lowering<'_> {
    /// Says for every scanned table where its records go, and gives the tables of the Sinks that
    /// take them, each with the node that feeds it.
    pub(super) fn letters(&mut self, jobs: &[Job]) -> Result<Vec<(Arc<TableDef>, NodeId)>> {
        let shown = jobs.iter().all(|j| j.target.table.connector() == COLLECT);
        let scanned: Vec<Arc<TableDef>> =
            self.plan.scans().map(|(_, spec)| spec.table.clone()).collect();
        for job in jobs {
            let written = &job.target.table;
            if !scanned.iter().any(|t| t.name == written.name) {
                only_for_sources(written).map_err(|e| error(e.to_string(), job.target.at))?;
            }
        }
        let mut sinks: Vec<(Arc<TableDef>, NodeId)> = Vec::new();
        for table in scanned {
            for kind in LetterKind::ALL {
                let target = target(&table, kind).map_err(|e| error(e.to_string(), None))?;
                let to = match target {
                    LetterTarget::Drop => LetterTo::Drop,
                    LetterTarget::Log => LetterTo::Log,
                    // What a top-level SELECT reads is shown, not kept.
                    _ if shown => LetterTo::Log,
                    LetterTarget::Path(path) => {
                        let made = self.files(&path);
                        LetterTo::Node(self.feed(made, &mut sinks))
                    }
                    LetterTarget::Topic(topic) => {
                        let made = self.topic(&table, kind, &topic)?;
                        LetterTo::Node(self.feed(made, &mut sinks))
                    }
                };
                let table = table.name.clone();
                self.plan.letters.push(LetterRoute { table, kind, to });
            }
        }
        self.plan.sets_bad_rows_aside = sets_bad_rows_aside(self.settings);
        Ok(sinks)
    }

    /// The node that feeds this table; targets with the same name share one.
    fn feed(&mut self, table: TableDef, sinks: &mut Vec<(Arc<TableDef>, NodeId)>) -> NodeId {
        if let Some((_, node)) = sinks.iter().find(|(t, _)| t.name == table.name) {
            return *node;
        }
        let node = Node {
            op: NodeOp::Union,
            inputs: vec![],
            schema: table.write_schema(),
            append_only: true,
            key: None,
            ord: vec![],
            late: None,
            fingerprint: 0,
            label: table.name.clone(),
        };
        // Not shared with another that looks alike: each has rows of its own.
        self.dealt.push(None);
        let node = self.plan.push(node);
        sinks.push((Arc::new(table), node));
        node
    }

    /// JSON lines below a path, finished as often as bulk files are.
    fn files(&self, path: &str) -> TableDef {
        let age = self.settings.text("execution.checkpointing.interval");
        let options = [
            ("connector", "filesystem"),
            ("path", path),
            ("format", "json"),
            ("sink.rolling-policy.rollover-interval", age.as_str()),
        ];
        let options = options.map(|(k, v)| (k.to_string(), v.to_string()));
        letter_table(format!("{LETTER_TABLE}{path}"), Options(options.into()))
    }

    /// A topic of the source table's cluster.
    fn topic(&self, source: &TableDef, kind: LetterKind, topic: &str) -> Result<TableDef> {
        let writable = self.offers.connectors.iter().find(|c| c.name == "kafka");
        let on_kafka = source.connector() == "kafka" || source.is_upserts();
        if !on_kafka || writable.is_none_or(|c| c.sink.is_none()) {
            let message = format!(
                "'brooklet.table.{}.{}' = 'topic:{topic}': the topic is one of the table's own \
                 cluster, but the connector of table '{}' is '{}'; give a path instead",
                source.name,
                kind.setting(),
                source.name,
                source.connector()
            );
            return Err(error(message, None));
        }
        let mut options: Options = Options::default();
        for (key, value) in &source.options.0 {
            if CONNECTION.iter().any(|prefix| key.starts_with(prefix)) {
                options.0.insert(key.clone(), value.clone());
            }
        }
        let given = [
            ("connector", "kafka"),
            ("topic", topic),
            ("format", "json"),
            ("brooklet.create-table", "if-not-exists"),
        ];
        for (key, value) in given {
            options.0.insert(key.into(), value.into());
        }
        let brokers = options.get("properties.bootstrap.servers").unwrap_or_default();
        Ok(letter_table(format!("{LETTER_TABLE}topic {topic} at {brokers}"), options))
    }
}

/// A setting that would do nothing is an error.
fn only_for_sources(table: &TableDef) -> brooklet_core::Result<()> {
    let given =
        |kind: &LetterKind| table.options.get(&format!("brooklet.{}", kind.setting())).is_some();
    match LetterKind::ALL.into_iter().find(given) {
        None => Ok(()),
        Some(kind) => Err(brooklet_core::Error::config(format!(
            "'brooklet.table.{}.{}' is set for a table that is only written: give it to the \
             table that is read",
            table.name,
            kind.setting()
        ))),
    }
}

fn letter_table(name: String, options: Options) -> TableDef {
    TableDef {
        name,
        columns: letter_columns(),
        watermark: None,
        primary_key: vec![],
        partitioned_by: vec![],
        options,
        comment: None,
    }
}
