//! MATCH_RECOGNIZE: rows that follow each other in a pattern.

use super::Grammar;
use super::relations::Rel;
use super::types::{Column, Ty};

/// Measures over the rows of one variable `V`, with the type that each gives.
const MEASURES: &[(&str, Ty)] = &[
    ("V.{i}", Ty::Int),
    ("LAST(V.{i})", Ty::Int),
    ("FIRST(V.{i})", Ty::Int),
    ("LAST(V.{i}, 1)", Ty::Int),
    ("FINAL LAST(V.{i})", Ty::Int),
    ("COUNT(V.{i})", Ty::Long),
    ("COUNT(*)", Ty::Long),
    ("SUM(V.{i})", Ty::Int),
    ("SUM(V.{i} * 2 + 1)", Ty::Int),
    ("MIN(V.{i}) + MAX(V.{i})", Ty::Int),
    ("AVG(CAST(V.{i} AS DOUBLE))", Ty::Double),
    ("LAST(V.ts)", Ty::Moment),
    ("FIRST(V.ts)", Ty::Moment),
    ("CASE WHEN V.{i} > 1 THEN V.{i} ELSE 0 END", Ty::Int),
    ("CAST(LAST(V.{i}) AS STRING) || 'x'", Ty::Text),
    ("{i}", Ty::Int),
];

/// Conditions on a row of `V`, some of them on rows before it.
const CONDITIONS: &[&str] = &[
    "V.{i} > 1",
    "V.{i} IS NOT NULL",
    "TRUE",
    "V.{i} > LAST(V.{i}, 1)",
    "LAST(V.{i}, 1) IS NULL OR V.{i} > LAST(V.{i}, 1)",
    "COUNT(V.{i}) < 3",
    "SUM(V.{i}) < 100",
    "AVG(V.{i}) >= 2 AND V.{i} <> 7",
    "V.{i} > W.{i}",
    "V.{i} > SUM(W.{i}) / 2",
    "V.{i} = FIRST(W.{i}) OR V.ts > LAST(W.ts)",
    "V.ts < FIRST(V.ts) + INTERVAL '1' MINUTE",
    "{i} > 3",
    "{i} IN (1, 2, 3)",
    "CAST(V.{i} AS STRING) LIKE '1%'",
];

const SKIPS: &[&str] = &[
    "",
    "AFTER MATCH SKIP PAST LAST ROW ",
    "AFTER MATCH SKIP PAST LAST ROW ",
    "AFTER MATCH SKIP TO NEXT ROW ",
    "AFTER MATCH SKIP TO LAST V ",
    "AFTER MATCH SKIP TO FIRST V ",
    "AFTER MATCH SKIP TO V ",
];

const VARIABLES: [&str; 4] = ["A", "B", "C", "D"];

impl Grammar<'_> {
    pub(super) fn matched(&mut self, depth: u32) -> Rel {
        let rel = self.timed(depth);
        let key = self.over(rel.columns.clone(), |g| g.keys(1)).pop().filter(|k| k.name != "ts");
        let by = key.as_ref().map_or(String::new(), |k| format!("PARTITION BY {} ", k.name));
        let number = rel.columns.iter().find(|c| c.ty == Ty::Int);
        let number = number.map_or("ts".to_string(), |c| c.name.clone());
        let count = 1 + self.dice.below(VARIABLES.len() as u64) as usize;
        let variables = &VARIABLES[..count];
        let (pattern, within) = (self.pattern(variables), self.within());
        let skip = self.pick(SKIPS).replace('V', self.one_of(variables));
        let mut columns: Vec<Column> = key.into_iter().collect();
        let mut measures = Vec::new();
        for _ in 0..1 + self.dice.below(3) {
            let ((measure, ty), name) = (*self.dice.pick(MEASURES), self.name("me"));
            let of = self.one_of(variables);
            measures.push(format!("{} AS {name}", of_variable(measure, of, of, &number)));
            columns.push(Column::new(name, ty));
        }
        measures.push("MATCH_ROWTIME() AS ts".into());
        columns.push(Column::new("ts", Ty::Moment));
        let defined = self.defined(variables, &number);
        let rows = self.pick(&["", "ONE ROW PER MATCH ", "ONE ROW PER MATCH "]);
        let text = format!(
            "SELECT * FROM {} MATCH_RECOGNIZE ({by}ORDER BY ts MEASURES {} {rows}{skip}PATTERN \
             ({pattern}){within} DEFINE {defined})",
            rel.text,
            measures.join(", ")
        );
        Rel { text, columns, timed: true }
    }

    fn one_of(&mut self, variables: &[&'static str]) -> &'static str {
        self.pick(variables)
    }

    /// The variables in their order, each as often as its quantifier says.
    fn pattern(&mut self, variables: &[&'static str]) -> String {
        if self.chance(0.05) {
            return self.pick(&["A | B", "(A B)+", "PERMUTE(A, B)", "A {- B -} C", "^ A $"]).into();
        }
        let last = variables.len() - 1;
        let parts = variables.iter().enumerate().map(|(n, variable)| {
            // Flink takes no greedy quantifier at the end.
            let quantifier = match (self.chance(0.5), n == last) {
                (true, _) => "",
                (false, true) => self.pick(&["{2}", "{3}", "+?", "*?"]),
                (false, false) => self.pick(&[
                    "+", "*", "?", "{2}", "{1,3}", "{0,2}", "{1,}", "{,2}", "+?", "*?", "{2,4}?",
                ]),
            };
            format!("{variable}{quantifier}")
        });
        parts.collect::<Vec<_>>().join(" ")
    }

    fn within(&mut self) -> String {
        match self.chance(0.3) {
            true => format!(" WITHIN {}", self.size()),
            false => String::new(),
        }
    }

    fn defined(&mut self, variables: &[&'static str], number: &str) -> String {
        let mut all = Vec::new();
        for (n, variable) in variables.iter().enumerate() {
            if n > 0 && self.chance(0.2) {
                continue;
            }
            // A variable that was met before it, or the variable itself.
            let other = variables[self.dice.below(n as u64 + 1) as usize];
            let condition = self.pick(CONDITIONS);
            all.push(format!("{variable} AS {}", of_variable(condition, variable, other, number)));
        }
        all.join(", ")
    }
}

fn of_variable(template: &str, variable: &str, other: &str, number: &str) -> String {
    let named = template.replace("V.", &format!("{variable}."));
    named.replace("W.", &format!("{other}.")).replace("{i}", number)
}
