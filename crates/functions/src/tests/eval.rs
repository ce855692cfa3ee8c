//! Evaluates one SQL expression with the functions of this crate and no planner.

use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, Field, FieldRef};
use brooklet_core::types::SqlType;
use datafusion::common::ScalarValue;
use datafusion::common::config::ConfigOptions;
use datafusion::logical_expr::{ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF};
use sqlparser::ast::{
    BinaryOperator, CastKind, CeilFloorKind, DataType as Ty, DateTimeField, ExactNumberInfo, Expr,
    FunctionArg, FunctionArgExpr, FunctionArguments, TimezoneInfo, TrimWhereField, UnaryOperator,
    Value,
};
use sqlparser::dialect::GenericDialect;
use sqlparser::parser::Parser;

use crate::types::sql_type;

/// Whether literals are constants or columns of three equal rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Constants,
    Columns,
}

const ROWS: usize = 3;

pub struct Answer {
    pub value: Option<String>,
    pub ty: String,
}

struct Cell {
    field: FieldRef,
    value: ColumnarValue,
}

type Res<T> = Result<T, String>;

/// The expression's value as Flink's CAST AS STRING shows it, and its type as Flink writes it.
pub fn evaluate(sql: &str, mode: Mode) -> Res<Answer> {
    let mut parser =
        Parser::new(&GenericDialect {}).try_with_sql(sql).map_err(|e| e.to_string())?;
    let expr = parser.parse_expr().map_err(|e| e.to_string())?;
    let cell = Eval(mode).expr(&expr)?;
    let ty = sql_type(&cell.field);
    let value = Eval(mode).shown(&cell)?;
    if value.is_none() && !cell.field.is_nullable() {
        return Err(format!("NULL in a column that is NOT NULL: {sql}"));
    }
    Ok(Answer { value, ty: ty.to_string() })
}

pub struct Eval(pub Mode);

impl Eval {
    /// The text of the value; every row must have the same.
    fn shown(&self, cell: &Cell) -> Res<Option<String>> {
        let array = cell.value.clone().into_array(1).map_err(|e| e.to_string())?;
        let from = sql_type(&cell.field);
        if *array.data_type() != DataType::Null && array.data_type() != cell.field.data_type() {
            return Err(format!("{} came, not {}", array.data_type(), cell.field.data_type()));
        }
        let text = crate::cast(&array, &from, &SqlType::STRING, false).map_err(|e| e.message)?;
        let text = text.as_string::<i32>();
        let all: Vec<Option<&str>> = text.iter().collect();
        if all.windows(2).any(|w| w[0] != w[1]) {
            return Err(format!("rows differ: {all:?}"));
        }
        Ok(all[0].map(str::to_string))
    }

    /// A call with these values as arguments.
    pub fn of_values(&self, name: &str, values: &[(ScalarValue, SqlType)]) -> Res<()> {
        let cells = values.iter().map(|(value, ty)| self.literal(value.clone(), ty.clone()));
        self.call(name, cells.collect::<Res<_>>()?).map(drop)
    }

    fn literal(&self, value: ScalarValue, ty: SqlType) -> Res<Cell> {
        let field = Arc::new(ty.field("literal", value.is_null()));
        let value = match self.0 {
            Mode::Constants => ColumnarValue::Scalar(value),
            Mode::Columns => {
                ColumnarValue::Array(value.to_array_of_size(ROWS).map_err(|e| e.to_string())?)
            }
        };
        Ok(Cell { field, value })
    }

    fn text(&self, text: &str) -> Res<Cell> {
        self.literal(ScalarValue::Utf8(Some(text.to_string())), SqlType::STRING)
    }

    /// A text that a function takes as a constant in any mode.
    fn word(&self, text: &str) -> Res<Cell> {
        Eval(Mode::Constants).text(text)
    }

    fn number(&self, text: &str) -> Res<Cell> {
        if text.contains(['e', 'E']) {
            let value = text.parse().map_err(|_| text.to_string())?;
            return self.literal(ScalarValue::Float64(Some(value)), SqlType::Double);
        }
        if let Some((whole, fraction)) = text.split_once('.') {
            let value: i128 = [whole, fraction].concat().parse().map_err(|_| text.to_string())?;
            let scale = fraction.len() as u8;
            let digits = (whole.trim_start_matches(['-', '0']).len() as u8 + scale).max(1);
            let scalar = ScalarValue::Decimal128(Some(value), digits, scale as i8);
            return self.literal(scalar, SqlType::Decimal(digits, scale));
        }
        let value: i64 = text.parse().map_err(|_| text.to_string())?;
        match i32::try_from(value) {
            Ok(value) => self.literal(ScalarValue::Int32(Some(value)), SqlType::Int),
            Err(_) => self.literal(ScalarValue::Int64(Some(value)), SqlType::BigInt),
        }
    }

    fn expr(&self, expr: &Expr) -> Res<Cell> {
        match expr {
            Expr::Value(value) => match &value.value {
                Value::Number(text, _) => self.number(&text.to_string()),
                Value::SingleQuotedString(text) => self.text(text),
                Value::Boolean(b) => self.literal(ScalarValue::Boolean(Some(*b)), SqlType::Boolean),
                Value::Null => self.literal(ScalarValue::Utf8(None), SqlType::STRING),
                other => Err(format!("literal {other}")),
            },
            Expr::Nested(inner) => self.expr(inner),
            Expr::UnaryOp { op: UnaryOperator::Minus, expr } => match &**expr {
                Expr::Value(v) => self.number(&format!("-{v}")),
                other => Err(format!("minus {other}")),
            },
            Expr::TypedString(typed) => {
                let text = typed.value.clone().into_string().ok_or("typed string")?;
                let fraction = text.split_once('.').map_or(0, |(_, f)| f.len() as u8);
                let to = match typed.data_type {
                    Ty::Date => SqlType::Date,
                    _ => SqlType::Timestamp(fraction),
                };
                self.cast(self.text(&text)?, to, false)
            }
            Expr::Cast { kind, expr, data_type, .. } => {
                let to = sql_of(data_type)?;
                let value = match &**expr {
                    Expr::Value(v) if v.value == Value::Null => {
                        self.literal(ScalarValue::Utf8(None), SqlType::STRING)?
                    }
                    other => self.expr(other)?,
                };
                self.cast(value, to, *kind == CastKind::TryCast)
            }
            Expr::IsNull(inner) => {
                let null = self.shown(&self.expr(inner)?)?.is_none();
                self.literal(ScalarValue::Boolean(Some(null)), SqlType::Boolean)
            }
            Expr::BinaryOp { left, op: BinaryOperator::StringConcat, right } => {
                self.call("concat", vec![self.expr(left)?, self.expr(right)?])
            }
            Expr::BinaryOp { left, op, right } => self.compared(left, op, right),
            Expr::Identifier(name) => self.column(&name.value),
            Expr::Array(array) => self.list(&array.elem),
            other => self.special(other),
        }
    }

    /// An ARRAY of constants.
    fn list(&self, items: &[Expr]) -> Res<Cell> {
        let cells = items.iter().map(|e| Eval(Mode::Constants).expr(e)).collect::<Res<Vec<_>>>()?;
        let ty = sql_type(&cells[0].field);
        let values: Vec<ScalarValue> = cells
            .into_iter()
            .filter_map(|cell| match cell.value {
                ColumnarValue::Scalar(value) => Some(value),
                ColumnarValue::Array(_) => None,
            })
            .collect();
        let list = ScalarValue::new_list_nullable(&values, &ty.arrow());
        let item = brooklet_core::types::Nullable { ty, nullable: true };
        self.literal(ScalarValue::List(list), SqlType::Array(Box::new(item)))
    }

    fn compared(&self, left: &Expr, op: &BinaryOperator, right: &Expr) -> Res<Cell> {
        let (a, b) = (self.expr(left)?, self.expr(right)?);
        let (a, b) = (self.shown(&a)?, self.shown(&b)?);
        let numbers = || {
            let parse = |t: &Option<String>| t.as_ref()?.parse::<f64>().ok();
            parse(&a).zip(parse(&b)).ok_or("not numbers")
        };
        let result = match op {
            BinaryOperator::Eq => match numbers() {
                Ok((x, y)) if a != b => x == y,
                _ => a == b,
            },
            BinaryOperator::Gt => numbers().map(|(x, y)| x > y)?,
            other => return Err(format!("operator {other}")),
        };
        self.literal(ScalarValue::Boolean(Some(result)), SqlType::Boolean)
    }

    /// The columns of the table that Flink was asked about.
    fn column(&self, name: &str) -> Res<Cell> {
        let (text, ty) = match name {
            "i" => ("7", SqlType::Int),
            "j" => ("2", SqlType::Int),
            "z" => ("0", SqlType::Int),
            "c" => ("2.5", SqlType::Double),
            "d" => ("12.34", SqlType::Decimal(10, 2)),
            "s" => ("abc", SqlType::STRING),
            "u" => ("https://www.x.com/a/b/item.htm?query=1&channel_id=42", SqlType::STRING),
            "bo" => ("TRUE", SqlType::Boolean),
            "f" => ("2020-01-02 03:04:05.678", SqlType::Timestamp(3)),
            "bad" => ("xyz", SqlType::STRING),
            "num" => (" 12.7 ", SqlType::STRING),
            "js" => (r#"{"a":{"b":1},"s":"t","arr":[1,2],"n":null,"f":1.50}"#, SqlType::STRING),
            "ds" => ("2020-01-02 03:04:05", SqlType::STRING),
            "bb" => ("3000000000", SqlType::BigInt),
            "b" => ("9223372036854775807", SqlType::BigInt),
            "big" => ("1.5", SqlType::Decimal(38, 18)),
            "n" => return self.literal(ScalarValue::Utf8(None), SqlType::STRING),
            "nn" => return self.literal(ScalarValue::Int32(None), SqlType::Int),
            other => return Err(format!("column {other}")),
        };
        self.cast(self.text(text)?, ty, false)
    }

    fn special(&self, expr: &Expr) -> Res<Cell> {
        match expr {
            Expr::Extract { field, expr, .. } => {
                self.call("extract", vec![self.word(&field.to_string())?, self.expr(expr)?])
            }
            Expr::Ceil { expr, field } => self.rounded("ceil", expr, field),
            Expr::Floor { expr, field } => self.rounded("floor", expr, field),
            Expr::Position { expr, r#in } => {
                self.call("position", vec![self.expr(expr)?, self.expr(r#in)?])
            }
            Expr::Substring { expr, substring_from, substring_for, .. } => {
                let mut args = vec![self.expr(expr)?];
                for part in [substring_from, substring_for].into_iter().flatten() {
                    args.push(self.expr(part)?);
                }
                self.call("substring", args)
            }
            Expr::Overlay { expr, overlay_what, overlay_from, overlay_for } => {
                let mut args =
                    vec![self.expr(expr)?, self.expr(overlay_what)?, self.expr(overlay_from)?];
                if let Some(length) = overlay_for {
                    args.push(self.expr(length)?);
                }
                self.call("overlay", args)
            }
            Expr::Trim { trim_where, trim_what, expr, .. } => {
                let mut args = vec![self.expr(expr)?];
                if let Some(what) = trim_what {
                    args.push(self.expr(what)?);
                }
                let name = match trim_where {
                    Some(TrimWhereField::Leading) => "ltrim",
                    Some(TrimWhereField::Trailing) => "rtrim",
                    _ => "btrim",
                };
                self.call(name, args)
            }
            Expr::Function(function) => {
                let FunctionArguments::List(list) = &function.args else {
                    return Err("arguments".to_string());
                };
                let name = function.name.to_string().to_lowercase();
                let mut args = vec![];
                for (i, arg) in list.args.iter().enumerate() {
                    let FunctionArg::Unnamed(FunctionArgExpr::Expr(arg)) = arg else {
                        return Err(format!("argument {arg}"));
                    };
                    let unit = i == 0 && name.starts_with("timestamp");
                    let mode = (i >= 2 && name.starts_with("json_"))
                        || (i == 1 && name == "is_json")
                        || (i == 0 && name.starts_with("__json_"))
                        || (i == 0 && name == "__interval")
                        || (i == 1 && matches!(name.as_str(), "round" | "to_timestamp_ltz"));
                    args.push(match arg {
                        Expr::Identifier(word) if unit => self.word(&word.value)?,
                        arg if mode => Eval(Mode::Constants).expr(arg)?,
                        arg => self.expr(arg)?,
                    });
                }
                self.call(&name, args)
            }
            other => Err(format!("expression {other}")),
        }
    }

    fn rounded(&self, name: &str, expr: &Expr, field: &CeilFloorKind) -> Res<Cell> {
        let mut args = vec![self.expr(expr)?];
        if let CeilFloorKind::DateTimeField(unit) = field
            && *unit != DateTimeField::NoDateTime
        {
            args.push(self.word(&unit.to_string())?);
        }
        self.call(name, args)
    }

    fn cast(&self, value: Cell, to: SqlType, try_cast: bool) -> Res<Cell> {
        self.invoke(&crate::cast_udf(to, try_cast), vec![value])
    }

    fn call(&self, name: &str, args: Vec<Cell>) -> Res<Cell> {
        let all = crate::all();
        let named =
            |f: &&Arc<ScalarUDF>| f.name() == name || f.aliases().iter().any(|alias| alias == name);
        let udf = all.iter().find(named).ok_or(format!("no function {name}"))?;
        let types: Vec<DataType> = args.iter().map(|c| c.field.data_type().clone()).collect();
        let coerced = udf.inner().coerce_types(&types).map_err(|e| e.strip_backtrace())?;
        let args = args.into_iter().zip(coerced).map(|(cell, ty)| {
            if *cell.field.data_type() == ty {
                return Ok(cell);
            }
            let value = cell.value.cast_to(&ty, None).map_err(|e| e.strip_backtrace())?;
            let field = Arc::new(Field::new("cast", ty, cell.field.is_nullable()));
            Ok(Cell { field, value })
        });
        self.invoke(udf, args.collect::<Res<Vec<_>>>()?)
    }

    fn invoke(&self, udf: &ScalarUDF, args: Vec<Cell>) -> Res<Cell> {
        let arg_fields: Vec<FieldRef> = args.iter().map(|c| Arc::clone(&c.field)).collect();
        let scalars: Vec<Option<&ScalarValue>> = args
            .iter()
            .map(|c| match &c.value {
                ColumnarValue::Scalar(value) => Some(value),
                ColumnarValue::Array(_) => None,
            })
            .collect();
        let typing = ReturnFieldArgs { arg_fields: &arg_fields, scalar_arguments: &scalars };
        let field = udf.return_field_from_args(typing).map_err(|e| e.strip_backtrace())?;
        let value = udf
            .invoke_with_args(ScalarFunctionArgs {
                args: args.into_iter().map(|c| c.value).collect(),
                arg_fields,
                number_rows: ROWS,
                return_field: Arc::clone(&field),
                config_options: Arc::new(ConfigOptions::new()),
            })
            .map_err(|e| e.strip_backtrace())?;
        Ok(Cell { field, value })
    }
}

fn sql_of(ty: &Ty) -> Res<SqlType> {
    let length = |n: &Option<sqlparser::ast::CharacterLength>| match n {
        Some(sqlparser::ast::CharacterLength::IntegerLength { length, .. }) => *length as u32,
        _ => 1,
    };
    Ok(match ty {
        Ty::Boolean => SqlType::Boolean,
        Ty::TinyInt(_) => SqlType::TinyInt,
        Ty::SmallInt(_) => SqlType::SmallInt,
        Ty::Int(_) | Ty::Integer(_) => SqlType::Int,
        Ty::BigInt(_) => SqlType::BigInt,
        Ty::Float(_) => SqlType::Float,
        Ty::Double(_) => SqlType::Double,
        Ty::String(_) => SqlType::STRING,
        Ty::Varchar(n) => SqlType::Varchar(length(n)),
        Ty::Char(n) => SqlType::Char(length(n)),
        Ty::Date => SqlType::Date,
        Ty::Timestamp(p, TimezoneInfo::None) => SqlType::Timestamp(p.unwrap_or(6) as u8),
        Ty::Decimal(ExactNumberInfo::PrecisionAndScale(p, s)) => {
            SqlType::Decimal(*p as u8, *s as u8)
        }
        Ty::Decimal(ExactNumberInfo::None) => SqlType::Decimal(10, 0),
        other => return Err(format!("type {other}")),
    })
}
