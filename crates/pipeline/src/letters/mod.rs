//! Records that were set aside: where a file says they are, read back, and given to the pipeline
//! again.
//!
//! [`read`] reads the tables that hold them, [`replay`] asks for them once more, [`shown`] makes
//! rows of both for a terminal.

mod read;
mod replay;
mod shown;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use brooklet_connectors::find_connector;
use brooklet_core::schema::TableDef;
use brooklet_core::source::SplitId;
use brooklet_core::time::Millis;
use brooklet_core::{Error, Result};
use brooklet_plan::StreamPlan;
use brooklet_plan::letters::{LetterKind, LetterTo, OWN_TABLE};

use crate::compile::Compiled;
pub use replay::Asked;

/// A letter as it was stored; what its table has no column for is None.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Letter {
    pub kind: String,
    /// The source table.
    pub source: String,
    pub partition: Option<String>,
    pub offset: Option<i64>,
    pub timestamp: Option<Millis>,
    pub reason: String,
    pub node: Option<String>,
    pub bytes: Option<Vec<u8>>,
    pub row: Option<String>,
    pub replayable: bool,
    pub set_aside_at: Option<Millis>,
    pub instance: Option<String>,
}

/// Where a record was read, which identifies a letter that may be replayed.
pub type Position = (String, SplitId, i64);

impl Letter {
    pub fn position(&self) -> Option<Position> {
        let split = SplitId::new(self.partition.as_ref()?);
        Some((self.source.clone(), split, self.offset?))
    }
}

/// Which letters are meant.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    pub table: Option<String>,
    /// `dead`, `late`, or [`REJECTED`].
    pub kind: Option<String>,
    /// Part of the reason.
    pub reason: Option<String>,
    pub limit: Option<usize>,
}

/// The kind of rows that a database refused.
pub const REJECTED: &str = "rejected";

impl Wanted {
    fn wants(&self, kind: &str) -> bool {
        self.kind.as_ref().is_none_or(|wanted| wanted == kind)
    }
    fn has(&self, letter: &Letter) -> bool {
        self.table.as_ref().is_none_or(|table| *table == letter.source)
            && self.wants(&letter.kind)
            && self.reason.as_ref().is_none_or(|part| letter.reason.contains(part.as_str()))
    }
}

/// The places where a pipeline's letters are.
pub struct Places {
    /// Tables that hold letters, each with the source tables whose letters they are.
    tables: Vec<(Arc<TableDef>, BTreeSet<(String, LetterKind)>)>,
    /// Tables of rows that a database refused.
    rejected: Vec<Arc<TableDef>>,
    /// What cannot be read back, in words.
    pub elsewhere: Vec<String>,
}

impl Places {
    pub fn of(compiled: &Compiled, wanted: &Wanted) -> Result<Places> {
        let plan = &compiled.plan;
        let sources: BTreeSet<&str> = plan.scans().map(|(_, s)| s.table.name.as_str()).collect();
        if sources.is_empty() {
            return Err(Error::config("the file has no INSERT that reads a table: no letters"));
        }
        let (rejected, targets) = rejecting(compiled);
        let known =
            |table: &String| sources.contains(table.as_str()) || targets.contains(table.as_str());
        if let Some(table) = wanted.table.as_ref().filter(|table| !known(table)) {
            let all: Vec<&str> = sources.into_iter().collect();
            let all = all.join(", ");
            return Err(Error::config(format!("the pipeline reads no table '{table}', but {all}")));
        }
        let rejected = if wanted.wants(REJECTED) { rejected } else { Vec::new() };
        let mut places = Places { tables: Vec::new(), rejected, elsewhere: Vec::new() };
        for route in &plan.letters {
            let other_table = wanted.table.as_ref().is_some_and(|t| *t != route.table);
            if other_table || !wanted.wants(route.kind.name()) {
                continue;
            }
            let of = format!("{} of {}", route.kind.setting(), route.table);
            match route.to {
                LetterTo::Fail => places.elsewhere.push(format!("{of} stop the pipeline")),
                LetterTo::Drop => places.elsewhere.push(format!("{of} are only counted")),
                LetterTo::Log => places.elsewhere.push(format!("{of} are only in the log")),
                LetterTo::Node(node) => {
                    places.add(letter_table(plan, node)?, (route.table.clone(), route.kind), &of);
                }
            }
        }
        Ok(places)
    }

    fn add(&mut self, table: Arc<TableDef>, whose: (String, LetterKind), of: &str) {
        let connector = table.connector();
        if find_connector(connector).is_none_or(|c| c.source.is_none()) {
            let name = &table.name;
            self.elsewhere
                .push(format!("{of} are in table {name}, which '{connector}' only writes"));
            return;
        }
        match self.tables.iter_mut().find(|(known, _)| known.name == table.name) {
            Some((_, all)) => drop(all.insert(whose)),
            None => self.tables.push((table, [whose].into())),
        }
    }

    /// Gives every letter that is wanted, table by table in the order in which they stand there.
    pub async fn each(
        &self,
        compiled: &Compiled,
        wanted: &Wanted,
        give: &mut (dyn FnMut(&str, Letter) + Send),
    ) -> Result<()> {
        for (table, whose) in &self.tables {
            let place = place_name(table);
            let take = &mut |letter: Letter| {
                let of = |(source, kind): &(String, LetterKind)| {
                    *source == letter.source && kind.name() == letter.kind
                };
                if wanted.has(&letter) && whose.iter().any(of) {
                    give(&place, letter);
                }
            };
            read::table(table, &compiled.base, take).await.map_err(|e| e.at(place.clone()))?;
        }
        for table in &self.rejected {
            let place = format!("table {REJECTED_TABLE}");
            let take = &mut |letter: Letter| {
                if wanted.has(&letter) {
                    give(&place, letter);
                }
            };
            let read = read::rejected(table, compiled, take).await;
            read.map_err(|e| e.at(place.clone()))?;
        }
        Ok(())
    }
}

const REJECTED_TABLE: &str = "brooklet_rejected";

/// The tables of refused rows, one for each database that is written to, and the tables whose rows
/// they are.
fn rejecting(compiled: &Compiled) -> (Vec<Arc<TableDef>>, BTreeSet<&str>) {
    let (mut tables, mut targets) = (Vec::new(), BTreeSet::new());
    if compiled.settings.text("brooklet.on-row-error") != "dead-letter" {
        return (tables, targets);
    }
    for (_, sink) in compiled.plan.sinks().filter(|(_, sink)| sink.connector == "jdbc") {
        let Some(first) = sink.tables.first() else { continue };
        let mut options = first.table.options.clone();
        let of_database = ["connector", "url", "username", "password"];
        options
            .0
            .retain(|key, _| of_database.contains(&key.as_str()) || key.starts_with("properties."));
        options.0.insert("table-name".into(), REJECTED_TABLE.into());
        tables.push(Arc::new(read::rejected_table(options)));
        targets.extend(sink.tables.iter().map(|t| t.table.name.as_str()));
    }
    (tables, targets)
}

/// The table of the Sink that a node feeds.
fn letter_table(plan: &StreamPlan, feed: usize) -> Result<Arc<TableDef>> {
    let of_sink = |(id, spec): (usize, &brooklet_plan::node::SinkSpec)| {
        let input = plan.node(id).inputs.iter().position(|input| *input == feed)?;
        Some(spec.tables.get(input)?.table.clone())
    };
    let found = plan.sinks().find_map(of_sink);
    found.ok_or_else(|| Error::bug("letters go to a node that feeds no sink"))
}

/// As the setting names it.
fn place_name(table: &TableDef) -> String {
    let option = |key: &str| table.options.get(key).unwrap_or_default().to_string();
    if !brooklet_plan::letters::is_letter_table(table) {
        return format!("table:{}", table.name);
    }
    match table.connector() {
        "kafka" => format!("topic:{}", option("topic")),
        "jdbc" => format!("table {OWN_TABLE}"),
        _ => option("path"),
    }
}

/// What was asked for before, by position.
pub type Before = BTreeMap<Position, usize>;

pub use replay::{Outcome, before, replay};
pub use shown::{Groups, letters};
