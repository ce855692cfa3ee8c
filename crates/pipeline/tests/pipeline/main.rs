//! Whole pipelines from SQL text, on files and on tables inside the process.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "helpers of tests, real time")]

mod dead;
mod late;
mod left;
mod python;
mod replay;
mod row_error;
mod run;
