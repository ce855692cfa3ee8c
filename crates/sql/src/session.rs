//! A script applied statement by statement: what it creates, sets and wants to run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use brooklet_core::connector::{Connector, Format};
use brooklet_functions::IP_DATABASE;
use brooklet_plan::Settings;
use brooklet_plan::settings::SETTINGS;
use sqlparser::ast::{Ident, ObjectName, Query};
use sqlparser::tokenizer::Span;

use crate::catalog::functions::{Nothing, Outside};
use crate::catalog::{Catalog, Registry, check_use, name_of, options, span_of};
use crate::fault::{Fault, Faults};
use crate::hints;
use crate::lower::Offers;
use crate::parse::ast::{
    Alter, Change, CreateFunction, CreateTable, CreateView, Insert, Show, ShowKind, Statement,
    StatementKind, WithOption,
};
use crate::parse::parse_all;
use crate::placeholders::{Source, substitute};
use crate::planner;
use crate::query::{Provider, check};
use crate::shown::{self, Shown};

#[cfg(test)]
mod tests;

/// Catalog and settings over any number of scripts.
#[derive(Clone)]
pub struct Session {
    registry: Registry,
    catalog: Catalog,
    /// SET values by key, all of them as written.
    values: BTreeMap<String, WithOption>,
    outside: Arc<dyn Outside>,
}

/// What a script leaves to be run, and with what.
#[derive(Debug, Clone)]
pub struct Script {
    pub catalog: Catalog,
    pub settings: Settings,
    /// In the order of the text; the members of a statement set stand one by one.
    pub jobs: Vec<Job>,
    /// Turns spans into places of the file: `Faults::in_source`.
    pub source: Arc<Source>,
}

#[derive(Debug, Clone)]
pub struct Job {
    pub kind: JobKind,
    pub span: Span,
}

#[derive(Debug, Clone)]
pub enum JobKind {
    Insert(Box<Insert>),
    Query(Box<Query>),
    Explain {
        details: Vec<String>,
        jobs: Vec<Job>,
    },
    /// What SHOW, DESCRIBE or SET alone answer.
    Shown(Shown),
}

/// The prefix of our own SET keys and of those for one table.
const OURS: &str = "brooklet.";
const OF_TABLE: &str = "brooklet.table.";

impl Session {
    pub fn new(connectors: &'static [Connector], formats: &'static [Format]) -> Self {
        let registry = Registry { connectors, formats };
        let (catalog, values) = (Catalog::default(), BTreeMap::new());
        Session { registry, catalog, values, outside: Arc::new(Nothing) }
    }

    /// Functions may come from there.
    pub fn with_outside(self, outside: Arc<dyn Outside>) -> Self {
        Session { outside, ..self }
    }

    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Applies a script; `env` gives the placeholders' values. With faults, which are all that
    /// can be found at once, the session stays as it was.
    pub fn apply(
        &mut self,
        sql: &str,
        file: &str,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Script, Faults> {
        let source = substitute(sql, file, env)?;
        let (statements, faults) = parse_all(&source.text);
        // What an unreadable statement would have created is not known.
        let complete = faults.is_empty();
        let broken = BTreeSet::new();
        let mut run = Run { session: self.clone(), faults, jobs: Vec::new(), complete, broken };
        for statement in &statements {
            run.statement(statement);
        }
        let settings = run.finish();
        if !run.faults.is_empty() {
            let more = run.faults_of_jobs(&run.jobs, &settings);
            run.faults.extend(more);
            return Err(Faults(run.faults).in_source(&source));
        }
        *self = run.session;
        let (catalog, jobs) = (self.catalog.clone(), run.jobs);
        Ok(Script { catalog, settings, jobs, source: Arc::new(source) })
    }
}

/// A script on its way through.
struct Run {
    session: Session,
    faults: Vec<Fault>,
    jobs: Vec<Job>,
    /// Every statement could be read.
    complete: bool,
    /// Names whose CREATE failed: that they do not exist is no further fault.
    broken: BTreeSet<String>,
}

impl Run {
    fn statement(&mut self, statement: &Statement) {
        let span = statement.span;
        let allowed = self.session.values.get("table.dynamic-table-options.enabled");
        let allowed = allowed.is_none_or(|pair| !pair.value.eq_ignore_ascii_case("false"));
        let registry = self.session.registry;
        let catalog = &mut self.session.catalog;
        let kind = match hints::resolved(&statement.kind, catalog, registry, allowed) {
            Ok(kind) => kind,
            Err(faults) => return self.faults.extend(faults),
        };
        let done = match &kind {
            StatementKind::CreateTable(ddl) => {
                let made = catalog.create_table(ddl, self.session.registry);
                self.note_broken(&ddl.name, made)
            }
            StatementKind::CreateView(ddl) => {
                let made = self.create_view(ddl);
                self.note_broken(&ddl.name, made)
            }
            StatementKind::CreateFunction(ddl) => self.create_function(ddl).map_err(Vec::from),
            StatementKind::Drop(drop) => catalog.drop(drop).map_err(Vec::from),
            StatementKind::Alter(alter) => self.alter(alter),
            StatementKind::Use(name) => check_use(name).map_err(Vec::from),
            StatementKind::Set(set) => match &set.pair {
                Some(pair) => self.set(pair).map_err(Vec::from),
                None => self.show(&Show { what: ShowKind::Settings, like: None }).map(|shown| {
                    self.jobs.push(Job { kind: JobKind::Shown(shown), span });
                }),
            },
            StatementKind::Reset(key) => {
                self.reset(key.as_deref());
                Ok(())
            }
            runnable => self.jobs_of(runnable, span).map(|jobs| self.jobs.extend(jobs)),
        };
        self.faults.extend(done.err().into_iter().flatten());
    }

    fn create_function(&mut self, ddl: &CreateFunction) -> Result<(), Fault> {
        let Session { catalog, values, outside, .. } = &mut self.session;
        let native = Provider::new(&*catalog).functions();
        let values = values.iter().map(|(key, pair)| (key.clone(), pair.value.clone()));
        // What is wrong with a setting was said where it is set.
        let settings = Settings::new(values.collect()).unwrap_or_default();
        catalog.functions.create(ddl, &native, &settings, &**outside)
    }

    /// A view must be sound when it is made, as in Flink; one over something broken is excused.
    fn create_view(&mut self, ddl: &CreateView) -> Result<(), Vec<Fault>> {
        let excused = self.excuses(&ddl.query);
        let catalog = &mut self.session.catalog;
        let known = name_of(&ddl.name).is_ok_and(|name| catalog.view(&name).is_some());
        if !excused {
            planner::check_view(&*catalog, &ddl.query, &ddl.columns)?;
        }
        catalog.create_view(ddl)?;
        if excused && !known {
            self.broken.extend(name_of(&ddl.name).ok());
        }
        Ok(())
    }

    fn alter(&mut self, alter: &Alter) -> Result<(), Vec<Fault>> {
        if let Change::As(query) = &alter.change
            && !self.excuses(query)
        {
            planner::check_view(&self.session.catalog, query, &[])?;
        }
        self.session.catalog.alter(alter, self.session.registry)
    }

    /// Whether a query reads what an earlier fault kept from being created.
    fn excuses(&self, query: &Query) -> bool {
        let catalog = &self.session.catalog;
        check::reads_any(catalog, query, &self.broken)
            || !self.complete && !check::all_tables_exist(catalog, query)
    }

    /// Faults of the jobs that can be planned beside the faults there are.
    fn faults_of_jobs(&self, jobs: &[Job], settings: &Settings) -> Vec<Fault> {
        let Registry { connectors, formats } = self.session.registry;
        let (catalog, offers) = (&self.session.catalog, Offers { connectors, formats });
        let of = |job: &Job| match &job.kind {
            JobKind::Insert(insert) => {
                let known = name_of(&insert.table).is_ok_and(|n| catalog.table(&n).is_some());
                if !known || self.excuses(&insert.query) {
                    return Vec::new();
                }
                let insert = std::slice::from_ref(&**insert);
                planner::plan(catalog, settings, offers, insert).err().map_or(vec![], |f| f.0)
            }
            JobKind::Query(query) if !self.excuses(query) => {
                planner::plan_select(catalog, settings, offers, query).err().map_or(vec![], |f| f.0)
            }
            JobKind::Explain { jobs, .. } => self.faults_of_jobs(jobs, settings),
            _ => Vec::new(),
        };
        jobs.iter().flat_map(of).collect()
    }

    fn note_broken(
        &mut self,
        name: &ObjectName,
        made: Result<(), Vec<Fault>>,
    ) -> Result<(), Vec<Fault>> {
        let catalog = &self.session.catalog;
        let there = |name: &str| catalog.table(name).is_some() || catalog.view(name).is_some();
        if made.is_err() {
            self.broken.extend(name_of(name).ok().filter(|name| !there(name)));
        }
        made
    }

    fn in_batch(&self) -> bool {
        let mode = self.session.values.get("execution.runtime-mode");
        mode.is_some_and(|pair| pair.value.eq_ignore_ascii_case("batch"))
    }

    fn show(&self, what: &Show) -> Result<Shown, Vec<Fault>> {
        let values = self.session.values.iter();
        let values: Vec<_> = values.map(|(key, pair)| (key.clone(), pair.value.clone())).collect();
        shown::show(&self.session.catalog, &values, self.in_batch(), what)
    }

    /// The jobs of a statement that runs something or shows something.
    fn jobs_of(&self, kind: &StatementKind, span: Span) -> Result<Vec<Job>, Vec<Fault>> {
        let one = |kind| Ok(vec![Job { kind, span }]);
        match kind {
            StatementKind::Insert(insert) => {
                self.check_insert(insert)?;
                one(JobKind::Insert(insert.clone()))
            }
            StatementKind::Query(query) => one(JobKind::Query(query.clone())),
            StatementKind::StatementSet(all) => {
                let (mut jobs, mut faults) = (Vec::new(), Vec::new());
                for inner in all {
                    match self.jobs_of(&inner.kind, inner.span) {
                        Ok(inner) => jobs.extend(inner),
                        Err(inner) => faults.extend(inner),
                    }
                }
                if faults.is_empty() { Ok(jobs) } else { Err(faults) }
            }
            StatementKind::Explain(explain) => {
                let jobs = self.jobs_of(&explain.inner.kind, explain.inner.span)?;
                one(JobKind::Explain { details: explain.details.clone(), jobs })
            }
            StatementKind::Describe(name) => {
                let shown = shown::describe(&self.session.catalog, name, None, self.in_batch())?;
                one(JobKind::Shown(shown))
            }
            StatementKind::Show(what) => one(JobKind::Shown(self.show(what)?)),
            _ => Ok(Vec::new()),
        }
    }

    /// The target and the columns that INSERT names.
    fn check_insert(&self, insert: &Insert) -> Result<(), Vec<Fault>> {
        let name = name_of(&insert.table)?;
        let catalog = &self.session.catalog;
        let Some(table) = catalog.table(&name) else {
            if catalog.view(&name).is_some() {
                let message = format!("'{name}' is a view: INSERT needs a table");
                return Err(Fault::new(message, span_of(&insert.table)).into());
            }
            let excused = !self.complete || self.broken.contains(&name);
            return match excused {
                true => Ok(()),
                false => Err(catalog.unknown("table", &insert.table).into()),
            };
        };
        let writable = table.def.write_schema();
        let names: Vec<&str> = writable.fields().iter().map(|f| f.name().as_str()).collect();
        let mut faults = Vec::new();
        let mut seen = BTreeSet::new();
        for column in &insert.columns {
            if !names.contains(&column.value.as_str()) {
                let message = format!("table '{name}' has no column '{}' to write", column.value);
                let fault = Fault::new(message, column.span);
                faults.push(fault.suggest(&column.value, names.iter().copied()));
            }
            if !seen.insert(&column.value) {
                let message = format!("column '{}' is given twice", column.value);
                faults.push(Fault::new(message, column.span));
            }
        }
        for (column, _) in &insert.partition {
            faults.extend(partition_fault(column, &table.ddl));
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    fn set(&mut self, pair: &WithOption) -> Result<(), Fault> {
        match pair.key.strip_prefix(OF_TABLE) {
            Some(rest) => match self.split_table_key(rest) {
                Some((_, key)) => options::check_table_setting(&key, pair)?,
                None => {
                    let message = "write SET 'brooklet.table.<table>.<setting>' = '…'";
                    return Err(Fault::new(message, pair.key_span));
                }
            },
            None => check_setting(pair)?,
        }
        self.session.values.insert(pair.key.clone(), pair.clone());
        self.find_places();
        Ok(())
    }

    /// The database of places is where the settings say.
    fn find_places(&mut self) {
        let Session { catalog, values, outside, .. } = &mut self.session;
        let path = values.get(IP_DATABASE).map(|pair| outside.path(&pair.value));
        catalog.functions.set_places(path);
    }

    fn reset(&mut self, key: Option<&str>) {
        match key {
            Some(key) => drop(self.session.values.remove(key)),
            None => self.session.values.clear(),
        }
        self.find_places();
    }

    /// `<table>.<setting>`: a known table's name may hold dots.
    fn split_table_key(&self, rest: &str) -> Option<(String, String)> {
        let known = self.session.catalog.tables().find_map(|(name, _)| {
            let key = rest.strip_prefix(name)?.strip_prefix('.')?;
            Some((name.to_string(), key.to_string()))
        });
        let first = || rest.split_once('.').map(|(t, key)| (t.to_string(), key.to_string()));
        known.or_else(first)
    }

    /// Gives tables their settings and collects the pipeline's.
    fn finish(&mut self) -> Settings {
        let mut of_tables: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        let mut of_pipeline = BTreeMap::new();
        for (key, pair) in &self.session.values {
            let Some(rest) = key.strip_prefix(OF_TABLE) else {
                of_pipeline.insert(key.clone(), pair.value.clone());
                continue;
            };
            let Some((table, key)) = self.split_table_key(rest) else { continue };
            let known = self.session.catalog.table(&table).is_some();
            if !known && self.complete && !self.broken.contains(&table) {
                let name = ObjectName::from(vec![Ident::with_span(pair.key_span, table.clone())]);
                self.faults.push(self.session.catalog.unknown("table", &name));
            }
            of_tables.entry(table).or_default().insert(key, pair.value.clone());
        }
        let names: Vec<String> =
            self.session.catalog.tables().map(|(name, _)| name.to_string()).collect();
        let none = BTreeMap::new();
        for name in names {
            if let Some(settings) = of_tables.get_mut(&name)
                && let Err(message) = options::fold_safe_kafka(settings)
            {
                self.faults.push(Fault::new(message, self.place_of_safe_kafka(&name)));
            }
            let settings = of_tables.get(&name).unwrap_or(&none);
            self.session.catalog.extend(&name, settings);
        }
        Settings::new(of_pipeline).unwrap_or_else(|e| {
            self.faults.push(Fault::new(e.message, Span::empty()));
            Settings::default()
        })
    }
}

impl Run {
    /// Where a table's dead letters are set in the words of other connectors.
    fn place_of_safe_kafka(&self, table: &str) -> Span {
        let key = |setting: &&str| format!("{OF_TABLE}{table}.{setting}");
        let set = options::SAFE_KAFKA.iter().find_map(|s| self.session.values.get(&key(s)));
        set.map_or(Span::empty(), |pair| pair.key_span)
    }
}

/// PARTITION (column = …) must name one of PARTITIONED BY.
fn partition_fault(column: &Ident, ddl: &CreateTable) -> Option<Fault> {
    let names = || ddl.partitioned_by.iter().map(|c| c.value.as_str());
    if names().any(|name| name == column.value) {
        return None;
    }
    let message = format!("the table is not partitioned by '{}'", column.value);
    Some(Fault::new(message, column.span).suggest(&column.value, names()))
}

/// Our keys must exist and known keys' values must parse; Flink's unknown keys are accepted.
fn check_setting(pair: &WithOption) -> Result<(), Fault> {
    let known = SETTINGS.iter().any(|spec| spec.matches(&pair.key));
    if !known && pair.key.starts_with(OURS) {
        let names = SETTINGS.iter().map(|spec| spec.name).filter(|name| name.starts_with(OURS));
        return Err(Fault::new(format!("there is no setting '{}'", pair.key), pair.key_span)
            .suggest(&pair.key, names));
    }
    let alone = BTreeMap::from([(pair.key.clone(), pair.value.clone())]);
    match Settings::new(alone) {
        Ok(_) => Ok(()),
        Err(e) => Err(Fault::new(e.message, pair.value_span)),
    }
}
