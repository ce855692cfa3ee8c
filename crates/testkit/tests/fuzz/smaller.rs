//! Cuts a text down to the tokens that its failure needs.

use std::time::Duration;

use crate::check::Outcome;
use crate::mutated::tokens;
use crate::parent::Running;

/// What a text may take while it is cut down.
const PATIENCE: Duration = Duration::from_secs(10);

/// Texts that are tried for one failure.
fn tries(failure: &Outcome) -> usize {
    match failure {
        Outcome::Panicked(_) | Outcome::Bug(_) => 400,
        // Each of them costs a process, or the time that it may take.
        Outcome::Died(_) => 100,
        _ => 20,
    }
}

/// Halves, quarters … of the text are left out as long as it fails alike.
pub fn smaller(text: &str, failure: &Outcome) -> String {
    let mut kept: Vec<String> = tokens(text).into_iter().map(str::to_string).collect();
    let mut child = Running::start();
    let (mut tried, mut size) = (0, kept.len().div_ceil(2));
    while size > 0 && tried < tries(failure) {
        let (mut at, mut found) = (0, false);
        while at < kept.len() && tried < tries(failure) {
            let end = (at + size).min(kept.len());
            let without = [&kept[..at], &kept[end..]].concat();
            tried += 1;
            let outcome = child.text(&without.concat(), PATIENCE);
            if matches!(outcome, Outcome::Died(_) | Outcome::Endless) {
                child = Running::start();
            }
            match outcome.is_failure() && outcome.is_like(failure) {
                true => (kept, found) = (without, true),
                false => at = end,
            }
        }
        if !(found && size == 1) {
            size /= 2;
        }
    }
    kept.concat()
}
