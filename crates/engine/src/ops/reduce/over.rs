//! OVER: each row with what is computed from the rows around it.
//!
//! [`timed`] orders rows by event time or arrival and gives each once; which of them come too late
//! is said by [`late`]. [`sorted`] orders them by columns and computes a key anew with every
//! change. Both hand the rows of their keys to [`compute`], which finds each row's [`frame`] and
//! moves it over the rows ([`slide`]).

mod compute;
mod frame;
mod late;
mod slide;
mod sorted;
mod timed;

use brooklet_core::{Error, Result};
use brooklet_plan::node::ReduceKind;
use brooklet_plan::over::{OverOrder, OverSpec};

use super::ReduceArgs;
use crate::ops::Operator;

/// The operator of an OVER spec.
pub fn build(args: ReduceArgs<'_>) -> Result<Box<dyn Operator>> {
    Ok(match &spec(&args)?.order {
        OverOrder::Rowtime(_) | OverOrder::Proctime => Box::new(timed::TimedOver::new(args)?),
        OverOrder::Sorted(_) => Box::new(sorted::SortedOver::new(args)?),
    })
}

fn spec<'a>(args: &ReduceArgs<'a>) -> Result<&'a OverSpec> {
    match &args.spec.kind {
        ReduceKind::Over(spec) => Ok(spec),
        _ => Err(Error::bug("OVER is made for an OVER spec")),
    }
}

#[cfg(test)]
mod tests;
