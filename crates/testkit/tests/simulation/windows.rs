//! Windows whose rows wait: sessions, the first of a window, joins within windows.

use brooklet_testkit::dice::Dice;

use crate::queries::{FILTERS, Output, Query, Rel, Window, assigned, base, late_slices};

const JOINS: [&str; 6] = ["INNER", "LEFT", "RIGHT", "FULL", "EXISTS", "NOT EXISTS"];
/// Aggregates of windows that become one.
const MERGED: &str = "COUNT(*), COUNT(v), SUM(v), MIN(v), MAX(s), SUM(d), AVG(d), \
     COUNT(*) FILTER (WHERE d > 100)";
/// Those that keep their values.
const KEPT: &str = "COUNT(*), COUNT(DISTINCT s), MIN(v), COUNT(DISTINCT v)";
const TUMBLE: &str = "INTERVAL '10' SECOND";

pub fn drawn(dice: &mut Dice) -> Output {
    let rel = base(["a", "b"][dice.below(2) as usize]);
    let rel = if dice.chance(0.5) { rel.filter("v > 5") } else { rel };
    match dice.below(4) {
        0 => session(&rel, dice.chance(0.6)),
        1 => session_rows(&rel),
        2 => first_of_window(&rel, dice.chance(0.5)),
        _ => joined(&rel, JOINS[dice.below(6) as usize], &base("b").filter("k IS NOT NULL")),
    }
}

pub fn features() -> Vec<Query> {
    let (a, b) = (base("a"), base("b"));
    let both = |name: &str, one: Output, two: Output| Query::new(name, vec![one, two]);
    let late_hop = late_slices("a", Window::Hop, FILTERS[4]);
    let late_cumulate = late_slices("b", Window::Cumulate, FILTERS[3]);
    vec![
        both("slices", a.sliced(Window::Hop), a.first().sliced(Window::Cumulate)),
        Query { late: true, ..both("late rows of slices", late_hop, late_cumulate) },
        both("session", session(&a, true), session(&b, false)),
        both("rows of sessions", session_rows(&a), first_of_window(&b, false)),
        both("inner window join", joined(&a, "INNER", &b), joined(&a, "EXISTS", &b)),
        both("outer window join", joined(&a, "LEFT", &b), joined(&b, "RIGHT", &a)),
        both("full window join", joined(&a, "FULL", &b), joined(&a, "NOT EXISTS", &b)),
    ]
}

/// Each row with the number of its session: rows of a k within five seconds follow each other.
fn numbered(rel: &Rel) -> String {
    format!(
        "SELECT *, SUM(opens) OVER (PARTITION BY k ORDER BY ts) AS n FROM (SELECT *, CASE WHEN \
         LAG(ts) OVER (PARTITION BY k ORDER BY ts) + INTERVAL '5 seconds' >= ts THEN 0 ELSE 1 END \
         AS opens FROM ({}))",
        rel.batch
    )
}

const SESSION: &str = "TABLE(SESSION(TABLE x PARTITION BY k, DESCRIPTOR(ts), INTERVAL '5' SECOND))";

fn session(rel: &Rel, merged: bool) -> Output {
    let (aggregates, columns) = match merged {
        true => (
            MERGED,
            "n BIGINT, nv BIGINT, sv BIGINT, lv BIGINT, ms STRING, sd DOUBLE, ad DOUBLE, fd BIGINT",
        ),
        false => (KEPT, "n BIGINT, ns BIGINT, lv BIGINT, dv BIGINT"),
    };
    Output {
        columns: format!("ws TIMESTAMP(3), we TIMESTAMP(3), k INT, {columns}"),
        stream: format!(
            "WITH x AS ({}) SELECT window_start, window_end, k, {aggregates} FROM {SESSION} GROUP \
             BY window_start, window_end, k",
            rel.stream
        ),
        batch: format!(
            "SELECT MIN(ts), MAX(ts) + INTERVAL '5 seconds', k, {aggregates} FROM ({}) GROUP BY k, n",
            numbered(rel)
        ),
    }
}

fn session_rows(rel: &Rel) -> Output {
    Output {
        columns: "id BIGINT, ws TIMESTAMP(3), we TIMESTAMP(3)".into(),
        stream: format!(
            "WITH x AS ({}) SELECT id, window_start, window_end FROM {SESSION}",
            rel.stream
        ),
        batch: format!(
            "SELECT id, MIN(ts) OVER (PARTITION BY k, n), MAX(ts) OVER (PARTITION BY k, n) + \
             INTERVAL '5 seconds' FROM ({})",
            numbered(rel)
        ),
    }
}

/// The two largest v of each window, or its last row by time.
fn first_of_window(rel: &Rel, last: bool) -> Output {
    let of = |sql: &str, order: &str, n: usize| {
        format!(
            "SELECT window_start, id, v FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY \
             window_start, window_end ORDER BY {order}) AS rn FROM {sql}) WHERE rn <= {n}"
        )
    };
    let (stream, batch, n) = match last {
        true => ("ts DESC", "ts DESC", 1),
        false => ("v DESC, id", "v DESC NULLS LAST, id", 2),
    };
    let call = format!("TABLE(TUMBLE(TABLE x, DESCRIPTOR(ts), {TUMBLE}))");
    Output {
        columns: "ws TIMESTAMP(3), id BIGINT, v BIGINT".into(),
        stream: format!("WITH x AS ({}) {}", rel.stream, of(&call, stream, n)),
        batch: of(&format!("({})", assigned(Window::Tumble, &rel.batch)), batch, n),
    }
}

fn joined(left: &Rel, kind: &str, right: &Rel) -> Output {
    let on = "l.window_start = r.window_start AND l.window_end = r.window_end AND l.k = r.k AND \
              l.v <= r.v";
    let sql = |l: &str, r: &str| match kind {
        "EXISTS" | "NOT EXISTS" => format!(
            "SELECT l.id, l.id + 0 AS r, l.window_start FROM {l} AS l WHERE {kind} (SELECT 1 FROM \
             {r} AS r WHERE {on})"
        ),
        _ => {
            format!("SELECT l.id, r.id, l.window_start FROM {l} AS l {kind} JOIN {r} AS r ON {on}")
        }
    };
    let call = |name: &str| {
        format!("(SELECT * FROM TABLE(TUMBLE(TABLE {name}, DESCRIPTOR(ts), {TUMBLE})))")
    };
    let batch = |rel: &Rel| format!("({})", assigned(Window::Tumble, &rel.batch));
    Output {
        columns: "l BIGINT, r BIGINT, ws TIMESTAMP(3)".into(),
        stream: format!(
            "WITH x AS ({}), y AS ({}) {}",
            left.stream,
            right.stream,
            sql(&call("x"), &call("y"))
        ),
        batch: sql(&batch(left), &batch(right)),
    }
}
