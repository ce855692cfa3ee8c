//! What is simulated: queries in two dialects, the streaming SQL of the product and the batch SQL
//! of DataFusion that says the same of finite tables.
//!
//! Every relation has the columns `id, k, s, v, d, ts`; [`Rel`] is one of them, [`Output`] what a
//! sink gets. NULLs sort low and ties are broken by `id`, so that one answer is right.

/// A relation over the simulated tables.
#[derive(Debug, Clone)]
pub struct Rel {
    pub stream: String,
    pub batch: String,
    /// `ts` carries the watermark.
    pub rowtime: bool,
    pub append_only: bool,
    /// No two rows have the same `id`.
    pub unique: bool,
}

/// What one sink table gets.
#[derive(Debug, Clone)]
pub struct Output {
    pub columns: String,
    pub stream: String,
    pub batch: String,
}

/// A pipeline: its outputs, each in a commit domain of its own.
#[derive(Debug, Clone)]
pub struct Query {
    pub name: String,
    pub outputs: Vec<Output>,
    /// Rows come too late: each is judged when it comes (on-event), in a single split.
    pub late: bool,
}

/// A frame of OVER in both dialects.
#[derive(Debug, Clone, Copy)]
pub struct Frame {
    stream: &'static str,
    batch: &'static str,
}

pub const FRAMES: [Frame; 3] = [
    Frame { stream: "", batch: "" },
    Frame {
        stream: "ROWS BETWEEN 2 PRECEDING AND CURRENT ROW",
        batch: "ROWS BETWEEN 2 PRECEDING AND CURRENT ROW",
    },
    Frame {
        stream: "RANGE BETWEEN INTERVAL '4' SECOND PRECEDING AND CURRENT ROW",
        batch: "RANGE BETWEEN INTERVAL '4 seconds' PRECEDING AND CURRENT ROW",
    },
];

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Window {
    Tumble,
    Hop,
    Cumulate,
}

const VISIBLE: &str = "id, k, s, v, d, ts";
/// What reads the same in both dialects. The last digits of variances hang on the order of rows.
const PLAIN: &str = "COUNT(*), COUNT(v), SUM(v), MIN(v), MAX(s), SUM(d), AVG(d), MAX(ts), \
     COUNT(DISTINCT s), SUM(v) FILTER (WHERE d > 100), \
     VAR_POP(d) > 7000.123, VAR_SAMP(d) > 9000.321, SUM(DISTINCT v)";
const STREAMING: &str = "CHAR_LENGTH(LISTAGG(s, '; ')), CARDINALITY(COLLECT(v)), \
     CARDINALITY(ARRAY_AGG(v)), CHAR_LENGTH(JSON_ARRAYAGG(k NULL ON NULL)), \
     PERCENTILE(v, 0.0), PERCENTILE(v, 1.0)";
const BATCH: &str = "CHARACTER_LENGTH(STRING_AGG(s, '; ')) AS ll, COUNT(DISTINCT v) AS cc, \
     0 + COUNT(*) AS ca, 2 + COUNT(*) - 1 + COUNT(k) + 4 * (COUNT(*) - COUNT(k)) AS lj, \
     CAST(MIN(v) AS DOUBLE) AS p0, CAST(MAX(v) AS DOUBLE) AS p1";
const AGGREGATE_COLUMNS: &str = "n BIGINT, nv BIGINT, sv BIGINT, lv BIGINT, ms STRING, \
     sd DOUBLE, ad DOUBLE, mt TIMESTAMP(3), ns BIGINT, fv BIGINT, vp BOOLEAN, vs BOOLEAN, \
     dv BIGINT, ll INT, cc INT, ca INT, lj INT, p0 DOUBLE, p1 DOUBLE";

/// What can be merged: windows that overlap are made of slices.
const MERGING: &str = "COUNT(*), COUNT(v), SUM(v), MIN(v), MAX(s), SUM(d), AVG(d), MAX(ts), \
     SUM(v) FILTER (WHERE d > 100)";
const MERGING_COLUMNS: &str = "n BIGINT, nv BIGINT, sv BIGINT, lv BIGINT, ms STRING, sd DOUBLE, \
     ad DOUBLE, mt TIMESTAMP(3), fv BIGINT";

/// Aggregates in windows: their columns, then those of a stream and of a batch.
type Calls = [String; 3];

fn merging() -> Calls {
    [MERGING_COLUMNS, MERGING, MERGING].map(String::from)
}

fn all_calls() -> Calls {
    let [stream, batch] = aggregates();
    [AGGREGATE_COLUMNS.into(), stream, batch]
}

/// The aggregates of a stream and of a batch.
fn aggregates() -> [String; 2] {
    [STREAMING, BATCH].map(|own| format!("{PLAIN}, {own}"))
}

const FIRST_OF_EACH: &str = "SELECT id, k, s, v, d, ts FROM (SELECT *, ROW_NUMBER() OVER \
     (PARTITION BY k ORDER BY ts) AS rn FROM b) WHERE rn = 1";

/// Filters that read the same in both dialects.
pub const FILTERS: [&str; 5] =
    ["v > 5", "s <> 'a'", "k IS NOT NULL", "d < 300 OR v IS NULL", "k IN (1, 2, 4) AND v < 50"];

/// Table `a` or `b` as it is.
pub fn base(table: &str) -> Rel {
    let sql = format!("SELECT {VISIBLE} FROM {table}");
    Rel { stream: sql.clone(), batch: sql, rowtime: true, append_only: true, unique: true }
}

/// One table with its rows' arrival as the order of `id`: it has a single split.
pub fn in_order(rel: &Rel) -> Output {
    let by = "GROUP BY k";
    let sql =
        |first: &str, last: &str, of: &str| format!("SELECT k, {first}, {last} FROM ({of}) {by}");
    let ordered = |f: &str| format!("{f}(v ORDER BY id) FILTER (WHERE v IS NOT NULL)");
    let lists = "LAST_VALUE(v), LISTAGG(s), CAST(ARRAY_AGG(v) AS STRING), JSON_ARRAYAGG(v)";
    let listed = |separator: &str, null: &str, filter: &str| {
        format!(
            "'[' || COALESCE(ARRAY_TO_STRING(ARRAY_AGG(v ORDER BY id) {filter}, '{separator}'\
             {null}), '') || ']'"
        )
    };
    let batch_lists = format!(
        "{}, STRING_AGG(s, ',' ORDER BY id), {}, {}",
        ordered("LAST_VALUE"),
        listed(", ", ", 'NULL'", ""),
        listed(",", "", "FILTER (WHERE v IS NOT NULL)"),
    );
    Output {
        columns: "k INT, f BIGINT, l BIGINT, ls STRING, lv STRING, jv STRING".into(),
        stream: sql("FIRST_VALUE(v)", lists, &rel.stream),
        batch: sql(&ordered("FIRST_VALUE"), &batch_lists, &rel.batch),
    }
}

/// The first or last row of each k by arrival, of a table with a single split.
pub fn arrived(table: &str, last: bool) -> Rel {
    let way = if last { " DESC" } else { "" };
    let sql = |order: &str| {
        format!(
            "SELECT {VISIBLE} FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY \
             {order}{way}) AS rn FROM {table}) WHERE rn = 1"
        )
    };
    let (stream, batch) = (sql("pt"), sql("id"));
    Rel { stream, batch, rowtime: false, append_only: !last, unique: true }
}

/// Windows of a table with a single split over rows of which some come too late: after a row that
/// moved the watermark over the window's end.
pub fn late_windows(table: &str, window: Window, condition: &str) -> Output {
    late_windows_of(table, window, condition, all_calls())
}

/// The same made of slices.
pub fn late_slices(table: &str, window: Window, condition: &str) -> Output {
    late_windows_of(table, window, condition, merging())
}

fn late_windows_of(table: &str, window: Window, condition: &str, calls: Calls) -> Output {
    let rel = base(table).filter(condition);
    let before = format!(
        "SELECT *, MAX(ts) OVER (ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) \
         - INTERVAL '5 seconds' AS closed FROM {table}"
    );
    let windows = assigned(window, &format!("SELECT * FROM ({before}) WHERE {condition}"));
    let batch = format!(
        "SELECT window_start, window_end, k, {} FROM ({windows}) WHERE closed IS NULL \
         OR window_end - INTERVAL '1 millisecond' > closed GROUP BY window_start, window_end, k",
        calls[2]
    );
    Output { batch, ..rel.windowed_of(window, calls) }
}

/// A row pattern over a table with a single split of whose rows some come too late.
pub fn late_pattern(table: &str, condition: &str) -> Output {
    let rel = base(table).filter(condition);
    let before = format!(
        "SELECT *, MAX(ts) OVER (ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) \
         - INTERVAL '5 seconds' AS closed FROM {table}"
    );
    let batch = format!(
        "SELECT {VISIBLE} FROM ({before}) WHERE (closed IS NULL OR ts > closed) AND ({condition})"
    );
    Rel { batch, ..rel }.followed().rows()
}

impl Rel {
    /// The same text around both dialects.
    fn around(&self, before: &str, after: &str) -> Rel {
        let wrap = |sql: &str| format!("{before} ({sql}) {after}");
        Rel { stream: wrap(&self.stream), batch: wrap(&self.batch), ..self.clone() }
    }

    pub fn filter(&self, condition: &str) -> Rel {
        self.around(&format!("SELECT {VISIBLE} FROM"), &format!("WHERE {condition}"))
    }

    pub fn mapped(&self) -> Rel {
        let columns = "id, k + 1 AS k, UPPER(s) AS s, v * 2 AS v, d / 2 AS d, ts";
        self.around(&format!("SELECT {columns} FROM"), "")
    }

    pub fn union(&self, other: &Rel) -> Rel {
        Rel {
            stream: format!("{} UNION ALL {}", self.stream, other.stream),
            batch: format!("{} UNION ALL {}", self.batch, other.batch),
            rowtime: self.rowtime && other.rowtime,
            append_only: self.append_only && other.append_only,
            unique: false,
        }
    }

    fn ranked(&self, order: [&str; 2], limit: &str) -> [String; 2] {
        let of = |sql: &str, order: &str| {
            format!(
                "SELECT {VISIBLE} FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY {order}) AS rn \
                 FROM ({sql})) WHERE {limit}"
            )
        };
        [of(&self.stream, order[0]), of(&self.batch, order[1])]
    }

    /// The first row of each (k, s) by event time.
    pub fn first(&self) -> Rel {
        let order = "k, s ORDER BY ts";
        let [stream, batch] = self.ranked([order; 2], "rn = 1");
        Rel { stream, batch, ..self.clone() }
    }

    /// The last row of each k by event time: rows are taken back.
    pub fn last(&self) -> Rel {
        let order = "k ORDER BY ts DESC";
        let [stream, batch] = self.ranked([order; 2], "rn = 1");
        Rel { stream, batch, append_only: false, rowtime: false, ..self.clone() }
    }

    /// The two largest v of each k.
    pub fn top(&self) -> Rel {
        let orders = ["k ORDER BY v DESC, id", "k ORDER BY v DESC NULLS LAST, id"];
        let [stream, batch] = self.ranked(orders, "rn <= 2");
        Rel { stream, batch, append_only: false, rowtime: false, ..self.clone() }
    }

    /// Each row before one of its k that has a larger v or none: at the time of the second.
    pub fn followed(&self) -> Rel {
        let stream = format!(
            "SELECT {VISIBLE} FROM ({}) MATCH_RECOGNIZE (PARTITION BY k ORDER BY ts, id MEASURES \
             A.id AS id, B.s AS s, B.v AS v, A.d AS d, MATCH_ROWTIME() AS ts PATTERN (A B) \
             DEFINE B AS B.v > A.v OR B.v IS NULL)",
            self.stream
        );
        let next = |c: &str| format!("LEAD({c}) OVER (PARTITION BY k ORDER BY ts, id) AS next_{c}");
        let nexts = ["id", "s", "v", "ts"].map(next).join(", ");
        let batch = format!(
            "SELECT id, k, next_s AS s, next_v AS v, d, next_ts AS ts FROM (SELECT *, {nexts} FROM \
             ({})) WHERE next_id IS NOT NULL AND (next_v > v OR next_v IS NULL)",
            self.batch
        );
        Rel { stream, batch, ..self.clone() }
    }

    /// Each row with the next of its k that has no large v, when less than 20 seconds lie between
    /// them; d counts the rows between.
    pub fn spanned(&self) -> Rel {
        let stream = format!(
            "SELECT {VISIBLE} FROM ({}) MATCH_RECOGNIZE (PARTITION BY k ORDER BY ts, id MEASURES \
             A.id AS id, C.s AS s, C.v AS v, CAST(COUNT(B.id) AS DOUBLE) AS d, MATCH_ROWTIME() AS \
             ts PATTERN (A B* C) WITHIN INTERVAL '20' SECOND DEFINE B AS MAX(B.v) > LAST(B.v) - 1 \
             AND B.v > 20)",
            self.stream
        );
        let batch = format!(
            "WITH n AS (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY ts, id) AS rn FROM \
             ({})), m AS (SELECT *, MIN(CASE WHEN v > 20 THEN NULL ELSE rn END) OVER (PARTITION BY \
             k ORDER BY rn ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING) AS crn FROM n) \
             SELECT m.id, m.k, n.s, n.v, CAST(n.rn - m.rn - 1 AS DOUBLE) AS d, n.ts FROM m JOIN n \
             ON (m.k IS NOT DISTINCT FROM n.k) AND m.crn = n.rn \
             WHERE n.ts < m.ts + INTERVAL '20 seconds'",
            self.batch
        );
        Rel { stream, batch, ..self.clone() }
    }

    /// Joined on k and s; `kind` is INNER, LEFT, RIGHT or FULL.
    pub fn join(&self, kind: &str, other: &Rel) -> Rel {
        self.joined(kind, other, "l.k = r.k AND l.s = r.s AND l.v <= r.v")
    }

    /// Joined on k or v: no column says where two rows meet.
    pub fn join_either(&self, kind: &str, other: &Rel) -> Rel {
        self.joined(kind, other, "l.k = r.k AND l.d <= r.d OR l.v = r.v")
    }

    fn joined(&self, kind: &str, other: &Rel, on: &str) -> Rel {
        let sql = |l: &str, r: &str| {
            format!(
                "SELECT l.id, l.k, r.s, r.v, l.d, l.ts FROM ({l}) AS l {kind} JOIN ({r}) AS r \
                 ON {on}"
            )
        };
        Rel {
            stream: sql(&self.stream, &other.stream),
            batch: sql(&self.batch, &other.batch),
            rowtime: false,
            append_only: kind == "INNER" && self.append_only && other.append_only,
            unique: false,
        }
    }

    /// With the rows of table `c`, or `cc` that caches them, that have its k at that moment: they
    /// never change.
    pub fn looked_up(&self, kind: &str, table: &str) -> Rel {
        let on = "l.k = r.k AND l.d <= r.d";
        let select = "SELECT l.id, l.k, r.s, r.v, l.d, l.ts FROM";
        Rel {
            stream: format!(
                "{select} (SELECT *, PROCTIME() AS pt FROM ({})) AS l {kind} JOIN {table} FOR \
                 SYSTEM_TIME AS OF l.pt AS r ON {on}",
                self.stream
            ),
            batch: format!("{select} ({}) AS l {kind} JOIN c AS r ON {on}", self.batch),
            rowtime: false,
            append_only: self.append_only,
            unique: false,
        }
    }

    /// With the first row of its k in table `b`, if that had come by its event time.
    pub fn as_of(&self, kind: &str) -> Rel {
        let select = "SELECT l.id, l.k, r.s, r.v, l.d, l.ts FROM";
        let first = FIRST_OF_EACH;
        Rel {
            stream: format!(
                "{select} ({}) AS l {kind} JOIN firsts FOR SYSTEM_TIME AS OF l.ts AS r ON l.k = r.k",
                self.stream
            ),
            batch: format!(
                "{select} ({}) AS l {kind} JOIN ({first}) AS r ON l.k = r.k AND r.ts <= l.ts",
                self.batch
            ),
            append_only: true,
            ..self.clone()
        }
    }

    /// In the order of event time.
    pub fn sorted(&self) -> Output {
        let rows = self.rows();
        Output { stream: format!("{} ORDER BY ts", rows.stream), ..rows }
    }

    /// Joined on k with event times within ten seconds.
    pub fn interval(&self, kind: &str, other: &Rel) -> Rel {
        let sql = |l: &str, r: &str, seconds: &str| {
            format!(
                "SELECT l.id, l.k, r.s, r.v, l.d, r.ts FROM ({l}) AS l {kind} JOIN ({r}) AS r ON \
                 l.k = r.k AND l.ts BETWEEN r.ts - INTERVAL {seconds} AND r.ts + INTERVAL {seconds}"
            )
        };
        Rel {
            stream: sql(&self.stream, &other.stream, "'10' SECOND"),
            batch: sql(&self.batch, &other.batch, "'10 seconds'"),
            rowtime: false,
            append_only: true,
            unique: false,
        }
    }

    /// Rows whose k is (not) among the other's rows with large v.
    pub fn exists(&self, not: bool, other: &Rel) -> Rel {
        let word = if not { "NOT EXISTS" } else { "EXISTS" };
        let sql = |l: &str, r: &str| {
            format!(
                "SELECT l.id, l.k, l.s, l.v, l.d, l.ts FROM ({l}) AS l WHERE {word} \
                 (SELECT 1 FROM ({r}) AS r WHERE r.k = l.k AND r.s = l.s)"
            )
        };
        Rel {
            stream: sql(&self.stream, &other.stream),
            batch: sql(&self.batch, &other.batch),
            rowtime: false,
            append_only: false,
            unique: self.unique,
        }
    }

    pub fn rows(&self) -> Output {
        Output {
            columns: "id BIGINT, k INT, s STRING, v BIGINT, d DOUBLE, ts TIMESTAMP(3)".into(),
            stream: self.stream.clone(),
            batch: self.batch.clone(),
        }
    }

    /// Each row with its neighbours by event time, of which no two are equal.
    pub fn over_time(&self, frame: &Frame) -> Output {
        self.over([&format!("ts {}", frame.stream), &format!("ts {}", frame.batch)])
    }

    /// Each row with those of its k that have no larger id.
    pub fn over_id(&self) -> Output {
        self.over(["id", "id NULLS FIRST"])
    }

    fn over(&self, orders: [&str; 2]) -> Output {
        let sql = |of: &str, order: &str| {
            let calls = ["SUM(v)", "COUNT(*)", "MIN(v)", "MAX(s)", "AVG(d)"];
            let calls = calls.map(|c| format!("{c} OVER (PARTITION BY k ORDER BY {order})"));
            format!("SELECT id, k, {} FROM ({of})", calls.join(", "))
        };
        Output {
            columns: "id BIGINT, k INT, sv BIGINT, n BIGINT, lv BIGINT, ms STRING, ad DOUBLE"
                .into(),
            stream: sql(&self.stream, orders[0]),
            batch: sql(&self.batch, orders[1]),
        }
    }

    /// Distinct (k, s) that the other has not, or has as well.
    pub fn without(&self, word: &str, other: &Rel) -> Output {
        let sql =
            |a: &str, b: &str| format!("SELECT k, s FROM ({a}) {word} SELECT k, s FROM ({b})");
        Output {
            columns: "k INT, s STRING".into(),
            stream: sql(&self.stream, &other.stream),
            batch: sql(&self.batch, &other.batch),
        }
    }

    fn aggregated(&self, keys: &str, select: &str, group: &str) -> Output {
        let [stream, batch] = aggregates();
        let sql = |calls: &str, of: &str| format!("SELECT {select}{calls} FROM ({of}) {group}");
        let columns = format!("{keys}{AGGREGATE_COLUMNS}");
        Output { columns, stream: sql(&stream, &self.stream), batch: sql(&batch, &self.batch) }
    }

    pub fn keyed(&self) -> Output {
        self.aggregated("k INT, ", "k, ", "GROUP BY k")
    }

    /// By k and s, by k and altogether.
    pub fn grouping_sets(&self) -> Output {
        let select =
            "SELECT k, s, GROUPING(k), GROUPING(s), COUNT(*), COUNT(k), SUM(v), MIN(s) FROM";
        let group = "GROUP BY GROUPING SETS ((k, s), (k), ()) HAVING COUNT(*) > 0";
        let sql = |of: &str| format!("{select} ({of}) {group}");
        Output {
            columns: "k INT, s STRING, gk BIGINT, gs BIGINT, n BIGINT, nk BIGINT, sv BIGINT, \
                      ms STRING"
                .into(),
            stream: sql(&self.stream),
            batch: sql(&self.batch),
        }
    }

    /// Tumbling windows, by k and altogether.
    pub fn windowed_rollup(&self) -> Output {
        let by = "SELECT window_start, window_end, k, COUNT(*), SUM(v) FROM";
        let group = "GROUP BY GROUPING SETS ((window_start, window_end, k), \
                     (window_start, window_end))";
        let call = "TUMBLE(TABLE x, DESCRIPTOR(ts), INTERVAL '10' SECOND)";
        Output {
            columns: "ws TIMESTAMP(3), we TIMESTAMP(3), k INT, n BIGINT, sv BIGINT".into(),
            stream: format!("WITH x AS ({}) {by} TABLE({call}) {group}", self.stream),
            batch: format!("{by} ({}) {group}", assigned(Window::Tumble, &self.batch)),
        }
    }

    /// Without rows there is no row: the two dialects differ there.
    pub fn global(&self) -> Output {
        self.aggregated("", "", "HAVING COUNT(*) > 0")
    }

    /// Distinct (k, s), by arrival.
    pub fn distinct(table: &str) -> Output {
        Output {
            columns: "k INT, s STRING".into(),
            stream: format!(
                "SELECT k, s FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k, s ORDER BY pt) \
                 AS rn FROM {table}) WHERE rn = 1"
            ),
            batch: format!("SELECT DISTINCT k, s FROM {table}"),
        }
    }

    pub fn windowed(&self, window: Window) -> Output {
        self.windowed_of(window, all_calls())
    }

    /// The same with aggregates that are made of slices, if windows have them.
    pub fn sliced(&self, window: Window) -> Output {
        self.windowed_of(window, merging())
    }

    fn windowed_of(&self, window: Window, [columns, stream, batch]: Calls) -> Output {
        let call = match window {
            Window::Tumble => "TUMBLE(TABLE x, DESCRIPTOR(ts), INTERVAL '10' SECOND)",
            Window::Hop => {
                "HOP(TABLE x, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '15' SECOND)"
            }
            Window::Cumulate => {
                "CUMULATE(TABLE x, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '15' SECOND)"
            }
        };
        let by = "SELECT window_start, window_end, k,";
        Output {
            columns: format!("ws TIMESTAMP(3), we TIMESTAMP(3), k INT, {columns}"),
            stream: format!(
                "WITH x AS ({}) {by} {stream} FROM TABLE({call}) \
                 GROUP BY window_start, window_end, k",
                self.stream
            ),
            batch: format!(
                "{by} {batch} FROM ({}) GROUP BY window_start, window_end, k",
                assigned(window, &self.batch)
            ),
        }
    }
}

/// Batch SQL for a row in each of its windows.
pub fn assigned(window: Window, sql: &str) -> String {
    let seconds = |n: i64| format!("INTERVAL '{n} seconds'");
    let one = |start: String, size: i64, filter: String| {
        format!(
            "SELECT *, {start} AS window_start, {start} + {} AS window_end FROM ({sql}) {filter}",
            seconds(size)
        )
    };
    let bin = |n: i64| format!("date_bin({}, ts)", seconds(n));
    let copies: Vec<String> = match window {
        Window::Tumble => vec![one(bin(10), 10, String::new())],
        Window::Hop => (0..3)
            .map(|i| one(format!("({} - {})", bin(5), seconds(5 * i)), 15, String::new()))
            .collect(),
        Window::Cumulate => (1..=3)
            .map(|i| {
                let size = 5 * i;
                one(bin(15), size, format!("WHERE ts < {} + {}", bin(15), seconds(size)))
            })
            .collect(),
    };
    copies.join(" UNION ALL ")
}

impl Query {
    pub fn new(name: impl Into<String>, outputs: Vec<Output>) -> Query {
        Query { name: name.into(), outputs, late: false }
    }

    /// The whole file: tables `a` and `b`, `c` to look rows up in, a sink table and an INSERT for
    /// each output.
    pub fn sql(&self) -> String {
        let mut sql = String::new();
        let judged = match self.late {
            true => ", 'scan.watermark.emit.strategy' = 'on-event'",
            false => "",
        };
        for table in ["a", "b"] {
            sql += &format!(
                "CREATE TABLE {table} ({}, pt AS PROCTIME(), \
                 WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) \
                 WITH ('connector' = 'memory', 'name' = '{table}'{judged});\n",
                crate::data::COLUMNS
            );
        }
        for (table, cache) in [
            ("c", ""),
            ("cc", ", 'lookup.cache' = 'PARTIAL', 'lookup.partial-cache.max-rows' = '3'"),
        ] {
            sql += &format!(
                "CREATE TABLE {table} ({}) WITH ('connector' = 'memory', 'name' = 'c'{cache});\n",
                crate::data::COLUMNS
            );
        }
        sql += &format!("CREATE VIEW firsts AS {FIRST_OF_EACH};\n");
        for (i, output) in self.outputs.iter().enumerate() {
            sql += &format!(
                "CREATE TABLE out{i} ({}) WITH ('connector' = 'memory', 'name' = 'out{i}');\n\
                 INSERT INTO out{i} {};\n",
                output.columns, output.stream
            );
        }
        sql
    }
}

/// One query for each thing that the engine can do.
pub fn features() -> Vec<Query> {
    let (a, b) = (base("a"), base("b"));
    let both = |name: &str, one: Output, two: Output| Query::new(name, vec![one, two]);
    vec![
        both("filter and keyed count", a.filter("v > 5").keyed(), a.filter("s <> 'a'").rows()),
        both("tumbling window", a.windowed(Window::Tumble), b.mapped().rows()),
        both("hopping window", a.windowed(Window::Hop), a.global()),
        both("cumulating window", a.windowed(Window::Cumulate), Rel::distinct("b")),
        both("dedup before a window", a.first().windowed(Window::Tumble), a.first().rows()),
        both("last row, taken back", a.last().keyed(), a.last().rows()),
        both("top of each key", a.top().rows(), a.top().global()),
        both("inner join", a.join("INNER", &b).rows(), a.join("INNER", &b.last()).keyed()),
        both("left join", a.join("LEFT", &b).rows(), a.last().join("LEFT", &b).keyed()),
        both("right join", a.join("RIGHT", &b.last()).rows(), b.keyed()),
        both("full join", a.join("FULL", &b).rows(), a.last().join("FULL", &b.last()).rows()),
        both(
            "join on either of two columns",
            a.join_either("INNER", &b).rows(),
            a.last().join_either("LEFT", &b.last()).keyed(),
        ),
        both(
            "outer join on either of two columns",
            a.join_either("FULL", &b.last()).rows(),
            a.join_either("RIGHT", &b).rows(),
        ),
        both("interval join", a.interval("INNER", &b).keyed(), a.interval("INNER", &b).rows()),
        both("outer interval join", a.interval("LEFT", &b).keyed(), a.interval("FULL", &b).rows()),
        both("temporal join", a.as_of("LEFT").rows(), a.as_of("INNER").keyed()),
        both("order by time", a.sorted(), b.filter("v > 5").sorted()),
        both("lookup", a.looked_up("INNER", "c").rows(), b.looked_up("LEFT", "cc").rows()),
        both(
            "lookup, taken back",
            a.last().looked_up("LEFT", "cc").rows(),
            a.last().looked_up("INNER", "c").keyed(),
        ),
        both("semi join", a.exists(false, &b).rows(), a.exists(false, &b.last()).keyed()),
        both("anti join", a.exists(true, &b).rows(), a.exists(true, &b.last()).keyed()),
        Query {
            late: true,
            ..both(
                "late rows",
                late_windows("a", Window::Tumble, FILTERS[4]),
                late_windows("b", Window::Hop, FILTERS[3]),
            )
        },
        both("over all rows before", a.over_time(&FRAMES[0]), a.last().over_id()),
        both("over some rows before", a.over_time(&FRAMES[1]), b.over_time(&FRAMES[2])),
        both("sets", a.without("EXCEPT", &b.last()), a.last().without("INTERSECT", &b)),
        both("row pattern", a.followed().windowed(Window::Tumble), b.spanned().rows()),
        Query {
            late: true,
            ..both(
                "row pattern over late rows",
                late_pattern("a", FILTERS[4]),
                late_pattern("b", "id IS NOT NULL"),
            )
        },
        both("grouping sets", a.windowed_rollup(), a.last().grouping_sets()),
        both("two sources", a.union(&b).keyed(), a.union(&b).windowed(Window::Tumble)),
    ]
    .into_iter()
    .chain(crate::windows::features())
    .collect()
}
