//! How a function is declared: parameters, result type, nulls, and the code over whole columns.
//!
//! A family's file holds one [`Function`] constant per function, its documentation above it.
//! Everything DataFusion wants to know is derived from that constant here, once.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, FieldRef};
use brooklet_core::types::SqlType;
use datafusion::common::{DataFusionError, Result, ScalarValue, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    TypeSignature, Volatility,
};

use crate::column::{Call, first_value};
use crate::lookup::ip::IpDatabase;
use crate::time::zone::Zone;
use crate::types::{common_type, sql_type};

/// What an argument must be; other string, integer and number widths are cast to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Bytes,
    Boolean,
    Int,
    Long,
    Double,
    /// Any number, left as it is.
    Number,
    /// DATE, TIME, TIMESTAMP or TIMESTAMP_LTZ, left as it is.
    Moment,
    /// Moment or Text.
    MomentOrText,
    Any,
    /// The type it has in common with the other such arguments.
    Common,
}

/// The types and the constant arguments of one call, as the planner knows them.
pub(crate) struct Typing<'a> {
    pub name: &'a str,
    pub types: Vec<SqlType>,
    pub constants: &'a [Option<&'a ScalarValue>],
    /// Whether each argument may be NULL.
    pub nullables: Vec<bool>,
}

impl Typing<'_> {
    /// The function's name as users write it.
    pub fn upper(&self) -> String {
        self.name.to_uppercase()
    }
    pub fn nullable(&self, argument: usize) -> bool {
        self.nullables.get(argument).copied().unwrap_or(true)
    }
    /// The text of a constant argument.
    pub fn text(&self, argument: usize) -> Option<&str> {
        self.constants.get(argument).copied().flatten()?.try_as_str().flatten()
    }
    /// The value of a constant integer argument.
    pub fn integer(&self, argument: usize) -> Option<i64> {
        match self.constants.get(argument).copied().flatten()? {
            ScalarValue::Int8(v) => v.map(i64::from),
            ScalarValue::Int16(v) => v.map(i64::from),
            ScalarValue::Int32(v) => v.map(i64::from),
            ScalarValue::Int64(v) => *v,
            _ => None,
        }
    }
}

#[derive(Clone, Copy)]
pub(crate) enum Output {
    Is(SqlTypeOf),
    /// The type of that argument.
    Like(usize),
    By(fn(&Typing) -> Result<SqlType>),
}

/// The plain result types; `SqlType` itself cannot stand in a constant with a destructor.
#[derive(Clone, Copy)]
pub(crate) enum SqlTypeOf {
    Text,
    Char(u32),
    Bytes,
    Boolean,
    Int,
    Long,
    Double,
    Date,
    Timestamp,
}

impl SqlTypeOf {
    fn sql(self) -> SqlType {
        match self {
            SqlTypeOf::Text => SqlType::STRING,
            SqlTypeOf::Char(n) => SqlType::Char(n),
            SqlTypeOf::Bytes => SqlType::BYTES,
            SqlTypeOf::Boolean => SqlType::Boolean,
            SqlTypeOf::Int => SqlType::Int,
            SqlTypeOf::Long => SqlType::BigInt,
            SqlTypeOf::Double => SqlType::Double,
            SqlTypeOf::Date => SqlType::Date,
            SqlTypeOf::Timestamp => SqlType::Timestamp(3),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nulls {
    /// NULL exactly when an argument is NULL.
    Strict,
    /// NULL may come out of arguments that are not.
    Possible,
    Never,
    /// NULL only where the last argument is.
    Last,
    /// NULL only where the first argument is.
    First,
}

pub(crate) type Body = fn(&Call) -> Result<ArrayRef>;

/// One scalar function.
#[derive(Clone, Copy)]
pub(crate) struct Function {
    name: &'static str,
    aliases: &'static [&'static str],
    kinds: &'static [Kind],
    optional: usize,
    variadic: bool,
    output: Output,
    nulls: Nulls,
    body: Body,
    coercion: Option<Coercion>,
    volatility: Volatility,
}

/// The types that arguments of these types are cast to.
type Coercion = fn(&str, &[DataType]) -> Result<Vec<DataType>>;

impl Function {
    /// A function that gives NULL exactly when an argument is NULL.
    pub const fn new(
        name: &'static str,
        kinds: &'static [Kind],
        output: Output,
        body: Body,
    ) -> Function {
        Function {
            name,
            aliases: &[],
            kinds,
            optional: 0,
            variadic: false,
            output,
            nulls: Nulls::Strict,
            body,
            coercion: None,
            volatility: Volatility::Immutable,
        }
    }
    /// A text no longer than its first argument, or of that length and kind with `Output::Like(0)`.
    pub const fn shorter(name: &'static str, kinds: &'static [Kind], body: Body) -> Function {
        Function::new(name, kinds, Output::By(shorter), body)
    }
    pub const fn text(name: &'static str, kinds: &'static [Kind], body: Body) -> Function {
        Function::new(name, kinds, Output::Is(SqlTypeOf::Text), body)
    }
    /// The last `n` parameters may be left out.
    pub const fn optional(mut self, n: usize) -> Function {
        self.optional = n;
        self
    }
    /// The last parameter may be repeated.
    pub const fn variadic(mut self) -> Function {
        self.variadic = true;
        self
    }
    pub const fn aliases(mut self, names: &'static [&'static str]) -> Function {
        self.aliases = names;
        self
    }
    /// NULL may come out of arguments that are not NULL.
    pub const fn nullable(mut self) -> Function {
        self.nulls = Nulls::Possible;
        self
    }
    /// NULL never comes out.
    pub const fn never_null(mut self) -> Function {
        self.nulls = Nulls::Never;
        self
    }
    /// NULL comes out only where the last argument is NULL.
    pub const fn last_nulls(mut self) -> Function {
        self.nulls = Nulls::Last;
        self
    }
    /// NULL comes out only where the first argument is NULL.
    pub const fn first_nulls(mut self) -> Function {
        self.nulls = Nulls::First;
        self
    }
    /// Each call may give something else.
    pub const fn volatile(mut self) -> Function {
        self.volatility = Volatility::Volatile;
        self
    }
    /// Types of arguments by a rule of its own.
    pub const fn coerced(mut self, rule: Coercion) -> Function {
        self.coercion = Some(rule);
        self
    }
    pub fn udf(self) -> Arc<ScalarUDF> {
        self.with(None, Zone::UTC)
    }
    /// The function in a session with this time zone.
    pub fn udf_in(self, zone: Zone) -> Arc<ScalarUDF> {
        self.with(None, zone)
    }
    /// The function over this database.
    pub fn over(self, database: Arc<IpDatabase>) -> Arc<ScalarUDF> {
        self.with(Some(database), Zone::UTC)
    }
    fn with(self, database: Option<Arc<IpDatabase>>, zone: Zone) -> Arc<ScalarUDF> {
        let signature = match self.kinds {
            [] => Signature::nullary(self.volatility),
            _ if self.optional == self.kinds.len() => Signature::one_of(
                vec![TypeSignature::Nullary, TypeSignature::UserDefined],
                self.volatility,
            ),
            _ => Signature::user_defined(self.volatility),
        };
        let aliases = self.aliases.iter().map(|a| a.to_string()).collect();
        Arc::new(ScalarUDF::from(Udf { function: self, signature, aliases, database, zone }))
    }

    fn kind(&self, argument: usize) -> Kind {
        self.kinds.get(argument).or(self.kinds.last()).copied().unwrap_or(Kind::Any)
    }

    fn coerce(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let most = if self.variadic { usize::MAX } else { self.kinds.len() };
        if types.len() + self.optional < self.kinds.len() || types.len() > most {
            return plan_err!(
                "{} takes {}; {} were given",
                self.name.to_uppercase(),
                self.arity(),
                types.len()
            );
        }
        if let Some(rule) = self.coercion {
            return rule(self.name, types);
        }
        let common = self.common(types)?;
        let each = types.iter().enumerate().map(|(i, ty)| {
            if let (Kind::Common, Some(common)) = (self.kind(i), &common) {
                return Ok(common.clone());
            }
            coerced(self.kind(i), ty).ok_or_else(|| {
                let (name, want) = (self.name.to_uppercase(), self.kind(i).wanted());
                let got = SqlType::from_arrow(ty).map_or(ty.to_string(), |t| t.to_string());
                DataFusionError::Plan(format!(
                    "argument {} of {name} must be {want}, not {got}; write a CAST",
                    i + 1
                ))
            })
        });
        each.collect()
    }

    /// The type that all arguments of kind Common are cast to.
    fn common(&self, types: &[DataType]) -> Result<Option<DataType>> {
        let all = types.iter().enumerate().filter(|(i, _)| self.kind(*i) == Kind::Common);
        let all: Vec<DataType> = all.filter_map(|(_, ty)| coerced(Kind::Common, ty)).collect();
        let Some(first) = all.first() else { return Ok(None) };
        if all.iter().all(|ty| ty == first) {
            return Ok(Some(first.clone()));
        }
        let known: Vec<SqlType> = all.iter().filter_map(SqlType::from_arrow).collect();
        match common_type(&known).filter(|_| known.len() == all.len()) {
            Some(common) => Ok(Some(common.arrow())),
            None => {
                let names = all.iter().map(|t| match SqlType::from_arrow(t) {
                    Some(ty) => ty.to_string(),
                    None => t.to_string(),
                });
                plan_err!(
                    "the arguments of {} have no type in common: {}; write a CAST",
                    self.name.to_uppercase(),
                    names.collect::<Vec<_>>().join(", ")
                )
            }
        }
    }

    fn arity(&self) -> String {
        let (least, most) = (self.kinds.len() - self.optional, self.kinds.len());
        match (self.variadic, least == most) {
            (true, _) => format!("at least {least} arguments"),
            (false, true) if most == 1 => "one argument".to_string(),
            (false, true) => format!("{most} arguments"),
            (false, false) => format!("{least} to {most} arguments"),
        }
    }
}

/// VARCHAR of the first argument's length.
fn shorter(typing: &Typing) -> Result<SqlType> {
    Ok(match &typing.types[0] {
        SqlType::Char(n) | SqlType::Varchar(n) => SqlType::Varchar(*n),
        _ => SqlType::STRING,
    })
}

impl Kind {
    fn wanted(self) -> &'static str {
        match self {
            Kind::Text => "a STRING",
            Kind::Bytes => "BYTES",
            Kind::Boolean => "a BOOLEAN",
            Kind::Int | Kind::Long => "an integer",
            Kind::Double | Kind::Number => "a number",
            Kind::Moment => "a DATE, TIME or TIMESTAMP",
            Kind::MomentOrText => "a TIMESTAMP, a DATE or a STRING",
            Kind::Any | Kind::Common => "a value",
        }
    }
}

/// The Arrow type an argument of type `ty` is cast to, None if it does not fit.
fn coerced(kind: Kind, ty: &DataType) -> Option<DataType> {
    use DataType as T;
    let text = matches!(ty, T::Utf8 | T::LargeUtf8 | T::Utf8View);
    let bytes = matches!(ty, T::Binary | T::LargeBinary | T::BinaryView | T::FixedSizeBinary(_));
    let to = match (kind, ty) {
        (Kind::Text | Kind::MomentOrText, T::Null) => T::Utf8,
        (Kind::Text | Kind::MomentOrText, _) if text => T::Utf8,
        (Kind::Bytes, _) if bytes => T::Binary,
        (Kind::Bytes, T::Null) => T::Binary,
        (Kind::Boolean, T::Boolean | T::Null) => T::Boolean,
        (Kind::Int, T::Null) => T::Int32,
        (Kind::Int, _) if ty.is_integer() => T::Int32,
        (Kind::Long, T::Null) => T::Int64,
        (Kind::Long, _) if ty.is_integer() => T::Int64,
        (Kind::Double, T::Null) => T::Float64,
        (Kind::Double, _) if ty.is_numeric() => T::Float64,
        (Kind::Number, T::Null) => T::Int32,
        (Kind::Number, _) if ty.is_numeric() => ty.clone(),
        (Kind::Moment, T::Null) => SqlType::Timestamp(3).arrow(),
        (Kind::Moment | Kind::MomentOrText, T::Date32 | T::Time32(_) | T::Timestamp(_, _)) => {
            ty.clone()
        }
        (Kind::Any | Kind::Common, _) if text => T::Utf8,
        (Kind::Any | Kind::Common, _) => ty.clone(),
        _ => return None,
    };
    Some(to)
}

/// A [`Function`] as DataFusion sees it.
struct Udf {
    function: Function,
    signature: Signature,
    aliases: Vec<String>,
    database: Option<Arc<IpDatabase>>,
    zone: Zone,
}

impl fmt::Debug for Udf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.function.name)
    }
}

impl PartialEq for Udf {
    fn eq(&self, other: &Self) -> bool {
        self.function.name == other.function.name && self.zone == other.zone
    }
}

impl Eq for Udf {}

impl Hash for Udf {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.function.name.hash(state);
    }
}

impl ScalarUDFImpl for Udf {
    fn name(&self) -> &str {
        self.function.name
    }
    fn aliases(&self) -> &[String] {
        &self.aliases
    }
    fn signature(&self) -> &Signature {
        &self.signature
    }
    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.function.coerce(types)
    }
    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        let types = types.iter().map(|t| SqlType::from_arrow(t).unwrap_or(SqlType::STRING));
        let constants: Vec<Option<&ScalarValue>> = vec![None; types.len()];
        Ok(self.typed(types.collect(), &constants, vec![])?.arrow())
    }
    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let types = args.arg_fields.iter().map(|f| sql_type(f)).collect();
        let nullables = args.arg_fields.iter().map(|f| f.is_nullable()).collect();
        let ty = self.typed(types, args.scalar_arguments, nullables)?;
        let nullable = match self.function.nulls {
            Nulls::Strict => args.arg_fields.iter().any(|f| f.is_nullable()),
            Nulls::Possible => true,
            Nulls::Never => false,
            Nulls::First => args.arg_fields.first().is_none_or(|f| f.is_nullable()),
            Nulls::Last => args.arg_fields.last().is_none_or(|f| f.is_nullable()),
        };
        Ok(Arc::new(ty.field(self.function.name, nullable)))
    }
    fn is_strict(&self) -> bool {
        self.function.nulls == Nulls::Strict
    }
    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constant = args.args.iter().all(|a| matches!(a, ColumnarValue::Scalar(_)));
        let rows = if constant { 1 } else { args.number_rows };
        let call =
            Call::new(self.function.name, &args, rows)?.over(self.database.clone(), self.zone);
        let result = (self.function.body)(&call)?;
        if constant {
            return Ok(ColumnarValue::Scalar(first_value(&result)?));
        }
        Ok(ColumnarValue::Array(result))
    }
}

impl Udf {
    fn typed(
        &self,
        types: Vec<SqlType>,
        constants: &[Option<&ScalarValue>],
        nullables: Vec<bool>,
    ) -> Result<SqlType> {
        match self.function.output {
            Output::Is(ty) => Ok(ty.sql()),
            Output::Like(argument) => Ok(types[argument].clone()),
            Output::By(rule) => {
                rule(&Typing { name: self.function.name, types, constants, nullables })
            }
        }
    }
}
