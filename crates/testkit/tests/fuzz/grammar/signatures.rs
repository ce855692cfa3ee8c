//! Which arguments a function takes, as the catalogue of functions says.

use std::sync::{Arc, LazyLock, OnceLock};

use arrow::datatypes::FieldRef;
use brooklet_core::types::{Nullable, RowField, SqlType};
use brooklet_sql::catalog::Catalog;
use brooklet_sql::query::Provider;
use brooklet_testkit::dice::Dice;
use datafusion::logical_expr::planner::ContextProvider;
use datafusion::logical_expr::type_coercion::functions::fields_with_udf;
use datafusion::logical_expr::{AggregateUDF, ReturnFieldArgs, ScalarUDF, WindowUDF};

use super::types::{TYPES, Ty};

/// A function with the lists of types that it was seen to take.
pub struct Function {
    pub name: String,
    pub sort: Sort,
    taken: OnceLock<Vec<Vec<Ty>>>,
}

pub enum Sort {
    Scalar(Arc<ScalarUDF>),
    Aggregate(Arc<AggregateUDF>),
    /// Stands in front of OVER.
    Window(Arc<WindowUDF>),
}

/// Every function that there is and that a text can name.
pub static FUNCTIONS: LazyLock<Vec<Function>> = LazyLock::new(|| {
    let catalog = Catalog::default();
    let provider = Provider::new(&catalog);
    let scalars = provider.udf_names().into_iter();
    let scalars = scalars.filter_map(|name| {
        let udf = provider.get_function_meta(&name)?;
        Some((name, Sort::Scalar(udf)))
    });
    let aggregates = provider.udaf_names().into_iter().filter_map(|name| {
        let udf = provider.get_aggregate_meta(&name)?;
        Some((name, Sort::Aggregate(udf)))
    });
    let windows = provider.udwf_names().into_iter().filter_map(|name| {
        let udf = provider.get_window_meta(&name)?;
        Some((name, Sort::Window(udf)))
    });
    let all = scalars.chain(aggregates).chain(windows);
    let can_be_named = |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let all = all.filter(|(name, _)| can_be_named(name) && !name.starts_with('_'));
    let all =
        all.filter(|(name, _)| !["make_array", "named_struct", "get_field"].contains(&&name[..]));
    all.map(|(name, sort)| Function { name, sort, taken: OnceLock::new() }).collect()
});

/// Longer lists that are tried.
const TRIES: u64 = 160;

impl Function {
    pub fn upper(&self) -> String {
        self.name.to_uppercase()
    }

    /// Types of arguments that it takes; each number of arguments is as likely as the others.
    pub fn arguments(&self, dice: &mut Dice) -> Vec<Ty> {
        let taken = self.taken.get_or_init(|| self.tried());
        let most = taken.iter().map(Vec::len).max().unwrap_or_default();
        let lengths: Vec<usize> =
            (0..=most).filter(|n| taken.iter().any(|t| t.len() == *n)).collect();
        if lengths.is_empty() {
            return (0..dice.below(4)).map(|_| dice.pick(&TYPES).0).collect();
        }
        let length = *dice.pick(&lengths);
        let of: Vec<&Vec<Ty>> = taken.iter().filter(|t| t.len() == length).collect();
        dice.pick(&of).to_vec()
    }

    /// All lists of up to two types, and some that are longer.
    fn tried(&self) -> Vec<Vec<Ty>> {
        let types = TYPES.map(|(ty, ..)| ty);
        let mut lists: Vec<Vec<Ty>> = vec![Vec::new()];
        for one in types {
            lists.push(vec![one]);
            lists.extend(types.map(|other| vec![one, other]));
        }
        let mut dice = Dice::new(1);
        for _ in 0..TRIES {
            // Functions want texts and numbers more than anything else.
            let among = *dice.pick(&[2, 5, types.len()]);
            let common = [Ty::Text, Ty::Int, Ty::Long, Ty::Bool, Ty::Double];
            let among = if among > 5 { &types[..] } else { &common[..among] };
            lists.push((0..3 + dice.below(2)).map(|_| *dice.pick(among)).collect());
        }
        lists.retain(|list| self.takes(list));
        lists
    }

    fn takes(&self, types: &[Ty]) -> bool {
        let fields: Vec<FieldRef> = types.iter().map(|ty| field(*ty)).collect();
        match &self.sort {
            Sort::Scalar(udf) => fields_with_udf(&fields, udf.as_ref()).is_ok_and(|fields| {
                let constants = vec![None; fields.len()];
                let args = ReturnFieldArgs { arg_fields: &fields, scalar_arguments: &constants };
                udf.return_field_from_args(args).is_ok()
            }),
            Sort::Aggregate(udf) => fields_with_udf(&fields, udf.as_ref()).is_ok(),
            Sort::Window(udf) => fields_with_udf(&fields, udf.as_ref()).is_ok(),
        }
    }
}

fn field(ty: Ty) -> FieldRef {
    Arc::new(sql_type(ty).field("a", true))
}

fn sql_type(ty: Ty) -> SqlType {
    let nullable = |ty| Nullable { ty, nullable: true };
    let named = |name: &str, ty| RowField { name: name.into(), ty: nullable(ty) };
    let row = || SqlType::Row(vec![named("p", SqlType::Int), named("q", SqlType::STRING)]);
    match ty {
        Ty::Int => SqlType::Int,
        Ty::Long => SqlType::BigInt,
        Ty::Double => SqlType::Double,
        Ty::Decimal => SqlType::Decimal(10, 2),
        Ty::Text => SqlType::STRING,
        Ty::Bool => SqlType::Boolean,
        Ty::Date => SqlType::Date,
        Ty::Time => SqlType::Time(0),
        Ty::Moment => SqlType::Timestamp(3),
        Ty::Zoned => SqlType::TimestampLtz(3),
        Ty::Bytes => SqlType::BYTES,
        Ty::Ints => SqlType::Array(Box::new(nullable(SqlType::Int))),
        Ty::Texts => SqlType::Array(Box::new(nullable(SqlType::STRING))),
        Ty::Map => {
            SqlType::Map(Box::new(nullable(SqlType::STRING)), Box::new(nullable(SqlType::Int)))
        }
        Ty::Row => row(),
        Ty::Rows => SqlType::Array(Box::new(nullable(row()))),
    }
}
