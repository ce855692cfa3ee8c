//! The property over random queries, rows, cuts, shards and misfortunes; and that it finds
//! mistakes that were planted.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use brooklet_core::env::CrashPoint;
use brooklet_engine::planted::{Mistake, plant};
use brooklet_testkit::dice::Dice;

use crate::coverage::Coverage;
use crate::driver::Trouble;
use crate::points::{Setup, block_on};
use crate::queries::features;
use crate::random;
use crate::world::lock;

/// What a case is made of; smaller numbers are simpler cases.
#[derive(Debug, Clone, Copy)]
struct Shape {
    query: u64,
    data: u64,
    fate: u64,
    rows: usize,
    splits: i64,
    crashes: u32,
    faults: u32,
    tears: u32,
    takeovers: u32,
}

impl Shape {
    fn of_seed(seed: u64) -> Shape {
        let mut dice = Dice::new(seed);
        Shape {
            query: dice.draw(),
            data: dice.draw(),
            fate: dice.draw(),
            rows: dice.below(120) as usize,
            splits: dice.between(1, 5),
            crashes: dice.below(7) as u32,
            faults: dice.below(12) as u32,
            tears: dice.below(3) as u32,
            takeovers: dice.below(6) as u32,
        }
    }

    fn trouble(&self) -> Trouble {
        let Shape { crashes, faults, tears, takeovers, .. } = *self;
        Trouble { crashes, faults, tears, takeovers, ..Trouble::NONE }
    }

    /// Says what is wrong, with the SQL.
    fn check(&self) -> Result<Coverage, String> {
        let query = random::query(&mut Dice::new(self.query), self.splits);
        let sql = query.sql();
        let run = async {
            let setup = Setup::new(query, self.data, self.rows, self.splits).await;
            let setup = setup.map_err(|e| e.to_string())?;
            setup.check(self.fate, self.fate % 97, self.trouble()).await
        };
        block_on(run).map_err(|wrong| format!("{wrong}\n{self:?}\n{sql}"))
    }
}

fn shapes() -> impl Strategy<Value = Shape> {
    let seeds = (any::<u64>(), any::<u64>(), any::<u64>());
    let trouble = (0..7u32, 0..12u32, 0..3u32, 0..6u32);
    (seeds, 0..120usize, 1..5i64, trouble).prop_map(|(seeds, rows, splits, trouble)| {
        let ((query, data, fate), (crashes, faults, tears, takeovers)) = (seeds, trouble);
        Shape { query, data, fate, rows, splits, crashes, faults, tears, takeovers }
    })
}

/// `SIM_CASES` cases, 400 without it.
#[test]
fn the_sum_of_deltas_is_the_batch_answer() {
    let cases = number("SIM_CASES").unwrap_or(400) as u32;
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let met = Mutex::new(Coverage::default());
    // The same cases each time, for the counts below; `make sim` looks for others.
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let result = TestRunner::new_with_rng(config, rng).run(&shapes(), |shape| {
        let coverage = shape.check().map_err(TestCaseError::fail)?;
        lock(&met).add(&coverage);
        Ok(())
    });
    if let Err(wrong) = result {
        panic!("{wrong}");
    }
    let met = lock(&met);
    println!("{met}");
    for point in CrashPoint::ALL.into_iter().filter(|p| *p != CrashPoint::MidUpload) {
        assert!(met.crashes_at(point) > 0, "no crash at {}", point.name());
    }
    let others = [met.fenced, met.sleepers, met.lost_answers, met.torn, met.repeated];
    assert!(others.iter().all(|count| *count > 0) && met.late > 0, "{others:?} {}", met.late);
    assert_eq!(met.kinds_missing(), Vec::<&str>::new(), "kinds of nodes never drawn");
}

/// `SIM_SECONDS` with new seeds, an hour without it; `SIM_SEED` repeats one.
#[test]
#[ignore = "for hours: make sim"]
fn for_as_long_as_wanted() {
    if let Some(seed) = number("SIM_SEED") {
        println!("seed {seed}: {:?}", Shape::of_seed(seed));
        return one(seed).map(drop).unwrap_or_else(|wrong| panic!("seed {seed}: {wrong}"));
    }
    #[allow(clippy::disallowed_methods, reason = "new seeds and the length of the run")]
    let (start, clock) = (std::time::SystemTime::now(), std::time::Instant::now());
    let start = start.duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_nanos() as u64);
    let seconds = number("SIM_SECONDS").unwrap_or(3_600);
    let mut met = Coverage::default();
    let mut seeds = Dice::new(start);
    let mut told = 0;
    while clock.elapsed().as_secs() < seconds {
        let seed = seeds.draw();
        match one(seed) {
            Ok(coverage) => met.add(&coverage),
            Err(wrong) => panic!("{wrong}\nrepeat with: SIM_SEED={seed} make sim"),
        }
        if clock.elapsed().as_secs() / 60 > told {
            told = clock.elapsed().as_secs() / 60;
            println!("{told} minutes, {} cases", met.cases);
        }
    }
    println!("{met}");
}

#[test]
fn equal_rows_of_a_join_are_counted_alike_however_they_met() {
    one(7_665_767_430_081_281_075).unwrap();
}

/// A panic of the engine is a failure with a seed as well.
fn one(seed: u64) -> Result<Coverage, String> {
    let checked = catch_unwind(AssertUnwindSafe(|| Shape::of_seed(seed).check()));
    checked.unwrap_or_else(|_| Err(format!("a panic, {:?}", Shape::of_seed(seed))))
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    for seed in 0..6 {
        let query = random::query(&mut Dice::new(seed), 3);
        block_on(async {
            let setup = Setup::new(query, seed, 60, 3).await.unwrap();
            let one = setup.run(seed, seed, Trouble::SOME).await.unwrap();
            let two = setup.run(seed, seed, Trouble::SOME).await.unwrap();
            assert_eq!(one.journal, two.journal);
            assert_eq!(one.visible, two.visible);
            assert_eq!(one.state, two.state);
            assert_eq!(one.accounts, two.accounts);
            assert_eq!(one.coverage.to_string(), two.coverage.to_string());
        });
    }
}

/// Few cases must do: what `make test` runs would find them.
#[test]
fn planted_mistakes_are_found() {
    let mistakes = [
        Mistake::RecordAfterSinks,
        Mistake::ForgottenRow,
        Mistake::SkippedRecord,
        Mistake::Misdealt,
        Mistake::Unsorted,
    ];
    for mistake in mistakes {
        plant(Some(mistake));
        let found = (0..100u64).find_map(|seed| Some((seed, one(seed).err()?)));
        plant(None);
        let (seed, wrong) = found.unwrap_or_else(|| panic!("{mistake:?} was not found"));
        let line = wrong.lines().next().unwrap_or_default();
        println!("{mistake:?} found by case {seed}: {line}");
        one(seed).unwrap_or_else(|wrong| panic!("{mistake:?} is no longer planted: {wrong}"));
    }
}

/// The features are queries in both dialects that plan.
#[test]
fn features_draw_every_kind() {
    let mut met = Coverage::default();
    for query in features() {
        met.ran(&crate::driver::plan(&query.sql()).unwrap());
    }
    assert_eq!(met.kinds_missing(), Vec::<&str>::new());
}
