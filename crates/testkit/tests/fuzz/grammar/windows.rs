//! Queries over windows of time: window functions, GROUP BY TUMBLE and its like, top-N and joins.

use super::Grammar;
use super::literals::SIZES;
use super::relations::{Rel, base};
use super::types::{Column, Ty};

/// What stands between what equal windows have in common and what not.
const BOTH: &str = "l.window_start = r.window_start AND l.window_end = r.window_end";

impl Grammar<'_> {
    pub(super) fn windows(&mut self, depth: u32) -> Rel {
        match self.dice.below(13) {
            0..4 => self.windowed(depth),
            4 => self.group_window(depth),
            5 => self.window_top(depth),
            6 => self.window_join(depth),
            7 => self.windows_of_windows(depth),
            8 | 9 => self.matched(depth),
            10 => self.looked_up(depth),
            _ => self.versions(depth),
        }
    }

    pub(super) fn size(&mut self) -> &'static str {
        if self.chance(self.sloppy) { "INTERVAL '-1' MONTH" } else { self.pick(&SIZES) }
    }

    /// A window function over a relation with event time, or over the clock.
    fn window_function(&mut self, rel: &Rel, key: Option<&Column>) -> String {
        let by_clock = ["t", "u"].contains(&rel.text.as_str()) && self.chance(0.1);
        let time = if by_clock { "pt" } else { "ts" };
        let (table, kind) = (self.window_input(rel), self.dice.below(6));
        let partition = match key {
            Some(key) if kind == 2 => format!(" PARTITION BY {}", key.name),
            _ => String::new(),
        };
        let size = self.pick(&["INTERVAL '1' MINUTE", "INTERVAL '1' HOUR", "INTERVAL '1' DAY"]);
        let small = self.pick(&["INTERVAL '10' SECOND", "INTERVAL '30' SECOND"]);
        let mut given = match kind {
            0 => vec![("SLIDE", small), ("SIZE", size)],
            1 => vec![("STEP", small), ("SIZE", size)],
            2 => vec![("GAP", small)],
            _ => vec![("SIZE", size)],
        };
        if kind != 2 && self.chance(0.2) {
            given.push(("`OFFSET`", self.pick(&[small, "INTERVAL '-3' SECOND"])));
        }
        let name = ["HOP", "CUMULATE", "SESSION", "TUMBLE", "TUMBLE", "TUMBLE"][kind as usize];
        let named = self.chance(0.15);
        let written = given.iter().map(|(key, value)| match named {
            true => format!("{key} => {value}"),
            false => value.to_string(),
        });
        let written = written.collect::<Vec<_>>().join(", ");
        let first = match named {
            true => format!("DATA => {table}{partition}, TIMECOL => DESCRIPTOR({time})"),
            false => format!("{table}{partition}, DESCRIPTOR({time})"),
        };
        format!("TABLE({name}({first}, {written}))")
    }

    /// A table's or a view's name, or the query itself.
    fn window_input(&mut self, rel: &Rel) -> String {
        if !rel.text.starts_with('(') {
            return format!("TABLE {}", rel.text);
        }
        if self.chance(0.4) {
            return rel.text.clone();
        }
        let name = self.name("v");
        let inside = &rel.text[1..rel.text.len() - 1];
        self.views.push(format!("CREATE VIEW {name} AS {inside};\n"));
        format!("TABLE {name}")
    }

    fn windowed(&mut self, depth: u32) -> Rel {
        let rel = self.timed(depth);
        let key = self.over(rel.columns.clone(), |g| g.keys(1)).pop();
        let function = self.window_function(&rel, key.as_ref());
        let filter = match self.chance(0.2) {
            true => self.over(rel.columns.clone(), |g| format!(" WHERE {}", g.expr(Ty::Bool, 1))),
            false => String::new(),
        };
        if self.chance(0.15) {
            let columns = [rel.columns, vec![Column::new("window_start", Ty::Moment)]].concat();
            let text = format!("SELECT * FROM {function}{filter}");
            return Rel { text, columns, timed: false };
        }
        let by = key.as_ref().map_or(String::new(), |k| format!("{}, ", k.name));
        let mut columns: Vec<Column> = key.into_iter().collect();
        columns.push(Column::new("window_start", Ty::Moment));
        let calls = self.over(rel.columns, |g| g.aggregates(&mut columns));
        let select = format!("SELECT {by}window_start, {calls} FROM {function}{filter} GROUP BY");
        let key = by.trim_end_matches(", ");
        let text = match self.dice.below(10) {
            0 if !key.is_empty() => format!(
                "{select} GROUPING SETS ((window_start, window_end, {key}), (window_start, \
                 window_end))"
            ),
            1 if !key.is_empty() => format!("{select} window_start, window_end, CUBE ({key})"),
            2 if !key.is_empty() => format!("{select} window_start, window_end, ROLLUP ({key})"),
            3 => format!("{select} {by}window_start, window_end HAVING COUNT(*) > 1"),
            4 => format!("{select} {by}window_start"),
            // The windows' own time, for windows of windows.
            5..8 => {
                let text = select.replacen("SELECT ", "SELECT window_time AS ts, ", 1);
                let columns = [vec![Column::new("ts", Ty::Moment)], columns].concat();
                let text = format!("{text} {by}window_start, window_end, window_time");
                return Rel { text, columns, timed: true };
            }
            _ => format!("{select} {by}window_start, window_end"),
        };
        Rel { text, columns, timed: false }
    }

    /// What windows gave is put together once more, within the same windows.
    fn windows_of_windows(&mut self, depth: u32) -> Rel {
        let rel = self.timed(depth);
        let key = self.over(rel.columns.clone(), |g| g.keys(1)).pop();
        let by = key.as_ref().map_or(String::new(), |k| format!(", {}", k.name));
        let function = self.window_function(&rel, key.as_ref());
        let mut given = Vec::new();
        let calls = self.over(rel.columns, |g| g.aggregates(&mut given));
        let mut columns = vec![Column::new("window_end", Ty::Moment)];
        let outer = self.over(given, |g| g.aggregates(&mut columns));
        let text = format!(
            "SELECT window_end, {outer} FROM (SELECT window_start, window_end{by}, {calls} FROM \
             {function} GROUP BY window_start, window_end{by}) GROUP BY window_start, window_end"
        );
        Rel { text, columns, timed: false }
    }

    /// GROUP BY TUMBLE(ts, …) and its like.
    fn group_window(&mut self, depth: u32) -> Rel {
        let rel = self.timed(depth);
        let by_clock = ["t", "u"].contains(&rel.text.as_str()) && self.chance(0.15);
        let time = if by_clock { "pt" } else { "ts" };
        let (name, size) = (self.pick(&["TUMBLE", "HOP", "SESSION"]), self.size());
        let arguments = match name {
            "HOP" => format!("{time}, INTERVAL '10' SECOND, INTERVAL '1' MINUTE"),
            _ => format!("{time}, {size}"),
        };
        let last = if by_clock { "PROCTIME" } else { "ROWTIME" };
        let part = self.pick(&["START", "END", last, last]);
        let mut columns = vec![Column::new("ts", Ty::Moment)];
        let calls = self.over(rel.columns.clone(), |g| g.aggregates(&mut columns));
        let key = self.over(rel.columns.clone(), |g| g.keys(1)).pop();
        let by = key.map_or(String::new(), |k| format!(", {}", k.name));
        let having = if self.chance(0.1) { " HAVING COUNT(*) > 1" } else { "" };
        let text = format!(
            "SELECT {name}_{part}({arguments}) AS ts, {calls} FROM {} AS x GROUP BY \
             {name}({arguments}){by}{having}",
            rel.text
        );
        Rel { text, columns, timed: part == "ROWTIME" }
    }

    /// The first rows of each window, also one only, also of aggregated ones.
    fn window_top(&mut self, depth: u32) -> Rel {
        let rel = self.timed(depth);
        let function = self.window_function(&rel, None);
        let order = self.over(rel.columns.clone(), |g| g.keys(1)).pop();
        let order = order.map_or("ts".into(), |k| k.name);
        let (limit, way) = (self.pick(&["= 1", "<= 2", "< 10"]), self.pick(&["", " DESC"]));
        let order = if self.chance(0.3) { "ts".to_string() } else { order };
        let key = self.over(rel.columns.clone(), |g| g.keys(1)).pop();
        let by =
            key.filter(|_| self.chance(0.5)).map_or(String::new(), |k| format!(", {}", k.name));
        let names: Vec<&str> = rel.columns.iter().map(|c| c.name.as_str()).collect();
        let text = format!(
            "SELECT {}, window_end FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, \
             window_end{by} ORDER BY {order}{way}) AS rn FROM {function}) WHERE rn {limit}",
            names.join(", ")
        );
        let columns = [rel.columns, vec![Column::new("window_end", Ty::Moment)]].concat();
        Rel { text, columns, timed: false }
    }

    fn window_join(&mut self, _: u32) -> Rel {
        let size = self.size();
        let of = |table: &str| {
            format!("(SELECT * FROM TABLE(TUMBLE(TABLE {table}, DESCRIPTOR(ts), {size})))")
        };
        let (l, r) = (of("t"), of("u"));
        if self.chance(0.3) {
            let (items, columns) = self.over(base("t").of("l"), |g| g.items());
            let test = match self.dice.below(4) {
                0 => format!("EXISTS (SELECT * FROM {r} AS r WHERE l.i = r.i AND {BOTH})"),
                1 => format!("NOT EXISTS (SELECT * FROM {r} AS r WHERE l.s = r.s AND {BOTH})"),
                2 => format!("l.s IN (SELECT s FROM {r} AS r WHERE {BOTH})"),
                _ => format!("l.i NOT IN (SELECT i FROM {r} AS r WHERE {BOTH})"),
            };
            let text = format!("SELECT {items} FROM {l} AS l WHERE {test}");
            return Rel { text, columns, timed: false };
        }
        let kind = self.pick(&["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"]);
        let columns = [base("t").of("l"), base("u").of("r")].concat();
        self.over(columns, |g| {
            let more = match g.dice.below(4) {
                0 => format!(" AND {}", g.expr(Ty::Bool, 1)),
                1 => String::new(),
                _ => " AND l.i = r.i".to_string(),
            };
            let (items, columns) = g.items();
            let text = format!("SELECT {items} FROM {l} AS l {kind} {r} AS r ON {BOTH}{more}");
            Rel { text, columns, timed: false }
        })
    }
}
