//! Sinks: what each table accepts, one Sink node per commit domain, staging of files.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::Schema;
use brooklet_core::connector::{Accepts, Connector, Guarantee, SinkSide};
use brooklet_core::schema::TableDef;
use brooklet_plan::node::{SinkSpec, SinkTable, Staging};
use brooklet_plan::{Node, NodeId, NodeOp, Settings};
use datafusion::common::{Result, Span};

use super::needs::Need;
use super::whole::{is_complete, takes_results, without_limits};
use super::{Job, Lowering, Offers, error, letters};

/// The connector of a top-level SELECT's rows: whoever runs the plan takes them.
pub const COLLECT: &str = "collect";

/// Where a query's rows go.
pub struct Target {
    pub table: Arc<TableDef>,
    pub conflict: Conflict,
    /// INSERT OVERWRITE.
    pub overwrite: bool,
    /// The table's name in the INSERT.
    pub at: Option<Span>,
    /// The clause of the query that is likeliest to update.
    pub updates_at: Option<Span>,
}

/// ON CONFLICT of an INSERT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conflict {
    Unwritten,
    Nothing,
    Other,
}

pub fn side(table: &TableDef, offers: Offers) -> Option<(&'static Connector, &'static SinkSide)> {
    let connector = offers.connectors.iter().find(|c| c.name == table.connector())?;
    connector.sink.as_ref().map(|s| (connector, s))
}

/// Whether rows of the table wait in the engine for a file: they keep arrival order.
pub fn stages(table: &TableDef, offers: Offers) -> bool {
    side(table, offers).is_some_and(|(_, s)| s.stages)
}

/// A result that a stream replaces has an order of its own.
fn keeps_order(table: &TableDef, offers: Offers, settings: &Settings) -> bool {
    stages(table, offers) && (settings.is_batch() || !is_complete(table))
}

/// Whether the table is one that the engine keeps.
pub fn keeps(table: &TableDef, offers: Offers) -> bool {
    side(table, offers).is_some_and(|(_, s)| s.keeps)
}

/// Whether of a new key's rows the first one stays: an existing key's row is left as it is.
fn keeps_first(table: &TableDef) -> bool {
    table.options.get(ON_CONFLICT) == Some("ignore")
}

const ON_CONFLICT: &str = "brooklet.on-conflict";

/// Hidden columns the rows of Sinks carry: arrival order where it matters, and a row that is set
/// aside is found again by its arrival number. One answer for all queries, so that those which read
/// the same view share its nodes.
pub fn need(jobs: &[Job], offers: Offers, settings: &Settings) -> Need {
    let ordered = jobs.iter().any(|job| {
        let Target { table, conflict, .. } = &job.target;
        keeps_order(table, offers, settings) || keeps_first(table) || *conflict == Conflict::Nothing
    });
    let found = letters::sets_bad_rows_aside(settings);
    Need { ord: ordered, found, ..Need::default() }
}

impl Lowering<'_> {
    /// The node whose columns are exactly the table's.
    pub(super) fn job(&mut self, job: &Job) -> Result<NodeId> {
        let table = &job.target.table;
        let need = self.need.over(&job.plan);
        let mut rel = self.lower(&job.plan, need)?;
        let write = table.write_schema();
        let names: Vec<String> = write.fields().iter().map(|f| f.name().clone()).collect();
        rel.names = names.clone();
        let node = self.emit(&rel, need)?;
        let schema = &self.plan.node(node).schema;
        let renamed = schema.fields().iter().zip(&names).any(|(f, n)| f.name() != n);
        let node = match renamed {
            true if self.rename(node, &names) => node,
            true => self.emit_always(&rel, need)?,
            false => node,
        };
        self.ends.insert(node);
        self.check(job, node)?;
        Ok(node)
    }

    /// Gives other names to the columns of a node that nothing reads yet.
    fn rename(&mut self, node: NodeId, names: &[String]) -> bool {
        let read = self.plan.nodes.iter().any(|n| n.inputs.contains(&node));
        let made = matches!(self.plan.node(node).op, NodeOp::Map(_) | NodeOp::Reduce(_));
        if read || !made || self.ends.contains(&node) {
            return false;
        }
        let mut fields = self.plan.node(node).schema.fields().to_vec();
        for (field, name) in fields.iter_mut().zip(names) {
            *field = Arc::new(field.as_ref().clone().with_name(name));
        }
        self.plan.nodes[node].schema = Arc::new(Schema::new(fields));
        true
    }

    fn check(&self, job: &Job, node: NodeId) -> Result<()> {
        let target = &job.target;
        let table = &target.table;
        let name = &table.name;
        let accepts = match side(table, self.offers) {
            Some((_, side)) => (side.accepts)(table),
            None if table.connector() == COLLECT => Accepts::Changes,
            None => {
                let connector = table.connector();
                let message = format!("table '{name}': connector '{connector}' cannot be written");
                return Err(error(message, target.at));
            }
        };
        if takes_results(target, self.settings) {
            return Ok(());
        }
        let below = self.plan.node(node);
        if accepts == Accepts::Inserts && !below.append_only {
            let clause = self.updating(node);
            let message = format!(
                "table '{name}' takes only insertions, but the query updates rows it has given: \
                 {clause}. Group by window_start and window_end of a window function, or write \
                 to a table with PRIMARY KEY whose connector takes updates"
            );
            return Err(error(message, target.updates_at.or(target.at)));
        }
        let unwritten = target.conflict == Conflict::Unwritten;
        if accepts == Accepts::Upserts && unwritten && self.asks_for_conflict() {
            let pk: Vec<usize> = key_positions(table);
            let fits = below.key.as_ref().is_some_and(|k| k.iter().all(|c| pk.contains(c)));
            if !pk.is_empty() && !fits {
                let message = self.conflict_message(table, below);
                return Err(error(message, target.at));
            }
        }
        Ok(())
    }

    fn conflict_message(&self, table: &TableDef, below: &Node) -> String {
        let names = |columns: &[usize]| {
            let each: Vec<&str> =
                columns.iter().map(|c| below.schema.field(*c).name().as_str()).collect();
            each.join(", ")
        };
        let key = match &below.key {
            Some(key) => format!("the query's key is ({})", names(key)),
            None => "the query has no key".to_string(),
        };
        format!(
            "table '{}' has PRIMARY KEY ({}), but {key}: say what happens to rows with the same \
             key with ON CONFLICT DO DEDUPLICATE (the last one wins) or DO NOTHING, or SET \
             'table.exec.sink.require-on-conflict' = 'false'",
            table.name,
            table.primary_key.join(", "),
        )
    }

    fn asks_for_conflict(&self) -> bool {
        !self.settings.text("table.exec.sink.require-on-conflict").eq_ignore_ascii_case("false")
    }

    /// Label of the node that first turns insertions into updates.
    fn updating(&self, node: NodeId) -> String {
        let n = self.plan.node(node);
        let below = n.inputs.iter().find(|i| !self.plan.node(**i).append_only);
        match below {
            Some(input) => self.updating(*input),
            None => n.label.clone(),
        }
    }

    /// One Sink per commit domain, with all its tables.
    pub(super) fn sinks(&mut self, jobs: &[Job], inputs: Vec<NodeId>) -> Result<()> {
        let mut tables: Vec<(Arc<TableDef>, Vec<NodeId>)> = Vec::new();
        for (job, input) in jobs.iter().zip(inputs) {
            let table = &job.target.table;
            match tables.iter_mut().find(|(t, _)| t.name == table.name) {
                Some((_, all)) => all.push(input),
                None => tables.push((for_conflict(table, job.target.conflict), vec![input])),
            }
        }
        for (table, feed) in self.letters(jobs)? {
            tables.push((table, vec![feed]));
        }
        // Connectors may share a domain: the first one's name opens it.
        let mut domains: Vec<(String, String)> = Vec::new();
        let mut members: BTreeMap<String, Vec<(SinkTable, NodeId)>> = BTreeMap::new();
        for (table, inputs) in tables {
            let domain = match side(&table, self.offers) {
                Some((_, side)) => (side.domain)(&table),
                None => COLLECT.to_string(),
            };
            if !domains.iter().any(|(_, known)| *known == domain) {
                domains.push((table.connector().to_string(), domain.clone()));
            }
            let staging = self.staging(&table)?;
            let input = match inputs.as_slice() {
                [one] => *one,
                _ => {
                    let write = table.write_schema();
                    let names: Vec<String> =
                        write.fields().iter().map(|f| f.name().clone()).collect();
                    let label = format!("INSERTs into {}", table.name);
                    self.union_of(inputs, &names, label, self.need)?
                }
            };
            let append_only = self.plan.node(input).append_only;
            let overwritten = overwritten(jobs, &table);
            let table = self.sink_table(table, staging, overwritten, append_only)?;
            members.entry(domain).or_default().push((table, input));
        }
        for at in domains {
            let of_domain = members.remove(&at.1).unwrap_or_default();
            self.sink_node(at, of_domain);
        }
        Ok(())
    }

    fn sink_table(
        &self,
        table: Arc<TableDef>,
        staging: Option<Staging>,
        overwritten: bool,
        append_only: bool,
    ) -> Result<SinkTable> {
        let whole = self.whole(&table, overwritten, append_only)?;
        Ok(SinkTable {
            ordered: staging.is_some() || keeps_first(&table),
            kept: keeps(&table, self.offers),
            staging: staging.map(|s| if whole.is_some() { without_limits(s) } else { s }),
            whole,
            table,
        })
    }

    fn sink_node(&mut self, at: (String, String), members: Vec<(SinkTable, NodeId)>) {
        let (tables, inputs): (Vec<SinkTable>, Vec<NodeId>) = members.into_iter().unzip();
        let guarantee = tables
            .first()
            .and_then(|t| side(&t.table, self.offers))
            .map_or(Guarantee::AtLeastOnce, |(_, s)| s.guarantee);
        let names: Vec<&str> = tables.iter().map(|t| t.table.name.as_str()).collect();
        let label = names.join(", ");
        let append_only = inputs.iter().all(|i| self.plan.node(*i).append_only);
        let (connector, domain) = at;
        let node = Node {
            op: NodeOp::Sink(SinkSpec { connector, domain, guarantee, tables }),
            inputs,
            schema: Arc::new(Schema::empty()),
            append_only,
            key: None,
            ord: vec![],
            late: None,
            fingerprint: 0,
            label,
        };
        self.push(node, None);
    }
}

/// ON CONFLICT DO NOTHING reaches the connector as its option.
fn for_conflict(table: &Arc<TableDef>, conflict: Conflict) -> Arc<TableDef> {
    if conflict != Conflict::Nothing {
        return Arc::clone(table);
    }
    let mut table = table.as_ref().clone();
    table.options.0.insert(ON_CONFLICT.into(), "ignore".into());
    Arc::new(table)
}

fn overwritten(jobs: &[Job], table: &TableDef) -> bool {
    jobs.iter().any(|job| job.target.overwrite && job.target.table.name == table.name)
}

/// Indices of the primary key among the columns that are written.
fn key_positions(table: &TableDef) -> Vec<usize> {
    let write = table.write_schema();
    table.primary_key.iter().filter_map(|name| write.index_of(name).ok()).collect()
}
