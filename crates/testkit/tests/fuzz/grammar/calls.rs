//! Every function, cast and operator, most of them with arguments of types that they take.

use super::signatures::{FUNCTIONS, Function, Sort};
use super::types::{self, Ty};
use super::{Grammar, literals};

/// Forms with words between the arguments.
const FORMS: &[&str] = &[
    "CAST({?} AS {t})",
    "TRY_CAST({?} AS {t})",
    "CAST({S} AS {t})",
    "TRY_CAST({S} AS {t})",
    "CAST({I} AS {t})",
    "CAST({N} AS {t})",
    "CAST({M} AS {t})",
    "CAST(CAST({?} AS STRING) AS {t})",
    "EXTRACT({u} FROM {M})",
    "EXTRACT({u} FROM {D})",
    "EXTRACT({u} FROM {Z})",
    "FLOOR({M} TO {u})",
    "CEIL({D} TO {u})",
    "TIMESTAMPADD({u}, {I}, {M})",
    "TIMESTAMPADD({u}, {I}, {Z})",
    "TIMESTAMPDIFF({u}, {M}, {Z})",
    "TIMESTAMPDIFF({u}, {D}, {M})",
    "TRIM(TRAILING {S} FROM {S})",
    "OVERLAY({S} PLACING {S} FROM {I})",
    "POSITION({S} IN {S})",
    "SUBSTRING({S} FROM {I} FOR {I})",
    "JSON_VALUE({S}, {p} RETURNING {j} NULL ON EMPTY ERROR ON ERROR)",
    "JSON_VALUE({S}, {p} RETURNING INT DEFAULT {I} ON EMPTY NULL ON ERROR)",
    "JSON_QUERY({S}, {p} RETURNING ARRAY<STRING> WITH ARRAY WRAPPER)",
    "JSON_QUERY({S}, {p} WITHOUT ARRAY WRAPPER EMPTY OBJECT ON EMPTY ERROR ON ERROR)",
    "JSON_EXISTS({S}, {p} TRUE ON ERROR)",
    "JSON_OBJECT('a' VALUE {?}, 'b' VALUE {?})",
    "JSON_OBJECT(KEY 'a' VALUE {?} NULL ON NULL)",
    "JSON_OBJECT('x' VALUE JSON_ARRAY({?}, JSON_OBJECT('y' VALUE {?})) ABSENT ON NULL)",
    "JSON_OBJECT('j' VALUE JSON({S}))",
    "JSON_ARRAY({?}, {?} ABSENT ON NULL)",
    "{S} IS JSON SCALAR",
    "{S} IS NOT JSON ARRAY",
    "{D} + {v}",
    "{M} - {v}",
    "{Z} + {v}",
    "{v} * {I}",
    "{v} + {v}",
    "{M} + {I} * {v}",
    "{F} - {N}",
    "{N} / {L}",
    "{N} * {N}",
    "{L} % {I}",
    "-{N}",
    "{S} || {S} || {S}",
    "{A}[{I}]",
    "{P}[{S}]",
    "{Q}[{I}].p",
    "{R}.q",
    "{S} LIKE {S} ESCAPE '!'",
    "{S} SIMILAR TO {S}",
    "{?=} BETWEEN {=} AND {=}",
    "{?=} IN ({=}, {=})",
    "{?=} = {=}",
    "{?=} < {=}",
    "{?=} IS NOT DISTINCT FROM {=}",
    "{?=} >= ANY (ARRAY[{=}])",
    "NULLIF({?=}, {=})",
    "GREATEST({?=}, {=})",
    "({M}, {M}) OVERLAPS ({M}, {M})",
    "({M}, {v}) OVERLAPS ({M}, {v})",
    "ROW({?}, {?})",
    "ROW({I}, {S}) = ROW({I}, {S})",
    "(CAST(ROW({?}, {S}) AS ROW<a {t}, b STRING>)).b",
    "ARRAY[{?=}, {=}][{I}]",
    "MAP[{?=}, {I}]",
    "MAP[{S}, {?=}, {S}, {=}]",
    "ARRAY[ARRAY[{?=}], ARRAY[{=}]]",
    "ARRAY[ROW({I}, {S})]",
    "CAST(ROW({I}, {S}) AS ROW<a {t}, b {t}>)",
    "CAST({A} AS ARRAY<{t}>)",
    "CAST({P} AS MAP<STRING, {t}>)",
    "CASE {?=} WHEN {=} THEN {S} ELSE {S} END",
    "CASE WHEN {B} THEN {?=} WHEN {B} THEN {=} ELSE {=} END",
    "COALESCE({?=}, {=}, {=})",
    "{M} AT TIME ZONE 'UTC'",
    "PRINTF('%s %d', {S}, {I})",
    "{l} COLLATE {S}",
];

/// Aggregates and their like with more words.
const AGGREGATES: &[&str] = &[
    "LISTAGG({S}, {s})",
    "LISTAGG(DISTINCT {S}) FILTER (WHERE {B})",
    "LISTAGG(DISTINCT {S}, ',')",
    "PERCENTILE({F}, 0.5)",
    "PERCENTILE({I}, ARRAY[0.1, 0.9])",
    "PERCENTILE({N}, 0.25, {I})",
    "JSON_OBJECTAGG(KEY {S} VALUE {?} ABSENT ON NULL)",
    "JSON_OBJECTAGG({S} VALUE {?})",
    "JSON_ARRAYAGG({?} NULL ON NULL)",
    "ARRAY_AGG(DISTINCT {?} IGNORE NULLS)",
    "ARRAY_AGG({?} RESPECT NULLS)",
    "COLLECT({?})",
    "COUNT(DISTINCT {?})",
    "COUNT({?}, {?})",
    "SUM(DISTINCT {N}) FILTER (WHERE {B})",
    "AVG({N})",
    "STDDEV_SAMP({I})",
    "VAR_POP({N})",
    "MAX({?})",
    "FIRST_VALUE({?} IGNORE NULLS)",
    "LAST_VALUE({?})",
];

impl Grammar<'_> {
    /// Items of SELECT and what else the statement needs to be one: a call.
    pub(super) fn call_query(&mut self) -> String {
        let from = if self.scope.is_empty() && self.chance(0.5) { "" } else { " FROM t" };
        match self.dice.below(20) {
            0..14 => {
                let calls: Vec<String> =
                    (0..1 + self.dice.below(2)).map(|_| self.scalar_call()).collect();
                format!("SELECT {}{from}", calls.join(", "))
            }
            14 => format!("SELECT i FROM t WHERE ({}) IS NOT NULL", self.scalar_call()),
            15 => {
                let (call, aggregate) = (self.scalar_call(), self.aggregate_call());
                format!("SELECT {call}, {aggregate} FROM t GROUP BY {call}")
            }
            16 | 17 => format!("SELECT {}, COUNT(*) FROM t", self.aggregate_call()),
            _ => self.over_call(),
        }
    }

    fn scalar_call(&mut self) -> String {
        if self.chance(0.4) {
            let (form, ty) = (self.pick(FORMS), self.any_type());
            return self.filled(form, ty, 1);
        }
        self.any_call(|sort| matches!(sort, Sort::Scalar(_)))
    }

    pub(super) fn aggregate_call(&mut self) -> String {
        if self.chance(0.5) {
            let (form, ty) = (self.pick(AGGREGATES), self.any_type());
            return self.filled(form, ty, 1);
        }
        self.any_call(|sort| matches!(sort, Sort::Aggregate(_)))
    }

    fn over_call(&mut self) -> String {
        let call = match self.chance(0.6) {
            true => self.any_call(|sort| matches!(sort, Sort::Window(_))),
            false => self.aggregate_call(),
        };
        let by = match self.chance(0.5) {
            true => format!("PARTITION BY {} ", self.pick(&["i", "s, dt", "n", "y % 3"])),
            false => String::new(),
        };
        let order = self.pick(&["ts", "ts", "ts", "ts, i", "i DESC", "pt"]);
        let frame = self.pick(&["", "", " ROWS BETWEEN 2 PRECEDING AND CURRENT ROW"]);
        format!("SELECT {call} OVER ({by}ORDER BY {order}{frame}) FROM t")
    }

    /// One of the catalogue's functions.
    fn any_call(&mut self, of: impl Fn(&Sort) -> bool) -> String {
        let among: Vec<&Function> = FUNCTIONS.iter().filter(|f| of(&f.sort)).collect();
        let function = *self.dice.pick(&among);
        let mut types = function.arguments(self.dice);
        if self.chance(self.sloppy) {
            types.push(self.any_type());
        }
        let arguments: Vec<String> = types
            .into_iter()
            .map(|ty| match self.dice.below(8) {
                0 if self.chance(self.sloppy) => literals::any(self.dice),
                0..3 => literals::of(self.dice, ty),
                _ => self.expr(ty, 1),
            })
            .collect();
        let distinct = match function.sort {
            Sort::Aggregate(_) if self.chance(0.1) => "DISTINCT ",
            _ => "",
        };
        // Names of functions that are key words elsewhere need no quotes.
        format!("{}({distinct}{})", function.upper(), arguments.join(", "))
    }

    /// One of the types that values can be compared in.
    pub(super) fn plain_type(&mut self) -> Ty {
        let plain: Vec<Ty> =
            types::TYPES.iter().map(|(ty, ..)| *ty).filter(|ty| ty.is_plain()).collect();
        *self.dice.pick(&plain)
    }
}
