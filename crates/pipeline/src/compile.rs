//! SQL text to what can be run: settings and plans. Reaches no service.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use brooklet_core::{Error, Result};
use brooklet_plan::{Settings, StreamPlan};
use brooklet_sql::catalog::Catalog;
use brooklet_sql::fault::{Fault, Faults};
use brooklet_sql::lower::Offers;
use brooklet_sql::parse::ast::{Insert, Query};
use brooklet_sql::planner;
use brooklet_sql::session::{JobKind, Script, Session};
use brooklet_sql::shown::Shown;

use crate::functions::Programs;

/// A file's text and name.
pub struct SqlFile {
    pub text: String,
    /// As faults show it.
    pub name: String,
}

/// A checked and planned file.
pub struct Compiled {
    pub settings: Settings,
    /// All INSERTs as one pipeline; without nodes when there is none.
    pub plan: StreamPlan,
    /// Top-level SELECTs, in order.
    pub selects: Vec<StreamPlan>,
    /// What SHOW and DESCRIBE answer, in order.
    pub shown: Vec<Shown>,
    /// What EXPLAIN statements ask for, in order.
    pub explained: Vec<StreamPlan>,
    /// All tables and views.
    pub catalog: Catalog,
    /// `pipeline.name`, or the first file's stem.
    pub name: String,
    /// Relative locations are relative to it.
    pub base: PathBuf,
}

/// What all planning offers: the connectors and formats of this build.
pub fn offers() -> Offers {
    Offers { connectors: brooklet_connectors::CONNECTORS, formats: brooklet_formats::FORMATS }
}

/// Address space for planning: a text of a few kilobytes can be nested thousands deep, and only
/// what is used becomes memory.
pub(crate) const STACK: usize = 256 << 20;

/// Expressions are evaluated, shown and dropped on threads with a common stack of 2 MiB.
const DEEPEST: usize = 150;

/// Parses, binds and plans; all faults are reported in one error.
pub fn compile(files: &[SqlFile], env: &dyn Fn(&str) -> Option<String>) -> Result<Compiled> {
    stacker::grow(STACK, || compile_here(files, env))
}

fn compile_here(files: &[SqlFile], env: &dyn Fn(&str) -> Option<String>) -> Result<Compiled> {
    let Some(first) = files.first() else { return Err(Error::config("no SQL file was given")) };
    let first = Path::new(&first.name);
    let base = first.parent().map(Path::to_path_buf).unwrap_or_default();
    let session = Session::new(offers().connectors, offers().formats);
    let mut session = session.with_outside(Arc::new(Programs::new(base.clone())));
    let mut scripts = Vec::new();
    for file in files {
        scripts.push(session.apply(&file.text, &file.name, env)?);
    }
    let Some(last) = scripts.last() else { return Err(Error::config("no SQL file was given")) };
    let settings = last.settings.clone();
    let stem = first.file_stem().map_or_else(String::new, |s| s.to_string_lossy().into_owned());
    let name = match settings.is_set("pipeline.name") {
        true => settings.text("pipeline.name"),
        false => stem,
    };
    let Plans { plan, selects, shown, explained } = plans(&scripts, &settings)?;
    let deepest = [&plan].into_iter().chain(&selects).map(StreamPlan::depth).max();
    if let Some(deep) = deepest.filter(|deep| *deep > DEEPEST) {
        let message = format!(
            "an expression is nested {deep} deep, at most {DEEPEST} are evaluated: write it in \
             parts, in views; many ORs of one column are an IN"
        );
        return Err(Error::config(message));
    }
    let called: BTreeSet<String> =
        [&plan].into_iter().chain(&selects).flat_map(StreamPlan::functions).collect();
    last.catalog.functions.check(called.iter().map(String::as_str))?;
    let catalog = last.catalog.clone();
    Ok(Compiled { settings, plan, selects, shown, explained, catalog, name, base })
}

/// Everything that the statements of some scripts want planned.
#[derive(Default)]
struct Plans {
    plan: StreamPlan,
    selects: Vec<StreamPlan>,
    shown: Vec<Shown>,
    explained: Vec<StreamPlan>,
}

/// A script's statements against the catalog of the last one; faults are shown in the script.
struct Planning<'a> {
    script: &'a Script,
    last: &'a Script,
    settings: &'a Settings,
    faults: Vec<Fault>,
}

impl Planning<'_> {
    fn noted(&mut self, planned: Result<StreamPlan, Faults>) -> Option<StreamPlan> {
        let wrong = planned.map_err(|f| f.in_source(&self.script.source).0);
        wrong.map_err(|f| self.faults.extend(f)).ok()
    }
    fn select(&mut self, query: &Query) -> Option<StreamPlan> {
        self.noted(planner::plan_select(&self.last.catalog, self.settings, offers(), query))
    }
    fn inserts(&mut self, inserts: &[Insert]) -> Option<StreamPlan> {
        self.noted(planner::plan(&self.last.catalog, self.settings, offers(), inserts))
    }
}

fn plans(scripts: &[Script], settings: &Settings) -> Result<Plans> {
    let mut plans = Plans::default();
    let Some(last) = scripts.last() else { return Ok(plans) };
    let (mut inserts, mut faults) = (Vec::new(), Vec::new());
    for script in scripts {
        let first = inserts.len();
        let mut planning = Planning { script, last, settings, faults: Vec::new() };
        for job in &script.jobs {
            match &job.kind {
                JobKind::Insert(insert) => inserts.push((**insert).clone()),
                JobKind::Query(query) => plans.selects.extend(planning.select(query)),
                JobKind::Explain { jobs, .. } => {
                    let mut together = Vec::new();
                    for job in jobs {
                        match &job.kind {
                            JobKind::Insert(insert) => together.push((**insert).clone()),
                            JobKind::Query(query) => {
                                plans.explained.extend(planning.select(query));
                            }
                            _ => {}
                        }
                    }
                    if !together.is_empty() {
                        plans.explained.extend(planning.inserts(&together));
                    }
                }
                JobKind::Shown(shown) => plans.shown.push(shown.clone()),
            }
        }
        if inserts.len() > first {
            let own = planning.inserts(&inserts[first..]);
            plans.plan = own.unwrap_or_default();
        }
        faults.extend(planning.faults);
    }
    if !faults.is_empty() {
        return Err(Faults(faults).in_source(&last.source).into());
    }
    if scripts.len() > 1 && !inserts.is_empty() {
        // Each file was planned by itself, so that its faults are shown in it; now all as one.
        let all = planner::plan(&last.catalog, settings, offers(), &inserts);
        plans.plan = all.map_err(|f| f.in_source(&last.source))?;
    }
    Ok(plans)
}
