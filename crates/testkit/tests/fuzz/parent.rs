//! Gives seeds to a child process and says what became of each.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use crate::cases::{self, Kind};
use crate::check::{Outcome, place, shape};
use crate::child::{ANSWER, ROLE};
use crate::{PATIENCE, smaller};

/// Failures after which a run ends.
const ENOUGH: usize = 12;

/// What came of many seeds.
#[derive(Default)]
pub struct Fuzzed {
    /// By kind: seeds, and those of them that were planned.
    counts: BTreeMap<Kind, (u64, u64)>,
    /// Key words and functions of what was planned.
    words: BTreeSet<String>,
    /// How often a kind was refused for a reason.
    reasons: BTreeMap<(Kind, String), u64>,
    /// By what tells one failure from another: its seed, and how it shows.
    failures: BTreeMap<String, (u64, Outcome)>,
}

/// Tries seeds; for so long, if that is said.
pub fn fuzz(seeds: impl Iterator<Item = u64>, time: Option<Duration>) -> Fuzzed {
    #[allow(clippy::disallowed_methods, reason = "the length of the run")]
    let clock = std::time::Instant::now();
    let (mut fuzzed, mut child, mut told) = (Fuzzed::default(), None, 0);
    for seed in seeds {
        if time.is_some_and(|time| clock.elapsed() > time) || fuzzed.failures.len() >= ENOUGH {
            break;
        }
        if clock.elapsed().as_secs() / 60 > told {
            told = clock.elapsed().as_secs() / 60;
            println!("{told} minutes\n{fuzzed}");
        }
        let running = child.get_or_insert_with(Running::start);
        let (outcome, said) = running.ask(&format!("{seed}\n"), PATIENCE);
        if matches!(outcome, Outcome::Died(_) | Outcome::Endless) {
            child = None;
        }
        fuzzed.note(seed, outcome, &said);
    }
    fuzzed
}

/// What becomes of one text, in a process of its own.
pub fn one(text: &str, patience: Duration) -> Outcome {
    Running::start().text(text, patience)
}

impl Fuzzed {
    fn note(&mut self, seed: u64, outcome: Outcome, said: &str) {
        let mut said = said.splitn(2, ' ');
        let kind = said.next().and_then(Kind::of_word);
        let kind = kind.unwrap_or_else(|| cases::of_seed(seed).kind);
        let count = self.counts.entry(kind).or_default();
        count.0 += 1;
        if outcome == Outcome::Planned {
            count.1 += 1;
            let words = said.next().unwrap_or_default().split_whitespace();
            self.words.extend(words.map(str::to_string));
        }
        if let Outcome::Refused(why) = &outcome {
            *self.reasons.entry((kind, shape(why))).or_default() += 1;
        }
        if outcome.is_failure() {
            let known = match &outcome {
                Outcome::Panicked(what) => place(what).to_string(),
                Outcome::Bug(what) => shape(what),
                other => format!("{other:?} {kind:?}"),
            };
            if !self.failures.contains_key(&known) {
                println!("seed {seed}: {outcome:?}");
            }
            self.failures.entry(known).or_insert((seed, outcome));
        }
    }

    /// The share of a kind's seeds that were planned.
    pub fn accepted(&self, kind: Kind) -> f64 {
        let (all, planned) = self.counts.get(&kind).copied().unwrap_or_default();
        planned as f64 / all.max(1) as f64
    }

    /// The share of all seeds that were planned.
    pub fn accepted_of_all(&self) -> f64 {
        let (all, planned) = self.counts.values().fold((0, 0), |(a, p), (b, q)| (a + b, p + q));
        planned as f64 / all.max(1) as f64
    }

    pub fn never_planned<'a>(&self, words: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
        words.filter(|word| !self.words.contains(*word)).collect()
    }

    /// What kinds are refused for most often.
    pub fn most_refused(&self, kinds: &[Kind], count: usize) -> String {
        let mut most: Vec<_> =
            self.reasons.iter().filter(|((k, _), _)| kinds.contains(k)).collect();
        most.sort_by_key(|(_, times)| std::cmp::Reverse(**times));
        let most = most.into_iter().take(count);
        most.map(|((kind, why), times)| format!("{times:6} {}: {why}\n", kind.word())).collect()
    }

    pub fn assert_nothing_failed(&self) {
        let mut report = String::new();
        for (seed, outcome) in self.failures.values() {
            let small = smaller::smaller(&cases::of_seed(*seed).text, outcome);
            report += &format!("\n---- FUZZ_SEED={seed} make fuzz: {outcome:?}\n{small}\n");
        }
        assert!(report.is_empty(), "{} failures{report}", self.failures.len());
    }
}

impl fmt::Display for Fuzzed {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let percent = |all: u64, planned: u64| planned * 100 / all.max(1);
        let (mut texts, mut plans) = (0, 0);
        for (kind, (all, planned)) in &self.counts {
            (texts, plans) = (texts + all, plans + planned);
            let share = percent(*all, *planned);
            writeln!(f, "{kind:?}: {all} texts, {planned} of them planned, {share} %")?;
        }
        let share = percent(texts, plans);
        writeln!(f, "All: {texts} texts, {plans} of them planned, {share} %")?;
        write!(f, "{} failures", self.failures.len())
    }
}

/// A child, and its answers.
pub struct Running {
    child: Child,
    input: ChildStdin,
    answers: Receiver<String>,
}

impl Running {
    pub fn start() -> Running {
        let program = std::env::current_exe().expect("a test is a program");
        let mut child = Command::new(program)
            .args(["--exact", "child", "--ignored", "--nocapture", "--test-threads=1"])
            .env(ROLE, "1")
            .env("RUST_BACKTRACE", "0")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a child can be started");
        let input = child.stdin.take().expect("stdin is piped");
        let output = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let (sender, answers) = channel();
        #[allow(clippy::disallowed_methods, reason = "a pipe is waited for with a limit")]
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if let Some(answer) = line.strip_prefix(ANSWER) {
                    let _ = sender.send(answer.to_string());
                }
            }
        });
        Running { child, input, answers }
    }

    pub fn text(&mut self, text: &str, patience: Duration) -> Outcome {
        self.ask(&format!("text {}\n{text}", text.len()), patience).0
    }

    /// The outcome, and what was said beside it. After an end or a wait the child is gone.
    fn ask(&mut self, question: &str, patience: Duration) -> (Outcome, String) {
        let written = self.input.write_all(question.as_bytes()).and_then(|()| self.input.flush());
        let answer = self.answers.recv_timeout(patience);
        let answer = match (written, answer) {
            (Ok(()), Ok(answer)) => answer,
            (Ok(()), Err(RecvTimeoutError::Timeout)) => {
                self.end();
                return (Outcome::Endless, String::new());
            }
            _ => {
                let status = self.child.wait().map(|s| s.to_string()).unwrap_or_default();
                return (Outcome::Died(status), String::new());
            }
        };
        let (word, said) = answer.split_once(' ').unwrap_or((&answer, ""));
        let why = said.split_once(' ').map_or("", |s| s.1).to_string();
        let outcome = match word {
            "planned" => Outcome::Planned,
            "refused" => Outcome::Refused(why),
            "bug" => Outcome::Bug(why),
            _ => Outcome::Panicked(why),
        };
        (outcome, said.to_string())
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}
