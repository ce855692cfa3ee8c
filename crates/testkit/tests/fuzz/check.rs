//! One text through parser, binder, planner and the building of operators.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use brooklet_engine::build::operator;
use brooklet_pipeline::compile::{Compiled, SqlFile, compile};
use brooklet_plan::explain;

/// What became of a text.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It has a plan.
    Planned,
    /// An error says what is wrong with it.
    Refused,
    /// Where and with which message.
    Panicked(String),
    /// The process ended, as it does when the stack or the memory is used up.
    Died(String),
    /// It took too long.
    Endless,
}

impl Outcome {
    pub fn is_failure(&self) -> bool {
        !matches!(self, Outcome::Planned | Outcome::Refused)
    }

    /// Whether two failures are likely the same one.
    pub fn is_like(&self, other: &Outcome) -> bool {
        match (self, other) {
            (Outcome::Panicked(a), Outcome::Panicked(b)) => place(a) == place(b),
            (a, b) => std::mem::discriminant(a) == std::mem::discriminant(b),
        }
    }
}

/// `file:line` of a panic's text.
pub fn place(panic: &str) -> &str {
    panic.split_once(' ').map_or(panic, |(place, _)| place)
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
        Ok(true) => Outcome::Planned,
        Ok(false) => Outcome::Refused,
        Err(_) => Outcome::Panicked(LAST_PANIC.with_borrow(String::clone)),
    }
}

/// Whether a text has a plan that could run.
fn planned(text: &str) -> bool {
    planted(text);
    let file = SqlFile { text: text.to_string(), name: "fuzz.sql".into() };
    match compile(&[file], &value) {
        Ok(compiled) => built(&compiled),
        Err(error) => {
            assert!(!error.to_string().is_empty(), "an error without a word");
            false
        }
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

fn built(compiled: &Compiled) -> bool {
    let queries = compiled.selects.iter().chain(&compiled.explained);
    let mut all = true;
    for plan in std::iter::once(&compiled.plan).chain(queries) {
        explain::text(plan);
        for id in 0..plan.nodes.len() {
            all &= operator(plan, id).is_ok();
        }
    }
    all
}

/// What the fuzzer must be able to find.
fn planted(text: &str) {
    if text.contains("'planted panic'") {
        panic!("planted");
    }
    if text.contains("'planted overflow'") {
        deeper(0);
    }
    while text.contains("'planted wait'") {
        std::thread::yield_now();
    }
}

#[allow(unconditional_recursion, reason = "planted")]
fn deeper(depth: u64) -> u64 {
    let kept = std::hint::black_box([depth; 64]);
    deeper(depth + 1) + kept[1]
}
