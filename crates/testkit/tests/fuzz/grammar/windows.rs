//! Queries that need time: windows, row patterns, joins with what held at a moment.

use super::Grammar;
use super::literals::{SIZES, of};
use super::relations::{Rel, base};
use super::types::{Column, Ty};

impl Grammar<'_> {
    pub(super) fn windows(&mut self, depth: u32) -> Rel {
        match self.dice.below(11) {
            0..4 => self.windowed(depth),
            4 => self.group_window(depth),
            5 => self.window_top(depth),
            6 => self.window_join(depth),
            7 | 8 => self.matched(depth),
            9 => self.looked_up(depth),
            _ => self.versions(depth),
        }
    }

    fn size(&mut self) -> &'static str {
        if self.chance(self.sloppy) { "INTERVAL '-1' MONTH" } else { self.pick(&SIZES) }
    }

    /// A window function over a table's name.
    fn window_function(&mut self, rel: &Rel, partition: &str) -> String {
        let name = self.named_rel(rel);
        let (size, small) =
            (self.pick(&["INTERVAL '1' MINUTE", "INTERVAL '1' HOUR"]), "INTERVAL '10' SECOND");
        let table = match self.chance(0.1) {
            true => format!("DATA => TABLE {name}, TIMECOL => DESCRIPTOR(ts)"),
            false => format!("TABLE {name}, DESCRIPTOR(ts)"),
        };
        let call = match self.dice.below(5) {
            0 => format!("HOP({table}, {small}, {size})"),
            1 => format!("CUMULATE({table}, {small}, {size})"),
            2 => format!("SESSION(TABLE {name}{partition}, DESCRIPTOR(ts), {})", self.size()),
            3 => format!("TUMBLE({table}, {size}, {small})"),
            _ => format!("TUMBLE({table}, {})", self.size()),
        };
        format!("TABLE({call})")
    }

    /// The name of a view over it.
    fn named_rel(&mut self, rel: &Rel) -> String {
        if !rel.text.starts_with('(') {
            return rel.text.clone();
        }
        let name = self.name("v");
        let inside = &rel.text[1..rel.text.len() - 1];
        self.views.push(format!("CREATE VIEW {name} AS {inside};\n"));
        name
    }

    fn windowed(&mut self, depth: u32) -> Rel {
        let rel = self.timed(depth);
        let key = self.over(rel.columns.clone(), |g| g.keys(1)).pop();
        let (partition, by) = match &key {
            Some(key) => (format!(" PARTITION BY {}", key.name), format!("{}, ", key.name)),
            None => Default::default(),
        };
        let function = self.window_function(&rel, &partition);
        let filter = match self.chance(0.2) {
            true => self.over(rel.columns.clone(), |g| format!(" WHERE {}", g.expr(Ty::Bool, 1))),
            false => String::new(),
        };
        if self.chance(0.2) {
            let columns = [rel.columns, vec![Column::new("window_start", Ty::Moment)]].concat();
            return Rel {
                text: format!("SELECT * FROM {function}{filter}"),
                columns,
                timed: false,
            };
        }
        let mut columns: Vec<Column> = key.into_iter().collect();
        columns.push(Column::new("window_start", Ty::Moment));
        let calls = self.over(rel.columns, |g| g.aggregates(&mut columns));
        let select = format!("SELECT {by}window_start, {calls} FROM {function}{filter} GROUP BY");
        let text = match self.dice.below(5) {
            0 if !by.is_empty() => {
                let by = by.trim_end_matches(", ");
                format!(
                    "{select} GROUPING SETS ((window_start, window_end, {by}), (window_start, \
                     window_end))"
                )
            }
            _ => format!("{select} {by}window_start, window_end"),
        };
        // The windows' own time, for windows of windows.
        match self.chance(0.3) && !text.contains("GROUPING") {
            true => {
                let text = text.replacen("SELECT ", "SELECT window_time AS ts, ", 1);
                let columns = [vec![Column::new("ts", Ty::Moment)], columns].concat();
                Rel { text: format!("{text}, window_time"), columns, timed: true }
            }
            false => Rel { text, columns, timed: false },
        }
    }

    /// GROUP BY TUMBLE(ts, …) and its like.
    fn group_window(&mut self, depth: u32) -> Rel {
        let rel = self.timed(depth);
        let (name, size) = (self.pick(&["TUMBLE", "HOP", "SESSION"]), self.size());
        let arguments = match name {
            "HOP" => "ts, INTERVAL '10' SECOND, INTERVAL '1' MINUTE".to_string(),
            _ => format!("ts, {size}"),
        };
        let part = self.pick(&["START", "END", "ROWTIME"]);
        let mut columns = vec![Column::new("ts", Ty::Moment)];
        let calls = self.over(rel.columns.clone(), |g| g.aggregates(&mut columns));
        let key = self.over(rel.columns.clone(), |g| g.keys(1)).pop();
        let by = key.map_or(String::new(), |k| format!(", {}", k.name));
        let text = format!(
            "SELECT {name}_{part}({arguments}) AS ts, {calls} FROM {} AS x GROUP BY \
             {name}({arguments}){by}",
            rel.text
        );
        Rel { text, columns, timed: part == "ROWTIME" }
    }

    fn window_top(&mut self, depth: u32) -> Rel {
        let rel = self.timed(depth);
        let function = self.window_function(&rel, "");
        let order = self.over(rel.columns.clone(), |g| g.keys(1)).pop();
        let order = order.map_or("ts".into(), |k| k.name);
        let limit = self.pick(&["= 1", "<= 2", "< 10"]);
        let names: Vec<&str> = rel.columns.iter().map(|c| c.name.as_str()).collect();
        let text = format!(
            "SELECT {}, window_end FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, \
             window_end ORDER BY {order} DESC) AS rn FROM {function}) WHERE rn {limit}",
            names.join(", ")
        );
        let columns = [rel.columns, vec![Column::new("window_end", Ty::Moment)]].concat();
        Rel { text, columns, timed: false }
    }

    fn window_join(&mut self, _: u32) -> Rel {
        let size = self.size();
        let kind = self.pick(&["JOIN", "LEFT JOIN", "FULL JOIN"]);
        let of = |table: &str| {
            format!("(SELECT * FROM TABLE(TUMBLE(TABLE {table}, DESCRIPTOR(ts), {size})))")
        };
        let columns = [base("t").of("l"), base("u").of("r")].concat();
        let (items, columns) = self.over(columns, |g| g.items());
        let text = format!(
            "SELECT {items} FROM {} AS l {kind} {} AS r ON l.i = r.i AND l.window_start = \
             r.window_start AND l.window_end = r.window_end",
            of("t"),
            of("u")
        );
        Rel { text, columns, timed: false }
    }

    fn matched(&mut self, depth: u32) -> Rel {
        let rel = self.timed(depth);
        let key = self.over(rel.columns.clone(), |g| g.keys(1)).pop();
        let by = key.as_ref().map_or(String::new(), |k| format!("PARTITION BY {} ", k.name));
        let pattern = self.pick(&[
            "A B",
            "A B+ C",
            "A B* C",
            "A B{2,3} C",
            "A B? C",
            "A B*? C",
            "A{3}",
            "A",
            "A B{0,2} C A",
            "A B{1,} C",
            "A | B",
            "(A B)+",
            "A B+",
        ]);
        let skip = self.pick(&[
            "",
            "AFTER MATCH SKIP PAST LAST ROW ",
            "AFTER MATCH SKIP TO NEXT ROW ",
            "AFTER MATCH SKIP TO LAST B ",
            "AFTER MATCH SKIP TO FIRST A ",
            "AFTER MATCH SKIP TO Z ",
        ]);
        let within = match self.chance(0.3) {
            true => format!(" WITHIN {}", self.size()),
            false => String::new(),
        };
        let number = rel.columns.iter().find(|c| c.ty == Ty::Int).map_or("1", |c| &c.name);
        let formulas =
            ["A.{}", "LAST(A.{})", "COUNT(A.{})", "SUM(A.{} * 2)", "FIRST(A.{}, 1)", "MIN(A.{})"];
        let formula = self.pick(&formulas).replace("{}", number);
        let define = self.pick(&[
            "A AS A.{} > 1",
            "A AS A.{} > LAST(A.{}, 1)",
            "A AS COUNT(A.{}) < 3",
            "A AS TRUE",
            "A AS A.{} > 1, B AS B.{} < A.{}",
            "B AS B.{} IS NOT NULL OR SUM(A.{}) > 7",
        ]);
        let mut columns: Vec<Column> = key.into_iter().collect();
        columns.extend([Column::new("me", Ty::Int), Column::new("ts", Ty::Moment)]);
        let text = format!(
            "SELECT * FROM {} MATCH_RECOGNIZE ({by}ORDER BY ts MEASURES {formula} AS me, \
             MATCH_ROWTIME() AS ts ONE ROW PER MATCH {skip}PATTERN ({pattern}){within} DEFINE {})",
            rel.text,
            define.replace("{}", number)
        );
        Rel { text, columns, timed: true }
    }

    fn looked_up(&mut self, _: u32) -> Rel {
        let (kind, table) = (self.pick(&["JOIN", "LEFT JOIN"]), self.pick(&["t", "u"]));
        let looked = Rel {
            text: String::new(),
            columns: vec![Column::new("s", Ty::Text), Column::new("b", Ty::Long)],
            timed: false,
        };
        let left = base(table);
        self.over([left.of("l"), looked.of("r")].concat(), |g| {
            let on = match g.dice.below(4) {
                0 => format!("l.i = r.i AND {}", g.expr(Ty::Bool, 1)),
                1 => format!("r.s = {}", g.expr(Ty::Text, 1)),
                2 => format!("r.i = {} AND l.s = r.s", of(g.dice, Ty::Int)),
                _ => "l.i = r.i".to_string(),
            };
            let (items, columns) = g.items();
            let text = format!(
                "SELECT {items} FROM {table} AS l {kind} looked FOR SYSTEM_TIME AS OF l.pt AS r ON {on}"
            );
            Rel { text, columns, timed: false }
        })
    }

    fn versions(&mut self, depth: u32) -> Rel {
        let left = self.timed(depth);
        let right = Rel { timed: true, ..base("changed") };
        let right = Rel {
            columns: right.columns.into_iter().filter(|c| c.ty != Ty::Double).collect(),
            ..right
        };
        let kind = self.pick(&["JOIN", "LEFT JOIN"]);
        let key = left
            .columns
            .iter()
            .find(|c| c.ty == Ty::Int)
            .map_or("1".into(), |c| format!("l.{}", c.name));
        self.over([left.of("l"), right.of("r")].concat(), |g| {
            let more = match g.chance(0.3) {
                true => format!(" AND {}", g.expr(Ty::Bool, 1)),
                false => String::new(),
            };
            let (items, columns) = g.items();
            let text = format!(
                "SELECT {items} FROM {} AS l {kind} keyed FOR SYSTEM_TIME AS OF l.ts AS r ON {key} = \
                 r.i{more}",
                left.text
            );
            Rel { text, columns, timed: false }
        })
    }
}
