//! Every feature dies at every crash point, and restarts with as many shards and with others.

use std::collections::BTreeMap;
use std::sync::Arc;

use brooklet_core::Result;
use brooklet_core::env::CrashPoint;
use brooklet_core::source::Reading;
use brooklet_plan::{NodeOp, StreamPlan};
use brooklet_testkit::dice::Dice;

use crate::coverage::Coverage;
use crate::data::{self, LATE, ON_TIME, Wanted};
use crate::driver::{Case, Outcome, Trouble};
use crate::queries::{Query, features};
use crate::rows::{self, Row};
use crate::tables::Log;
use crate::{batch, driver};

/// A query over rows, planned once, with its answer.
pub struct Setup {
    pub query: Query,
    pub plan: StreamPlan,
    pub logs: Arc<BTreeMap<String, Log>>,
    pub answer: BTreeMap<String, Vec<Row>>,
    pub accounts: BTreeMap<String, u64>,
}

impl Setup {
    /// The batch answer and the accounts of an undisturbed run.
    pub async fn new(query: Query, seed: u64, rows: usize, splits: i64) -> Result<Setup> {
        let mut dice = Dice::new(seed);
        let mut logs = BTreeMap::new();
        let wanted = match query.late {
            true => Wanted { rows, splits: 1, jitter: LATE },
            false => Wanted { rows, splits, jitter: ON_TIME },
        };
        for (i, table) in ["a", "b"].into_iter().enumerate() {
            logs.insert(table.to_string(), data::log(&mut dice, i as i64, wanted)?);
        }
        let few = Wanted { rows: rows.min(9), splits: 2, jitter: ON_TIME };
        logs.insert("c".to_string(), data::log(&mut dice, 2, few)?);
        let answer = batch::answer(&query, &logs).await?;
        let mut plan = driver::plan(&query.sql())?;
        if !seed.is_multiple_of(2) {
            read_once(&mut plan, "b");
        }
        let (logs, accounts) = (Arc::new(logs), BTreeMap::new());
        let mut setup = Setup { query, plan, logs, answer, accounts };
        let quiet = setup.run(seed, 0, Trouble::NONE).await?;
        if let Some(difference) = setup.difference(&quiet) {
            return Err(brooklet_core::Error::data(difference).at("undisturbed"));
        }
        setup.accounts = quiet.accounts;
        Ok(setup)
    }

    pub async fn run(&self, seed: u64, turn: u64, trouble: Trouble) -> Result<Outcome> {
        let (plan, logs) = (self.plan.clone(), self.logs.clone());
        driver::run(&Case { plan, logs, seed, turn, trouble, real: None }).await
    }

    /// How an outcome differs from the batch answer.
    pub fn difference(&self, outcome: &Outcome) -> Option<String> {
        self.rows_differ(&outcome.rows)
    }

    pub fn rows_differ(&self, got: &BTreeMap<String, Vec<Row>>) -> Option<String> {
        let of = |(table, rows): (&String, &Vec<Row>)| {
            // A sink that was given nothing holds nothing.
            let got = got.get(table).map_or(&[][..], Vec::as_slice);
            let difference = rows::differ(got, rows)?;
            Some(format!("{table} against the batch answer: {difference}"))
        };
        self.answer.iter().find_map(of)
    }

    /// Runs with trouble; says what is wrong.
    pub async fn check(&self, seed: u64, turn: u64, trouble: Trouble) -> Result<Coverage, String> {
        let outcome = self.run(seed, turn, trouble).await.map_err(|e| e.to_string())?;
        if let Some(difference) = self.difference(&outcome) {
            return Err(difference);
        }
        if outcome.late > 0 && !self.query.late {
            return Err(format!("{} rows were late", outcome.late));
        }
        if outcome.accounts != self.accounts {
            let pairs = outcome.accounts.iter().zip(&self.accounts);
            let wrong: Vec<_> = pairs.filter(|(a, b)| a != b).collect();
            return Err(format!("accounts against the undisturbed run's: {wrong:?}"));
        }
        Ok(outcome.coverage)
    }
}

/// The table's rows cannot be read again.
fn read_once(plan: &mut StreamPlan, table: &str) {
    for node in &mut plan.nodes {
        match &mut node.op {
            NodeOp::Scan(spec) if spec.table.name == table => spec.reading = Reading::Once,
            _ => {}
        }
    }
}

/// One thread, so that a seed means one order of events.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    runtime.expect("a runtime starts").block_on(future)
}

#[test]
fn every_feature_at_every_crash_point() {
    let mut coverage = Coverage::default();
    for (number, query) in features().into_iter().enumerate() {
        let name = query.name.clone();
        let result = block_on(all_points(query, number as u64));
        coverage.add(&result.unwrap_or_else(|wrong| panic!("{name}: {wrong}")));
    }
    println!("{coverage}");
    assert_eq!(coverage.holes(), Vec::<String>::new());
}

async fn all_points(query: Query, number: u64) -> Result<Coverage, String> {
    let setup = Setup::new(query, number, 50, 3).await.map_err(|e| e.to_string())?;
    let mut coverage = Coverage::default();
    for (turn, point) in CrashPoint::ALL.into_iter().enumerate() {
        if point == CrashPoint::MidUpload {
            continue;
        }
        for reshard in [false, true] {
            let first = number * 1_000 + turn as u64 * 100 + u64::from(reshard) * 50;
            let only = Some(point);
            let trouble = Trouble { only, reshard: Some(reshard), ..Trouble::SOME };
            // Some runs come to their end before they come to the point.
            for seed in first..first + 50 {
                let met = setup.check(seed, 0, trouble).await;
                let met = met.map_err(|e| format!("{} (seed {seed}): {e}", point.name()))?;
                coverage.add(&met);
                if met.crashes_at(point) > 0 {
                    break;
                }
            }
        }
    }
    Ok(coverage)
}
