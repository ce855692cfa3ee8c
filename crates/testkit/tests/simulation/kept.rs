//! Built-in tables: what readers see is at every moment what the sinks hold of the same epochs,
//! wherever the process died.

use std::collections::BTreeMap;
use std::sync::Arc;

use brooklet_core::env::CrashPoint;
use brooklet_core::{Delta, Error, Result};
use brooklet_engine::views::{TableView, Views};
use brooklet_plan::StreamPlan;
use brooklet_testkit::dice::Dice;

use crate::data::{self, ON_TIME, Wanted};
use crate::driver::{self, Case, Trouble};
use crate::files::real;
use crate::points::block_on;
use crate::queries::{Query, base};
use crate::rows::{self, Row};
use crate::tables::{Content, Log};

/// A built-in table of this name has the rows of the table behind it.
const KEPT: &str = "kept_";

/// Two tables in memory, and the same rows in built-in ones.
fn sql() -> String {
    let a = base("a");
    let outputs = [
        a.filter("k IS NOT NULL").keyed(),
        // Groups that come and go.
        a.last().filter("k IS NOT NULL AND v > 5").keyed(),
    ];
    let mut kept = String::new();
    for (i, output) in outputs.iter().enumerate() {
        kept += &format!(
            "CREATE TABLE {KEPT}out{i} ({}, PRIMARY KEY (k) NOT ENFORCED) \
             WITH ('connector' = 'brooklet-table');\n\
             INSERT INTO {KEPT}out{i} {};\n",
            output.columns, output.stream
        );
    }
    Query::new("kept", outputs.into()).sql() + &kept
}

/// An error when a view differs from the rows of its epoch.
pub fn check(plan: &StreamPlan, views: &Views, sinks: &BTreeMap<String, Content>) -> Result<()> {
    let Some(shown) = views.read() else { return Ok(()) };
    for (name, view) in shown.tables.iter() {
        let Some(of) = name.strip_prefix(KEPT) else { continue };
        let changes = plan.sinks().find_map(|(_, spec)| {
            let number = spec.tables.iter().position(|t| t.table.name == of)?;
            let content = sinks.get(&spec.domain)?;
            let epochs = content.epochs.range(..=shown.epoch);
            Some(epochs.flat_map(|(_, tables)| tables[number].clone()).collect::<Vec<Delta>>())
        });
        let expected = rows::sum(view.schema(), &changes.unwrap_or_default())?;
        if let Some(difference) = rows::differ(&expected, &rows_of(view)?) {
            let epoch = shown.epoch;
            return Err(Error::bug(format!("{name} at epoch {epoch}: {difference}")));
        }
    }
    Ok(())
}

fn rows_of(view: &TableView) -> Result<Vec<Row>> {
    let read = |chunk| Ok(Delta::inserts(view.read(chunk, None)?));
    let all = (0..view.chunks()).map(read).collect::<Result<Vec<_>>>()?;
    rows::sum(view.schema(), &all)
}

#[test]
fn readers_see_what_the_sinks_hold_after_any_crash() {
    let mut dice = Dice::new(1);
    let wanted = Wanted { rows: 120, splits: 3, jitter: ON_TIME };
    let logs = ["a", "b"].map(|t| (t.to_string(), data::log(&mut dice, 0, wanted).unwrap()));
    let logs: Arc<BTreeMap<String, Log>> = Arc::new(logs.into());
    let plan = driver::plan(&sql()).unwrap();
    let mut crashes: BTreeMap<&str, u32> = BTreeMap::new();
    for (turn, point) in CrashPoint::ALL.into_iter().enumerate() {
        for reshard in [false, true] {
            let case = Case {
                plan: plan.clone(),
                logs: logs.clone(),
                seed: turn as u64 * 2 + u64::from(reshard),
                turn: 0,
                trouble: Trouble { only: Some(point), reshard: Some(reshard), ..Trouble::SOME },
                real: Some(real()),
            };
            let what = format!("{} (seed {})", point.name(), case.seed);
            let outcome = block_on(driver::run(&case)).unwrap_or_else(|e| panic!("{what}: {e}"));
            assert!(!outcome.rows["out0"].is_empty() && !outcome.rows["out1"].is_empty());
            *crashes.entry(point.name()).or_default() += outcome.coverage.crashes_at(point);
        }
    }
    println!("crashes with built-in tables: {crashes:?}");
    // No file is uploaded here.
    crashes.remove(CrashPoint::MidUpload.name());
    assert!(crashes.values().all(|count| *count > 0), "{crashes:?}");
}
