//! Statements nobody would write, against parser, binder and planner: an error is fine; a panic,
//! an overflow of the stack, an error that speaks of a mistake in the program, a text that takes
//! minutes or gigabytes is a failure.
//!
//! [`cases`] what a seed stands for: statements drawn from the [`grammar`] of what brooklet takes,
//! [`nested`] ones, calls of every function, and texts of `tests/` and `pipelines/` [`mutated`].
//! [`check`] plans a text and builds the operators of its plan. [`child`] is a process that does so
//! for one seed after the other, so that nothing takes the tests down with it; [`parent`] starts it
//! again and says which seed ended it; [`smaller`] cuts the text down to what matters.
//!
//! A failure names its seed: `FUZZ_SEED=seed make fuzz` repeats it, `FUZZ_TEXT=file make fuzz`
//! plans a file.

mod cases;
mod check;
mod child;
mod grammar;
mod mutated;
mod nested;
mod parent;
mod smaller;

use std::time::Duration;

use brooklet_testkit::dice::Dice;

use crate::cases::Kind;
use crate::check::Outcome;
use crate::parent::Fuzzed;

/// What a text may take; most take milliseconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// Seeds that `make test` tries.
const CASES: u64 = 600;

/// `FUZZ_CASES` seeds, the same each time, and that they reach what they are for.
#[test]
fn no_text_makes_the_planner_panic() {
    let cases = number("FUZZ_CASES").unwrap_or(CASES);
    let fuzzed = parent::fuzz((0..cases).collect::<Vec<_>>().into_iter(), None);
    println!("{fuzzed}");
    fuzzed.assert_nothing_failed();
    assert_accepted(&fuzzed);
}

/// What is known of the columns below an aggregate is found out once, not twice a level.
#[test]
fn aggregates_within_each_other_are_planned_in_no_time() {
    let (open, close) = ("SELECT COUNT(*) AS c FROM (".repeat(28), ") GROUP BY 1 + 1".repeat(28));
    let table = "CREATE TABLE t (i INT) WITH ('connector' = 'memory', 'name' = 't')";
    let text = format!("{table};\n{open}SELECT i FROM t{close};");
    assert_eq!(check::check(&text), Outcome::Planned);
}

/// Subqueries, COALESCEs and BETWEENs within each other are refused before they take minutes.
#[test]
fn what_doubles_with_every_level_is_refused_or_planned_in_no_time() {
    let table = "CREATE TABLE t (i INT, o BOOLEAN) WITH ('connector' = 'memory', 'name' = 't')";
    let within = [
        ("i IN (SELECT i FROM t WHERE ", "o", ")", 8),
        ("EXISTS (SELECT i FROM t WHERE ", "o", ")", 8),
        ("(", "o", " BETWEEN FALSE AND TRUE)", 4),
        ("COALESCE(", "o", ", o)", 6),
    ];
    for (open, inner, close, most) in within {
        let of = |levels: usize| {
            let (open, close) = (open.repeat(levels), close.repeat(levels));
            check::check(&format!("{table};\nSELECT i FROM t WHERE {open}{inner}{close};"))
        };
        assert_eq!(of(most), Outcome::Planned, "{open}");
        let Outcome::Refused(why) = of(most + 40) else { panic!("{open} is planned") };
        assert!(why.starts_with("more than "), "{why}");
    }
}

/// Values that are made of values.
#[test]
fn values_in_each_other_are_counted() {
    for (open, close) in [("ARRAY[", "]"), ("ROW(", ")"), ("MAP['a', ", "]")] {
        let of = |levels: usize| {
            let (open, close) = (open.repeat(levels), close.repeat(levels));
            check::check(&format!("SELECT {open}1{close};"))
        };
        assert_eq!(of(40), Outcome::Planned, "{open}");
        let Outcome::Refused(why) = of(80) else { panic!("80 levels of {open} are planned") };
        assert!(why.starts_with("more than 40 ARRAYs, MAPs and ROWs"), "{why}");
        assert!(matches!(of(190), Outcome::Refused(_)), "{open}");
    }
    let endless = "ARRAY[".repeat(2_000);
    assert!(matches!(check::check(&format!("SELECT {endless}")), Outcome::Refused(_)));
}

/// Rounded to more digits before the point than there are numbers for.
#[test]
fn numbers_are_rounded_to_any_digit() {
    let least = i64::MIN;
    let text = format!("SELECT ROUND(0.5, {least}), ROUND(7, {least}), TRUNCATE(1e0, {least})");
    assert_eq!(check::check(&text), Outcome::Planned);
}

/// Conditions on pairs of rows that read the clock, which is no column of theirs.
#[test]
fn conditions_on_pairs_read_no_clock() {
    let tables = "CREATE TABLE t (i INT, a ARRAY<INT>, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH \
                  ('connector' = 'memory', 'name' = 't');\n\
                  CREATE TABLE v (i INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts, PRIMARY KEY (i) NOT \
                  ENFORCED) WITH ('connector' = 'memory', 'name' = 'v');\n";
    for query in [
        "SELECT t.i FROM t JOIN v FOR SYSTEM_TIME AS OF t.ts AS r ON t.i = r.i WHERE NOW() > r.ts",
        "SELECT t.i FROM t LEFT JOIN UNNEST(t.a) AS e (x) ON NOW() > t.ts",
        "SELECT t.i FROM t JOIN v AS r ON t.i = r.i AND RAND_INTEGER(t.i) > r.i",
    ] {
        let Outcome::Refused(why) = check::check(&format!("{tables}{query};")) else {
            panic!("{query} is planned")
        };
        assert_eq!(why, "a join condition cannot read the clock", "{query}");
    }
}

/// What is called in DataFusion is not called so in a text.
#[test]
fn functions_of_the_planner_are_none_of_a_text() {
    let text = "SELECT MAKE_ARRAY(ARRAY['a', ''], ARRAY['b'])";
    assert!(
        matches!(check::check(text), Outcome::Refused(why) if why.contains("no such function"))
    );
}

/// Subqueries that stand in each other by way of views as well.
#[test]
fn subqueries_of_views_are_counted_too() {
    let mut text = "CREATE TABLE t (i INT) WITH ('connector' = 'memory', 'name' = 't');\n\
                    CREATE VIEW v0 AS SELECT i FROM t;\n"
        .to_string();
    for i in 1..30 {
        let below = i - 1;
        text +=
            &format!("CREATE VIEW v{i} AS SELECT i FROM t WHERE i IN (SELECT i FROM v{below});\n");
    }
    let Outcome::Refused(why) = check::check(&text) else { panic!("30 levels are planned") };
    assert!(why.starts_with("more than 8 subqueries"), "{why}");
}

/// Texts that all fail in the parser would test nothing.
fn assert_accepted(fuzzed: &Fuzzed) {
    let least = [
        (Kind::Query, 0.6),
        (Kind::Statements, 0.18),
        (Kind::Call, 0.6),
        (Kind::Nested, 0.4),
        (Kind::Mutated, 0.05),
    ];
    for (kind, least) in least {
        let share = fuzzed.accepted(kind);
        assert!(share >= least, "{kind:?}: a share of {share:.2} was planned, {least} is wanted");
    }
    let share = fuzzed.accepted_of_all();
    assert!(share >= 0.45, "a share of {share:.2} was planned, 0.45 is wanted");
    let never = fuzzed.never_planned(grammar::WORDS.iter().copied());
    assert!(never.len() * 5 <= grammar::WORDS.len(), "never in a planned statement: {never:?}");
}

/// `FUZZ_SECONDS` with new seeds, half an hour without it; `FUZZ_SEED` repeats one.
#[test]
#[ignore = "for as long as wanted: make fuzz"]
fn for_as_long_as_wanted() {
    if let Ok(file) = std::env::var("FUZZ_TEXT") {
        let text = std::fs::read_to_string(file).expect("a file that can be read");
        return println!("{:?}", check::check(&text));
    }
    if let Some(seed) = number("FUZZ_SEED") {
        let case = cases::of_seed(seed);
        println!("seed {seed}, {:?}:\n{}", case.kind, case.text);
        println!("{:?}", check::check(&case.text));
        return;
    }
    let seconds = number("FUZZ_SECONDS").unwrap_or(1_800);
    #[allow(clippy::disallowed_methods, reason = "new seeds")]
    let start = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let mut seeds = Dice::new(start.map_or(0, |d| d.as_nanos() as u64));
    let seeds = std::iter::repeat_with(move || seeds.draw());
    let fuzzed = parent::fuzz(seeds, Some(Duration::from_secs(seconds)));
    println!("{fuzzed}\nrefused most often:");
    println!("{}", fuzzed.most_refused(&[Kind::Query, Kind::Statements, Kind::Call], 60));
    let functions = fuzzed.never_planned(grammar::NAMES.iter().map(String::as_str));
    println!("{} functions, never planned: {functions:?}", grammar::NAMES.len());
    fuzzed.assert_nothing_failed();
}

/// The process that [`parent`] starts.
#[test]
#[ignore = "started by the other tests"]
fn child() {
    child::run();
}

/// A planted panic, an overflow and an endless loop are found, with their seeds and small texts.
#[test]
fn what_is_planted_is_found() {
    let found = parent::one("SELECT 'planted panic' FROM t WHERE a = b", Duration::from_secs(20));
    assert!(matches!(&found, Outcome::Panicked(what) if what.contains("planted")), "{found:?}");
    let small = smaller::smaller("SELECT a, 'planted panic' FROM t WHERE a = b", &found);
    assert_eq!(small.trim(), "'planted panic'");
    let found = parent::one("SELECT 'planted bug'", Duration::from_secs(20));
    assert_eq!(found, Outcome::Bug("planted".into()));
    let found = parent::one("SELECT 'planted overflow'", Duration::from_secs(20));
    assert!(matches!(found, Outcome::Died(_)), "{found:?}");
    let found = parent::one("SELECT 'planted wait'", Duration::from_secs(1));
    assert!(matches!(found, Outcome::Endless), "{found:?}");
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}
