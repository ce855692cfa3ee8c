//! Scalar functions in Python: the files that PyFlink takes, run in processes of their own.
//!
//! [`interpreter`] keeps a pool of worker processes, [`worker`] is one of them, [`function`] is a
//! function as DataFusion sees it, [`values`] carries columns over and back. `worker.py` is the
//! other end; `pyflink.py` stands in for PyFlink's decorators where PyFlink is not installed.
//!
//! Python's standard library is all that a worker needs. Requests and answers are JSON in frames
//! (four bytes of length, big-endian) over the process's stdin and stdout; what functions print
//! goes to stderr.

mod function;
mod interpreter;
#[cfg(test)]
mod tests;
mod values;
mod worker;

pub use function::{Types, function};
pub use interpreter::{Declared, Interpreter};
