//! Expressions of a type, made of templates.
//!
//! In a template `{I}` stands for an expression of the type with that letter ([`types::TYPES`]),
//! `{?}` for any, `{=}` for another of the type asked for, `{?=}` for one that can be compared,
//! whose type `{=}` then is, `{t}` for a type's name, `{u}` for a unit of time, `{v}` for an
//! interval, `{l}` for a literal text, `{s}` for a short one, `{p}` for a path in JSON, `{j}` for
//! what it can give.

use super::Grammar;
use super::literals;
use super::types::{self, Ty};

/// What any type can be made of.
const GENERAL: &[&str] = &[
    "CASE WHEN {B} THEN {=} ELSE {=} END",
    "CASE {I} WHEN 1 THEN {=} WHEN {I} THEN {=} END",
    "COALESCE({=}, {=})",
    "NULLIF({=}, {=})",
    "IF({B}, {=}, {=})",
    "IFNULL({=}, {=})",
    "({=})",
];

fn templates(ty: Ty) -> &'static [&'static str] {
    match ty {
        Ty::Int => INT,
        Ty::Long => LONG,
        Ty::Double => DOUBLE,
        Ty::Decimal => DECIMAL,
        Ty::Text => TEXT,
        Ty::Bool => BOOL,
        Ty::Date => DATE,
        Ty::Time => &["TIME '10:11:12'", "CAST({M} AS TIME)", "CAST({l} AS TIME)", "LOCALTIME"],
        Ty::Moment => MOMENT,
        Ty::Zoned => &[
            "TO_TIMESTAMP_LTZ({L}, 3)",
            "CAST({M} AS TIMESTAMP_LTZ(3))",
            "CURRENT_TIMESTAMP",
            "NOW()",
            "CURRENT_ROW_TIMESTAMP()",
        ],
        Ty::Bytes => &[
            "CAST({S} AS BYTES)",
            "ENCODE({S}, 'UTF-8')",
            "UNHEX({l})",
            "OVERLAY({X} PLACING {X} FROM {I})",
            "SUBSTRING({X}, {I}, {I})",
        ],
        Ty::Ints => INTS,
        Ty::Texts => &[
            "ARRAY[{S}, {S}]",
            "SPLIT({S}, {l})",
            "MAP_KEYS({P})",
            "REGEXP_EXTRACT_ALL({S}, {l})",
            "CAST({A} AS ARRAY<STRING>)",
            "ARRAY_APPEND({C}, {S})",
        ],
        Ty::Map => &[
            "MAP[{S}, {I}]",
            "MAP_FROM_ARRAYS({C}, {A})",
            "MAP_UNION({P}, {P})",
            "CAST(STR_TO_MAP({S}, ',', '=') AS MAP<STRING, INT>)",
        ],
        Ty::Row => &["CAST(ROW({I}, {S}) AS ROW<p INT, q STRING>)", "{Q}[{I}]"],
        Ty::Rows => &["ARRAY[{R}, {R}]"],
    }
}

const INT: &[&str] = &[
    "{I} + {I}",
    "{I} - {I}",
    "{I} * {I}",
    "{I} / {I}",
    "{I} % 7",
    "-{I}",
    "+{I}",
    "MOD({I}, {I})",
    "CAST({?} AS INT)",
    "TRY_CAST({S} AS INT)",
    "CHAR_LENGTH({S})",
    "POSITION({S} IN {S})",
    "CARDINALITY({A})",
    "{A}[{I}]",
    "{P}[{S}]",
    "{R}.p",
    "ABS({I})",
    "SIGN({I})",
    "INSTR({S}, {S})",
    "LOCATE({S}, {S}, {I})",
    "ASCII({S})",
    "ARRAY_MAX({A})",
    "ARRAY_POSITION({A}, {I})",
    "ELEMENT(ARRAY[{I}])",
    "TIMESTAMPDIFF({u}, {M}, {M})",
    "GREATEST({I}, {I})",
    "LEAST({I}, {I}, {I})",
    "REGEXP_COUNT({S}, {l})",
    "JSON_VALUE({S}, '$.a' RETURNING INT DEFAULT {I} ON EMPTY NULL ON ERROR)",
    "RAND_INTEGER(9)",
    "ROUND({I}, 1)",
];
const LONG: &[&str] = &[
    "{L} + {I}",
    "{L} * {L}",
    "{L} / {L}",
    "-{L}",
    "CAST({?} AS BIGINT)",
    "TRY_CAST({S} AS BIGINT)",
    "EXTRACT({u} FROM {M})",
    "EXTRACT({u} FROM {D})",
    "YEAR({D})",
    "DAYOFWEEK({D})",
    "HOUR({M})",
    "UNIX_TIMESTAMP({S}, {l})",
    "INET_ATON({S})",
    "ABS({L})",
    "TRUNCATE({L}, {I})",
];
const DOUBLE: &[&str] = &[
    "{F} + {F}",
    "{F} / {F}",
    "{F} * {I}",
    "CAST({?} AS DOUBLE)",
    "TRY_CAST({S} AS DOUBLE)",
    "POWER({F}, {F})",
    "SQRT({F})",
    "LN({F})",
    "LOG({F}, {F})",
    "EXP({F})",
    "SIN({F})",
    "ATAN2({F}, {F})",
    "ROUND({F}, {I})",
    "TRUNCATE({F}, 2)",
    "FLOOR({F})",
    "CEIL({F})",
    "RAND()",
    "RAND({I})",
    "PI()",
    "DEGREES({F})",
];
const DECIMAL: &[&str] = &[
    "{N} + {N}",
    "{N} * {N}",
    "{N} / {N}",
    "{N} % {N}",
    "CAST({?} AS DECIMAL(10, 2))",
    "CAST({N} AS DECIMAL(38, 18))",
    "TRY_CAST({S} AS DECIMAL(20, 4))",
    "ROUND({N}, {I})",
    "ROUND({N}, 1)",
    "ABS({N})",
    "FLOOR({N})",
];
const TEXT: &[&str] = &[
    "{S} || {S}",
    "UPPER({S})",
    "LOWER({S})",
    "INITCAP({S})",
    "TRIM({S})",
    "TRIM(LEADING {l} FROM {S})",
    "TRIM(BOTH 'a' FROM {S})",
    "SUBSTRING({S} FROM {I} FOR {I})",
    "SUBSTR({S}, {I})",
    "LEFT({S}, {I})",
    "LPAD({S}, 5, {S})",
    "REPEAT({S}, 3)",
    "REPLACE({S}, {S}, {S})",
    "OVERLAY({S} PLACING {S} FROM {I} FOR {I})",
    "REGEXP_REPLACE({S}, {l}, {S})",
    "REGEXP_EXTRACT({S}, {l}, {I})",
    "SPLIT_INDEX({S}, {l}, {I})",
    "CONCAT({S}, {S}, {S})",
    "CONCAT_WS({l}, {S}, {S})",
    "CAST({?} AS STRING)",
    "CAST({S} AS VARCHAR(3))",
    "CAST({S} AS CHAR(5))",
    "DATE_FORMAT({M}, {l})",
    "DATE_FORMAT({M}, 'yyyy-MM-dd HH:mm:ss.SSS')",
    "FROM_UNIXTIME({L})",
    "CONVERT_TZ({S}, {l}, {l})",
    "JSON_VALUE({S}, {p})",
    "JSON_VALUE({S}, 'lax $.a' NULL ON EMPTY DEFAULT {l} ON ERROR)",
    "JSON_QUERY({S}, {p} WITH CONDITIONAL WRAPPER EMPTY ARRAY ON ERROR)",
    "JSON_OBJECT('a' VALUE {?}, KEY 'b' VALUE {S} ABSENT ON NULL)",
    "JSON_ARRAY({?}, {?} NULL ON NULL)",
    "JSON_STRING({?})",
    "MD5({S})",
    "SHA2({S}, 256)",
    "TO_BASE64({S})",
    "HEX({S})",
    "DECODE({X}, 'UTF-8')",
    "PARSE_URL({S}, 'QUERY', {S})",
    "URL_DECODE({S})",
    "{C}[{I}]",
    "{R}.q",
    "ELT({I}, {S}, {S})",
    "ARRAY_JOIN({C}, {l})",
    "TYPEOF({?})",
    "PRINTF('%d %s', {I}, {S})",
    "CHR({L})",
    "BIN({L})",
    "UUID()",
];
const BOOL: &[&str] = &[
    "{=} AND {=}",
    "{=} OR {=}",
    "NOT {=}",
    "{I} = {I}",
    "{I} <> {L}",
    "{F} < {F}",
    "{N} >= {I}",
    "{S} = {S}",
    "{S} > {S}",
    "{M} <= {M}",
    "{D} = {D}",
    "{M} > {l}",
    "{I} BETWEEN {I} AND {I}",
    "{S} NOT BETWEEN SYMMETRIC {S} AND {S}",
    "{I} IN ({I}, {I}, 3)",
    "{S} NOT IN ({l}, {l})",
    "{S} LIKE {l}",
    "{S} NOT LIKE {l} ESCAPE '|'",
    "{S} SIMILAR TO {l}",
    "{S} IS NULL",
    "{?} IS NOT NULL",
    "{B} IS TRUE",
    "{B} IS NOT FALSE",
    "{I} IS DISTINCT FROM {I}",
    "{S} IS NOT DISTINCT FROM {S}",
    "{S} IS JSON OBJECT",
    "{S} IS NOT JSON",
    "JSON_EXISTS({S}, {p} UNKNOWN ON ERROR)",
    "ARRAY_CONTAINS({A}, {I})",
    "REGEXP({S}, {l})",
    "STARTSWITH({S}, {S})",
    "CAST({S} AS BOOLEAN)",
    "TRY_CAST({S} AS BOOLEAN)",
    "({M}, {v}) OVERLAPS ({M}, {M})",
    "{I} = ANY (ARRAY[{I}])",
];
const DATE: &[&str] = &[
    "CAST({M} AS DATE)",
    "TO_DATE({S})",
    "TO_DATE({S}, {l})",
    "{D} + {v}",
    "FLOOR({D} TO MONTH)",
    "CEIL({D} TO YEAR)",
    "CURRENT_DATE",
    "TRY_CAST({S} AS DATE)",
    "TIMESTAMPADD(DAY, {I}, {D})",
];
const MOMENT: &[&str] = &[
    "{M} + {v}",
    "{M} - {v}",
    "TIMESTAMPADD({u}, {I}, {M})",
    "TO_TIMESTAMP({S})",
    "TO_TIMESTAMP({S}, {l})",
    "CAST({S} AS TIMESTAMP(3))",
    "TRY_CAST({S} AS TIMESTAMP(9))",
    "CAST({D} AS TIMESTAMP(3))",
    "CAST({Z} AS TIMESTAMP(3))",
    "FLOOR({M} TO {u})",
    "CEIL({M} TO HOUR)",
    "LOCALTIMESTAMP",
];
const INTS: &[&str] = &[
    "ARRAY[{I}, {I}]",
    "ARRAY_APPEND({A}, {I})",
    "ARRAY_CONCAT({A}, {A})",
    "ARRAY_DISTINCT({A})",
    "ARRAY_SORT({A}, {B})",
    "ARRAY_SLICE({A}, {I}, {I})",
    "ARRAY_REMOVE({A}, {I})",
    "ARRAY_UNION({A}, {A})",
    "ARRAY_REVERSE({A})",
    "MAP_VALUES({P})",
];

impl Grammar<'_> {
    /// An expression of the type, or sometimes of another.
    pub(super) fn expr(&mut self, ty: Ty, depth: u32) -> String {
        let ty = match self.chance(self.sloppy) {
            true => self.any_type(),
            false => ty,
        };
        if depth == 0 || self.chance(0.35) {
            return self.leaf(ty);
        }
        let template = match self.chance(0.2) {
            true => self.pick(GENERAL),
            false => self.pick(templates(ty)),
        };
        let text = self.filled(template, ty, depth - 1);
        // What binds how is for the parser to find out only now and then.
        if self.chance(0.9) { format!("({text})") } else { text }
    }

    fn leaf(&mut self, ty: Ty) -> String {
        match self.chance(0.75) {
            true => self.column(ty).unwrap_or_else(|| literals::of(self.dice, ty)),
            false => literals::of(self.dice, ty),
        }
    }

    pub(super) fn any_type(&mut self) -> Ty {
        self.dice.pick(&types::TYPES).0
    }

    pub(super) fn filled(&mut self, template: &str, same: Ty, depth: u32) -> String {
        let (mut text, mut same) = (String::new(), same);
        let mut rest = template;
        while let Some((before, hole)) = rest.split_once('{') {
            text += before;
            let (letter, behind) = hole.split_once('}').unwrap_or((hole, ""));
            if letter == "?=" {
                same = self.plain_type();
            }
            text += &self.hole(letter, same, depth);
            rest = behind;
        }
        text + rest
    }

    fn hole(&mut self, letter: &str, same: Ty, depth: u32) -> String {
        match letter {
            "?" => {
                let ty = self.any_type();
                self.expr(ty, depth)
            }
            "=" | "?=" => self.expr(same, depth),
            "s" => self.pick(&["','", "''", "' / '"]).into(),
            "p" => self.pick(&literals::PATHS).into(),
            "j" => self.pick(&["STRING", "INT", "DOUBLE", "BOOLEAN", "VARCHAR(3)"]).into(),
            "t" if self.sloppy > 0.0 => self.pick(&types::CASTS).into(),
            "t" => self.pick(&types::CASTS[..types::USUAL]).into(),
            "u" => self.pick(&literals::UNITS[..if self.sloppy > 0.0 { 17 } else { 8 }]).into(),
            "v" if self.sloppy > 0.0 => self.pick(&literals::INTERVALS).into(),
            "v" => self.pick(&literals::INTERVALS[..8]).into(),
            "l" => literals::of(self.dice, Ty::Text),
            letter => {
                let ty = letter.chars().next().and_then(Ty::of_letter);
                self.expr(ty.expect("a letter of a type"), depth)
            }
        }
    }
}
