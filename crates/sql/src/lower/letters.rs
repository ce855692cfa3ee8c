//! Records that are set aside: where each table's go, and the Sinks that take them.

use std::sync::Arc;

use brooklet_core::options::Options;
use brooklet_core::schema::ColumnDef;
use brooklet_core::schema::TableDef;
use brooklet_core::types::SqlType;
use brooklet_plan::letters::{
    LETTER_TABLE, LetterKind, LetterRoute, LetterTarget, LetterTo, OWN_TABLE, letter_columns,
    may_be_null,
};
use brooklet_plan::{Node, NodeId, NodeOp, Settings};
use datafusion::common::{DataFusionError, Result};
use datafusion::logical_expr::LogicalPlan;

use super::sink::{COLLECT, keeps, side};
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

/// Options of a jdbc table that say how its database is reached, which makes its commit domain.
const DATABASE: [&str; 4] = ["url", "username", "password", "properties."];

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
                    LetterTarget::Fail => LetterTo::Fail,
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
                    LetterTarget::Table(name) => {
                        let found = self.declared(&name, jobs);
                        let found = found.map_err(|what| refused(&table, kind, &what))?;
                        LetterTo::Node(self.feed(found, &mut sinks))
                    }
                    LetterTarget::OwnTable => {
                        let made = self.beside_rows(jobs);
                        let made = made.map_err(|what| refused(&table, kind, what))?;
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
            let what = format!(
                "the topic is one of the table's own cluster, but the connector of table '{}' is \
                 '{}'; give a path instead",
                source.name,
                source.connector()
            );
            return Err(refused(source, kind, &what));
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

impl Lowering<'_> {
    /// A table of the file that takes letters; its columns are some of theirs.
    fn declared(&self, name: &str, jobs: &[Job]) -> Result<TableDef, String> {
        let found = self.provider.names().table(name);
        let found = found.ok_or_else(|| format!("no CREATE TABLE makes table '{name}'"))?;
        if side(&found, self.offers).is_none() {
            let connector = found.connector();
            return Err(format!("connector '{connector}' of table '{name}' cannot be written"));
        }
        if self.plan.scans().any(|(_, spec)| spec.table.name == name) {
            return Err(format!("the pipeline reads table '{name}': letters would come back"));
        }
        if jobs.iter().any(|job| job.target.table.name == name) {
            return Err(format!(
                "an INSERT writes to table '{name}': letters need one of their own"
            ));
        }
        let key_may_be_null = keeps(&found, self.offers);
        let written = found.write_schema();
        for column in &found.columns {
            if written.index_of(&column.name).is_ok() {
                let in_key = found.primary_key.contains(&column.name);
                check_column(column, in_key, key_may_be_null)
                    .map_err(|what| format!("table '{name}', column '{}': {what}", column.name))?;
            }
        }
        Ok(TableDef::clone(&found))
    }

    /// A table beside those that the pipeline's rows go to: letters are in their transaction.
    fn beside_rows(&self, jobs: &[Job]) -> Result<TableDef, &'static str> {
        let databases =
            jobs.iter().map(|job| &job.target.table).filter(|t| t.connector() == "jdbc");
        let domain = |table: &TableDef| side(table, self.offers).map(|(_, s)| (s.domain)(table));
        let mut databases = databases.peekable();
        let Some(first) = databases.peek().copied() else {
            return Err(
                "no INSERT writes to a jdbc table, in whose database it would stand: write \
                        table:NAME with a table of the file, topic:NAME or a path",
            );
        };
        if databases.any(|other| domain(other) != domain(first)) {
            return Err("INSERTs write to several databases: CREATE TABLE the one that is meant, \
                        and write table:NAME");
        }
        let mut options = Options::default();
        for (key, value) in &first.options.0 {
            if DATABASE.iter().any(|of| key == of || of.ends_with('.') && key.starts_with(of)) {
                options.0.insert(key.clone(), value.clone());
            }
        }
        let given = [
            ("connector", "jdbc"),
            ("table-name", OWN_TABLE),
            ("brooklet.create-table", "if-not-exists"),
        ];
        given.into_iter().for_each(|(k, v)| drop(options.0.insert(k.into(), v.into())));
        Ok(letter_table(format!("{LETTER_TABLE}table {OWN_TABLE}"), options))
    }
}

/// Why letters cannot go where a setting says.
fn refused(source: &TableDef, kind: LetterKind, what: &str) -> DataFusionError {
    let value = target(source, kind).map(|target| target.text()).unwrap_or_default();
    let setting = format!("'brooklet.table.{}.{}' = '{value}'", source.name, kind.setting());
    error(format!("{setting}: {what}"), None)
}

fn check_column(column: &ColumnDef, in_key: bool, key_may_be_null: bool) -> Result<(), String> {
    let all = letter_columns();
    let Some(given) = all.iter().find(|given| given.name == column.name) else {
        let names: Vec<&str> = all.iter().map(|c| c.name.as_str()).collect();
        return Err(format!("letters have only {}", names.join(", ")));
    };
    let fits = match (&given.ty, &column.ty) {
        (SqlType::TimestampLtz(_), SqlType::Timestamp(_) | SqlType::TimestampLtz(_)) => true,
        (given, declared) => given == declared,
    };
    if !fits {
        return Err(format!("it is {}, letters have {}", column.ty, given.ty));
    }
    let not_null = (!column.nullable && !in_key) || (in_key && !key_may_be_null);
    match not_null && may_be_null(&column.name) {
        true => Err("it may be NULL, which the table does not allow".to_string()),
        false => Ok(()),
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
