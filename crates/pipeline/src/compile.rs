//! SQL text to what can be run: settings and plans. Reaches no service.

use std::path::{Path, PathBuf};

use brooklet_core::{Error, Result};
use brooklet_plan::{Settings, StreamPlan};
use brooklet_sql::fault::Faults;
use brooklet_sql::lower::Offers;
use brooklet_sql::planner;
use brooklet_sql::session::{JobKind, Script, Session};

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
    /// `pipeline.name`, or the first file's stem.
    pub name: String,
    /// Relative locations are relative to it.
    pub base: PathBuf,
}

/// What all planning offers: the connectors and formats of this build.
pub fn offers() -> Offers {
    Offers { connectors: brooklet_connectors::CONNECTORS, formats: brooklet_formats::FORMATS }
}

/// Parses, binds and plans; all faults are reported in one error.
pub fn compile(files: &[SqlFile], env: &dyn Fn(&str) -> Option<String>) -> Result<Compiled> {
    let mut session = Session::new(offers().connectors, offers().formats);
    let mut scripts = Vec::new();
    for file in files {
        scripts.push(session.apply(&file.text, &file.name, env)?);
    }
    let Some(last) = scripts.last() else { return Err(Error::config("no SQL file was given")) };
    let settings = last.settings.clone();
    let first = Path::new(&files[0].name);
    let stem = first.file_stem().map_or_else(String::new, |s| s.to_string_lossy().into_owned());
    let name = match settings.is_set("pipeline.name") {
        true => settings.text("pipeline.name"),
        false => stem,
    };
    let base = first.parent().map(Path::to_path_buf).unwrap_or_default();
    let (plan, selects) = plans(&scripts, &settings)?;
    Ok(Compiled { settings, plan, selects, name, base })
}

fn plans(scripts: &[Script], settings: &Settings) -> Result<(StreamPlan, Vec<StreamPlan>)> {
    let (mut selects, mut faults) = (Vec::new(), Vec::new());
    let Some(last) = scripts.last() else { return Ok((StreamPlan::default(), selects)) };
    let mut inserts = Vec::new();
    for script in scripts {
        let first = inserts.len();
        for job in &script.jobs {
            match &job.kind {
                JobKind::Insert(insert) => inserts.push((**insert).clone()),
                JobKind::Query(query) => {
                    match planner::plan_select(&last.catalog, settings, offers(), query) {
                        Ok(plan) => selects.push(plan),
                        Err(wrong) => faults.extend(wrong.in_source(&script.source).0),
                    }
                }
                JobKind::Explain { .. } | JobKind::Describe(_) | JobKind::Show(_) => {}
            }
        }
        if scripts.len() > 1 && inserts.len() > first {
            // Each file by itself, so that its faults are shown in it.
            let own = planner::plan(&last.catalog, settings, offers(), &inserts[first..]);
            faults.extend(own.err().map_or(vec![], |f| f.in_source(&script.source).0));
        }
    }
    let planned = match inserts.is_empty() || scripts.len() > 1 && !faults.is_empty() {
        true => Ok(StreamPlan::default()),
        false => planner::plan(&last.catalog, settings, offers(), &inserts),
    };
    match planned {
        Ok(plan) if faults.is_empty() => return Ok((plan, selects)),
        Ok(_) => {}
        Err(wrong) => faults.extend(wrong.in_source(&last.source).0),
    }
    Err(Faults(faults).in_source(&last.source).into())
}
