//! One text through parser, binder, planner and the building of operators.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use brooklet_core::{Error, ErrorKind};
use brooklet_engine::build::operator;
use brooklet_pipeline::compile::{Compiled, SqlFile, compile};
use brooklet_plan::explain;

/// What became of a text.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It has a plan.
    Planned,
    /// What an error says is wrong with it.
    Refused(String),
    /// The error speaks of a mistake in the program, not in the text.
    Bug(String),
    /// Where and with which message.
    Panicked(String),
    /// The process ended, as it does when the stack or the memory is used up.
    Died(String),
    /// It took too long.
    Endless,
}

impl Outcome {
    pub fn is_failure(&self) -> bool {
        !matches!(self, Outcome::Planned | Outcome::Refused(_))
    }

    /// Whether two failures are likely the same one.
    pub fn is_like(&self, other: &Outcome) -> bool {
        match (self, other) {
            (Outcome::Panicked(a), Outcome::Panicked(b)) => place(a) == place(b),
            (Outcome::Bug(a), Outcome::Bug(b)) => shape(a) == shape(b),
            (a, b) => std::mem::discriminant(a) == std::mem::discriminant(b),
        }
    }
}

/// `file:line` of a panic's text.
pub fn place(panic: &str) -> &str {
    panic.split_once(' ').map_or(panic, |(place, _)| place)
}

/// An error without what differs from text to text: names, numbers, and all behind the first words.
pub fn shape(error: &str) -> String {
    let mut shape = String::new();
    for (n, part) in error.split(['\'', '"', '`']).enumerate() {
        shape += if n % 2 == 0 { part } else { "…" };
    }
    let words = shape.split_whitespace().take(12);
    words.collect::<Vec<_>>().join(" ").replace(|c: char| c.is_ascii_digit(), "#")
}

thread_local! {
    static LAST_PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Panics are kept for [`check`] instead of being shown.
pub fn keep_panics() {
    std::panic::set_hook(Box::new(|info| {
        let place =
            info.location().map_or_else(String::new, |l| format!("{}:{}", l.file(), l.line()));
        let message = info.payload_as_str().unwrap_or("no text");
        LAST_PANIC.with_borrow_mut(|last| *last = format!("{place} {message}"));
    }));
}

/// Plans a text; what is not caught ends the process.
pub fn check(text: &str) -> Outcome {
    match catch_unwind(AssertUnwindSafe(|| planned(text))) {
        Ok(Ok(())) => Outcome::Planned,
        Ok(Err(error)) => refused(&error),
        Err(_) => Outcome::Panicked(LAST_PANIC.with_borrow(String::clone)),
    }
}

/// Ok for a text that has a plan that could run.
fn planned(text: &str) -> Result<(), Error> {
    planted(text)?;
    let file = SqlFile { text: text.to_string(), name: "fuzz.sql".into() };
    let planned = compile(&[file], &value).and_then(|compiled| built(&compiled));
    planned.inspect_err(|e| assert!(!e.to_string().is_empty(), "an error without a word"))
}

/// DataFusion's own word for a mistake that is not the text's.
const INTERNAL: &str = "Internal error";

fn refused(error: &Error) -> Outcome {
    let text = error.to_string();
    let internal = text.lines().find(|line| line.contains(INTERNAL));
    let line = internal.or(text.lines().next()).unwrap_or_default();
    // Without `file:line:column: `.
    let reason = match line.strip_prefix("fuzz.sql:") {
        Some(rest) => rest.splitn(3, ':').last().unwrap_or(rest).trim_start(),
        None => line,
    };
    match error.kind == ErrorKind::Bug || internal.is_some() {
        true => Outcome::Bug(reason.to_string()),
        false => Outcome::Refused(reason.to_string()),
    }
}

/// What `${NAME}` stands for.
fn value(name: &str) -> Option<String> {
    match name {
        "DATA" => Some("/data".into()),
        name if name.starts_with('N') => None,
        _ => Some("1".into()),
    }
}

fn built(compiled: &Compiled) -> Result<(), Error> {
    let queries = compiled.selects.iter().chain(&compiled.explained);
    for plan in std::iter::once(&compiled.plan).chain(queries) {
        explain::text(plan);
        for id in 0..plan.nodes.len() {
            operator(plan, id)?;
        }
    }
    Ok(())
}

/// What the fuzzer must be able to find.
fn planted(text: &str) -> Result<(), Error> {
    if text.contains("'planted panic'") {
        panic!("planted");
    }
    if text.contains("'planted overflow'") {
        deeper(0);
    }
    while text.contains("'planted wait'") {
        std::thread::yield_now();
    }
    match text.contains("'planted bug'") {
        true => Err(Error::bug("planted")),
        false => Ok(()),
    }
}

#[allow(unconditional_recursion, reason = "planted")]
fn deeper(depth: u64) -> u64 {
    let kept = std::hint::black_box([depth; 64]);
    deeper(depth + 1) + kept[1]
}
