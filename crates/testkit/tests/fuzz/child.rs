//! The process that plans texts, one line of answer for each.
//!
//! It reads from its input a seed a line, or `text N` and N bytes. It answers `fuzz: ` and: the
//! outcome's word, the kind, and the words of what was planned or why it was not.

use std::io::{BufRead, Read, Write};

use rustix::process::{Resource, Rlimit, setrlimit};

use crate::cases::{self, Case, Kind};
use crate::check::{Outcome, check, keep_panics};

/// Set for a child.
pub const ROLE: &str = "FUZZ_CHILD";
pub const ANSWER: &str = "fuzz: ";

/// Memory of a child; a plan of any of these texts needs a small part of it.
const BYTES: u64 = 6 << 30;

pub fn run() {
    if std::env::var_os(ROLE).is_none() {
        return;
    }
    let limit = Rlimit { current: Some(BYTES), maximum: Some(BYTES) };
    setrlimit(Resource::As, limit).expect("memory can be limited");
    keep_panics();
    // What a thread has that plans and runs pipelines.
    let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(answer_all);
    thread.expect("a thread can be started").join().expect("panics are caught");
}

fn answer_all() {
    let mut input = std::io::stdin().lock();
    let mut line = String::new();
    loop {
        line.clear();
        if input.read_line(&mut line).expect("the parent writes text") == 0 {
            return;
        }
        let case = match line.trim().strip_prefix("text ") {
            None => cases::of_seed(line.trim().parse().expect("a seed")),
            Some(length) => {
                let mut text = vec![0; length.parse().expect("a length")];
                input.read_exact(&mut text).expect("the text follows");
                Case { kind: Kind::Query, text: String::from_utf8_lossy(&text).into_owned() }
            }
        };
        answer(&check(&case.text), &case);
    }
}

fn answer(outcome: &Outcome, case: &Case) {
    let (word, why) = match outcome {
        Outcome::Planned => ("planned", case.words()),
        Outcome::Panicked(why) => ("panicked", why.replace('\n', " ")),
        Outcome::Bug(why) => ("bug", why.replace('\n', " ")),
        Outcome::Refused(why) => ("refused", why.replace('\n', " ")),
        Outcome::Died(_) | Outcome::Endless => unreachable!("the process is there to say so"),
    };
    let mut out = std::io::stdout().lock();
    writeln!(out, "\n{ANSWER}{word} {} {why}", case.kind.word()).expect("the parent reads");
    out.flush().expect("the parent reads");
}
