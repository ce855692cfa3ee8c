//! One construct many times, within itself or behind itself.

use brooklet_testkit::dice::Dice;

/// Before, the innermost, behind, and how many there may be at most.
type Within = (&'static str, &'static str, &'static str, u64);

const EXPRESSIONS: &[Within] = &[
    ("(", "1", ")", 5_000),
    ("NOT ", "TRUE", "", 5_000),
    ("- ", "1", "", 5_000),
    ("ABS(", "i", ")", 2_000),
    ("CASE WHEN o THEN ", "1", " END", 1_000),
    ("CASE WHEN o THEN 1 ELSE ", "1", " END", 1_000),
    ("CAST(", "s", " AS STRING)", 1_000),
    ("ARRAY[", "1", "]", 500),
    ("ROW(", "1", ")", 500),
    ("MAP['a', ", "1", "]", 500),
    ("COALESCE(", "i", ", i)", 1_000),
    ("IF(o, 1, ", "i", ")", 1_000),
    ("UPPER(", "s", ")", 2_000),
    ("(SELECT MAX(i) FROM u WHERE i = ", "1", ")", 60),
    ("i IN (SELECT i FROM u WHERE ", "TRUE", ")", 40),
    ("EXISTS (SELECT 1 FROM u WHERE ", "TRUE", ")", 40),
    ("(", "o", " BETWEEN FALSE AND TRUE)", 100),
    ("(", "o", " IN (TRUE, o))", 300),
    ("NULLIF(", "i", ", 1)", 500),
    ("GREATEST(", "i", ", 2)", 500),
    ("i = ANY (SELECT i FROM u WHERE ", "TRUE", ")", 30),
    ("(SELECT COUNT(*) FROM u WHERE i = ", "1", ")", 30),
    ("JSON_OBJECT('a' VALUE ", "1", ")", 500),
    ("", "ra", "[1]", 2_000),
    ("", "r", ".p", 2_000),
    ("/* ", "1 */ 1", "", 2_000),
];

/// The first, one of the others, what stands behind the last, and how many.
type Behind = (&'static str, &'static str, &'static str, u64);

const CHAINS: &[Behind] = &[
    ("1", " + 1", "", 20_000),
    ("i", " + i", "", 3_000),
    ("s", " || s", "", 3_000),
    ("o", " AND o", "", 3_000),
    ("o", " OR i = 7", "", 3_000),
    ("i IN (1", ", 2", ")", 10_000),
    ("COALESCE(i", ", i", ")", 2_000),
    ("CONCAT(s", ", 'a'", ")", 2_000),
    ("CASE WHEN o THEN 1", " WHEN i = 1 THEN 2", " END", 2_000),
    ("1", ", i", "", 2_000),
    ("ARRAY[1", ", 2", "]", 10_000),
    ("'a'", " 'b'", "", 1_000),
    ("s LIKE '", "%a", "'", 5_000),
    ("REGEXP(s, '", "(a*", "')", 2_000),
    ("REGEXP(s, '", "(a*)", "')", 2_000),
    ("REGEXP(s, '", "a{9}", "')", 2_000),
    ("REGEXP(s, 'a", "{9}", "')", 2_000),
    ("JSON_VALUE(s, '$", ".a", "')", 5_000),
    ("JSON_VALUE(s, '$", "[0]", "')", 5_000),
    ("JSON_VALUE('", "[", "', '$[0]')", 5_000),
    ("DATE_FORMAT(ts, '", "yyyy", "')", 2_000),
    ("i", " IS NULL", "", 2_000),
    ("i", " = i", "", 300),
    ("COUNT(*)", ", COUNT(DISTINCT i)", "", 200),
];

/// Whole statements.
const STATEMENTS: &[Within] = &[
    ("SELECT * FROM (", "SELECT i FROM t", ")", 150),
    ("SELECT i FROM (", "SELECT i, ts FROM t", ") WHERE i > 1", 100),
    ("(", "SELECT 1", ")", 1_000),
    ("", "SELECT i FROM t", " UNION ALL SELECT i FROM u", 400),
    ("", "SELECT i FROM t", " UNION SELECT i FROM u", 100),
    ("", "SELECT i FROM t", " EXCEPT SELECT i FROM u", 50),
    ("WITH w AS (SELECT 1) ", "SELECT 1", "", 100),
    ("EXPLAIN ", "SELECT 1", "", 1_000),
    ("EXECUTE ", "SELECT 1", "", 3_000),
    ("SELECT COUNT(*) AS c FROM (", "SELECT i FROM t", ") GROUP BY 1 + 1", 40),
    ("CREATE TABLE x (a ARRAY<", "INT", ">) WITH ('connector' = 'blackhole')", 1),
];

pub fn text(dice: &mut Dice) -> String {
    let query = match dice.below(6) {
        0 | 1 => {
            let (before, inner, behind, most) = *dice.pick(EXPRESSIONS);
            let n = count(dice, most);
            let expr = format!("{}{inner}{}", before.repeat(n), behind.repeat(n));
            placed(dice, &expr)
        }
        2 | 3 => {
            let (first, other, end, most) = *dice.pick(CHAINS);
            let expr = format!("{first}{}{end}", other.repeat(count(dice, most)));
            placed(dice, &expr)
        }
        4 => {
            let (before, inner, behind, most) = *dice.pick(STATEMENTS);
            let n = count(dice, most);
            format!("{}{inner}{}", before.repeat(n), behind.repeat(n))
        }
        _ => many(dice),
    };
    format!("{}{query};\n", crate::grammar::tables())
}

/// As many small numbers as large ones.
fn count(dice: &mut Dice, most: u64) -> usize {
    let bits = 64 - most.leading_zeros() as u64;
    let bits = 1 + dice.below(bits);
    dice.below(1 << bits).min(most) as usize
}

fn placed(dice: &mut Dice, expr: &str) -> String {
    match dice.below(4) {
        0 => format!("SELECT i FROM t WHERE {expr}"),
        1 => format!("SELECT {expr}"),
        _ => format!("SELECT {expr} FROM t"),
    }
}

/// Many tables, views, columns, joins or types.
fn many(dice: &mut Dice) -> String {
    let n = count(dice, 60).max(1);
    match dice.below(9) {
        0 => {
            let views = (1..n).map(|i| format!("CREATE VIEW v{i} AS SELECT * FROM v{};\n", i - 1));
            let views: String = views.collect();
            format!("CREATE VIEW v0 AS SELECT i, s FROM t;\n{views}SELECT * FROM v{}", n - 1)
        }
        1 => {
            // Each reads the one before twice.
            let n = n.min(12);
            let views = (1..n).map(|i| {
                format!(
                    "CREATE VIEW v{i} AS SELECT a.i FROM v{0} AS a JOIN v{0} AS b ON a.i = b.i;\n",
                    i - 1
                )
            });
            let views: String = views.collect();
            format!("CREATE VIEW v0 AS SELECT i FROM t;\n{views}SELECT * FROM v{}", n - 1)
        }
        2 => {
            let joins = (0..n).map(|i| format!(" JOIN u AS u{i} ON t.i = u{i}.i"));
            format!("SELECT t.i FROM t{}", joins.collect::<String>())
        }
        3 => {
            let names: Vec<String> = (0..n * 20).map(|i| format!("a{i} INT")).collect();
            let names = names.join(", ");
            format!(
                "CREATE TABLE wide ({names}) WITH ('connector' = 'blackhole');\nSELECT * FROM wide"
            )
        }
        4 => {
            let n = n * 20;
            let ty = format!("{}INT{}", "ARRAY<".repeat(n), ">".repeat(n));
            format!("CREATE TABLE deep (a {ty}) WITH ('connector' = 'blackhole')")
        }
        5 => {
            let n = n * 5;
            let ty = format!("{}INT{}", "ROW<a ".repeat(n), ">".repeat(n));
            format!(
                "CREATE TABLE deep (a {ty}) WITH ('connector' = 'memory', 'name' = 'x');\nSELECT a{} FROM deep",
                ".a".repeat(n.min(30))
            )
        }
        6 => {
            let ctes: Vec<String> =
                (1..n).map(|i| format!("w{i} AS (SELECT * FROM w{})", i - 1)).collect();
            let ctes = [vec!["w0 AS (SELECT i FROM t)".to_string()], ctes].concat().join(", ");
            format!("WITH {ctes} SELECT * FROM w{}", n - 1)
        }
        7 => {
            let pattern: Vec<String> = (0..n).map(|i| format!("V{i}+ W{i}")).collect();
            format!(
                "SELECT * FROM t MATCH_RECOGNIZE (ORDER BY ts MEASURES V0.i AS i PATTERN ({}) DEFINE V0 AS \
                 V0.i > 1)",
                pattern.join(" ")
            )
        }
        _ => {
            let keys: Vec<&str> =
                ["i", "b", "y", "s", "vc", "o", "dt", "n", "m", "c"][..n.min(10)].to_vec();
            format!("SELECT COUNT(*) FROM t GROUP BY CUBE ({})", keys.join(", "))
        }
    }
}
