//! The options of a generated table, turned into one generator a column.

use brooklet_core::hash::hash_bytes;
use brooklet_core::options::{OptionKind, OptionSpec, Options, parse_duration};
use brooklet_core::schema::{ColumnKind, TableDef};
use brooklet_core::types::SqlType;
use brooklet_core::{Error, Result};

use super::rows::{Column, Kind};

/// Extension: the texts a column is drawn from.
const VALUES: &str = "brooklet.values.";

pub const OPTIONS: &[OptionSpec] = &[
    OptionSpec::text("rows-per-second", "Pace of the rows.").kind(OptionKind::Int).default("10000"),
    OptionSpec::text("number-of-rows", "Rows after which the table ends; none: never.")
        .kind(OptionKind::Int),
    OptionSpec::text(
        "fields.*",
        "`fields.<column>.kind`, `.min`, `.max`, `.start`, `.end`, `.length`, `.null-rate`, \
         `.max-past`; a field of a ROW is `<column>.<field>`.",
    ),
];

const KEYS: [&str; 9] =
    ["kind", "min", "max", "start", "end", "length", "null-rate", "max-past", "var-len"];

pub struct Settings {
    pub rows_per_second: i64,
    /// None: never ends.
    pub rows: Option<i64>,
    /// In the order of the physical columns.
    pub columns: Vec<Column>,
}

pub fn bounded(options: &Options) -> bool {
    let sequence = |(key, kind): (&String, &String)| key.ends_with(".kind") && kind == "sequence";
    options.get("number-of-rows").is_some() || options.0.iter().any(sequence)
}

pub fn read(table: &TableDef) -> Result<Settings> {
    let options = &table.options;
    check_names(table)?;
    let rows_per_second = options.int("rows-per-second")?.unwrap_or(10_000);
    if rows_per_second <= 0 {
        return Err(Error::config("option 'rows-per-second' must be above 0"));
    }
    let mut rows = options.int("number-of-rows")?.map(|n| n.max(0));
    let mut columns = Vec::new();
    for column in table.columns.iter().filter(|c| c.kind == ColumnKind::Physical) {
        let read = column_of(table, "", &column.name, &column.ty)?;
        if let Kind::Sequence { start, end } = read.kind {
            let length = end.saturating_sub(start).saturating_add(1);
            rows = Some(rows.map_or(length, |n| n.min(length)));
        }
        columns.push(read);
    }
    Ok(Settings { rows_per_second, rows, columns })
}

/// `fields.<column>.<key>` must name both, and `values.<column>` a column.
fn check_names(table: &TableDef) -> Result<()> {
    for (name, _) in table.options.below("fields.") {
        let (column, key) = name.rsplit_once('.').unwrap_or((name, ""));
        if type_of(table, column).is_none() || !KEYS.contains(&key) {
            return Err(Error::config(format!(
                "option 'fields.{name}' is not known: expected 'fields.<column>.<key>' with one \
                 of {}",
                KEYS.join(", ")
            )));
        }
    }
    for (column, _) in table.options.below(VALUES) {
        if !matches!(type_of(table, column), Some(SqlType::Char(_) | SqlType::Varchar(_))) {
            return Err(Error::config(format!(
                "SET 'brooklet.table.{}.values.{column}': there is no text column '{column}'",
                table.name
            )));
        }
    }
    Ok(())
}

/// The type of a column, or of a ROW's field by `column.field`.
fn type_of<'a>(table: &'a TableDef, path: &str) -> Option<&'a SqlType> {
    let mut parts = path.split('.');
    let first = parts.next()?;
    parts.try_fold(&table.column(first)?.ty, |ty, part| match ty {
        SqlType::Row(fields) => fields.iter().find(|f| f.name == part).map(|f| &f.ty.ty),
        _ => None,
    })
}

/// `within`: the path of the ROW that holds the column, with a dot at its end.
fn column_of(table: &TableDef, within: &str, name: &str, ty: &SqlType) -> Result<Column> {
    let options = &table.options;
    let path = format!("{within}{name}");
    let key = |key: &str| format!("fields.{path}.{key}");
    let kind = match (ty, options.get(&key("kind")).unwrap_or("random")) {
        (SqlType::Row(fields), "random") => {
            let within = format!("{path}.");
            let each = fields.iter().map(|f| column_of(table, &within, &f.name, &f.ty.ty));
            Kind::Row { fields: each.collect::<Result<_>>()? }
        }
        (_, "sequence") => sequence(options, &path)?,
        (_, "random") => match options.get(&format!("{VALUES}{path}")) {
            Some(list) => choice(table, &path, list, ty)?,
            None => random(options, &path, ty)?,
        },
        (_, other) => {
            let name = key("kind");
            return Err(Error::config(format!("'{name}' = '{other}' is not random or sequence")));
        }
    };
    if !supported(ty, &kind) {
        return Err(Error::config(format!("column '{path}' of type {ty} cannot be generated so")));
    }
    let null_rate = number(options, &key("null-rate"))?.unwrap_or(0.0);
    if !(0.0..=1.0).contains(&null_rate) {
        return Err(Error::config(format!("option '{}' is not within 0 and 1", key("null-rate"))));
    }
    let seed = hash_bytes(path.as_bytes(), hash_bytes(table.name.as_bytes(), 0));
    Ok(Column { name: name.to_string(), ty: ty.clone(), kind, null_rate, seed })
}

fn sequence(options: &Options, path: &str) -> Result<Kind> {
    let bound = |k: &str| {
        let name = format!("fields.{path}.{k}");
        options.int(&name)?.ok_or_else(|| Error::config(format!("option '{name}' is missing")))
    };
    let (start, end) = (bound("start")?, bound("end")?);
    if end < start {
        return Err(Error::config(format!("option 'fields.{path}.end' is below the start")));
    }
    Ok(Kind::Sequence { start, end })
}

/// Texts parted by commas; what stands twice is drawn twice as often.
fn choice(table: &TableDef, path: &str, list: &str, ty: &SqlType) -> Result<Kind> {
    let texts: Vec<String> = list.split(',').map(|text| text.trim().to_string()).collect();
    let longest = match ty {
        SqlType::Char(n) | SqlType::Varchar(n) => *n as usize,
        _ => usize::MAX,
    };
    if let Some(text) = texts.iter().find(|text| text.chars().count() > longest) {
        return Err(Error::config(format!(
            "SET 'brooklet.table.{}.values.{path}': '{text}' is no {ty}",
            table.name
        )));
    }
    Ok(Kind::Choice { texts })
}

fn random(options: &Options, name: &str, ty: &SqlType) -> Result<Kind> {
    let key = |key: &str| format!("fields.{name}.{key}");
    let whole = |low: i64, high: i64| -> Result<Kind> {
        let bound = |k: &str, default| options.int(&key(k)).map(|v| v.unwrap_or(default));
        let (min, max) = (bound("min", low)?, bound("max", high)?);
        if min > max || min < low || max > high {
            return Err(Error::config(format!(
                "options 'fields.{name}.min' and '.max' must be within {low} and {high}, in order"
            )));
        }
        Ok(Kind::Whole { min, max })
    };
    match ty {
        SqlType::TinyInt => whole(i8::MIN.into(), i8::MAX.into()),
        SqlType::SmallInt => whole(i16::MIN.into(), i16::MAX.into()),
        SqlType::Int => whole(i32::MIN.into(), i32::MAX.into()),
        SqlType::BigInt => whole(i64::MIN, i64::MAX),
        SqlType::Float | SqlType::Double | SqlType::Decimal(..) => {
            let largest = match ty {
                SqlType::Float => f64::from(f32::MAX),
                SqlType::Decimal(p, s) => 10f64.powi(i32::from(*p) - i32::from(*s)) - 1.0,
                _ => f64::MAX,
            };
            let min = number(options, &key("min"))?.unwrap_or(0.0);
            let max = number(options, &key("max"))?.unwrap_or(largest);
            if min > max || min < -largest || max > largest {
                return Err(Error::config(format!(
                    "options 'fields.{name}.min' and '.max' are not a range of {ty}"
                )));
            }
            Ok(Kind::Real { min, max })
        }
        SqlType::Date | SqlType::Time(_) | SqlType::Timestamp(_) | SqlType::TimestampLtz(_) => {
            let past = options.get(&key("max-past")).map(|text| {
                parse_duration(text).ok_or_else(|| {
                    Error::config(format!("option '{}' is not a duration", key("max-past")))
                })
            });
            let past = past.transpose()?.unwrap_or_default();
            Ok(Kind::Moment { max_past: i64::try_from(past.as_millis()).unwrap_or(i64::MAX) })
        }
        _ => {
            let longest = match ty {
                SqlType::Char(n) | SqlType::Varchar(n) => i64::from(*n),
                _ => i64::from(i32::MAX),
            };
            let length = options.int(&key("length"))?.unwrap_or(100).min(longest);
            let length = usize::try_from(length)
                .map_err(|_| Error::config(format!("option '{}' is negative", key("length"))))?;
            Ok(Kind::Text { length })
        }
    }
}

fn number(options: &Options, name: &str) -> Result<Option<f64>> {
    let parse = |v: &str| match v.trim().parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(number),
        _ => Err(Error::config(format!("option '{name}' = '{v}' is not a number"))),
    };
    options.get(name).map(parse).transpose()
}

fn supported(ty: &SqlType, kind: &Kind) -> bool {
    match ty {
        SqlType::Row(_) => matches!(kind, Kind::Row { .. }),
        SqlType::TinyInt | SqlType::SmallInt | SqlType::Int | SqlType::BigInt => true,
        SqlType::Float | SqlType::Double | SqlType::Decimal(..) => true,
        SqlType::Char(_) | SqlType::Varchar(_) => true,
        SqlType::Boolean
        | SqlType::Date
        | SqlType::Time(_)
        | SqlType::Timestamp(_)
        | SqlType::TimestampLtz(_) => !matches!(kind, Kind::Sequence { .. }),
        _ => false,
    }
}
