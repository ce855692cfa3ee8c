//! Whole pipelines from SQL text, on files and on tables inside the process.

mod dead;
mod late;
mod row_error;
mod run;
