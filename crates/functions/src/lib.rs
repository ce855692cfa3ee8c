//! Flink's scalar functions and casts over Arrow columns, as DataFusion functions.
//!
//! [`all`] lists the functions, [`IpDatabase::functions`] those over a database of places,
//! [`cast_udf`] makes the cast to a type, [`decimal_operator`] the
//! arithmetic of DECIMALs. Results, types and NULLs are
//! Flink's. The session's time zone is UTC unless another is given.

use std::sync::Arc;

use datafusion::logical_expr::ScalarUDF;

pub use cast::{
    CastError, cast, cast_in, cast_udf, cast_udf_in, castable, loosened_udf, printed, retyped_udf,
};
pub use lookup::ip::{IP_DATABASE, IpDatabase};
pub use number::decimal::{Arithmetic, decimal_operator};
pub use time::zone::Zone;
pub use type_of::type_text;
pub use types::{NULL, common_type};

mod cast;
mod chance;
mod collection;
mod column;
mod conditional;
mod function;
mod hash;
mod json;
mod lookup;
mod number;
mod text;
mod time;
mod type_of;
mod types;

/// Every function that needs nothing beside the program, under its lower-case name.
pub fn all() -> Vec<Arc<ScalarUDF>> {
    all_in(Zone::UTC)
}

/// The same in a session with this time zone.
pub fn all_in(zone: Zone) -> Vec<Arc<ScalarUDF>> {
    [
        text::ALL,
        time::ALL,
        number::ALL,
        conditional::ALL,
        collection::ALL,
        json::ALL,
        lookup::ALL,
        chance::ALL,
        hash::ALL,
    ]
    .concat()
    .into_iter()
    .map(|f| f.udf_in(zone))
    .chain([type_of::udf()])
    .collect()
}

#[cfg(test)]
mod tests;
