//! `brooklet dlq list|show|replay FILE`: records that were set aside.

use std::path::PathBuf;

use arrow::array::RecordBatch;
use clap::{Subcommand, ValueEnum};

use brooklet_core::Result;
use brooklet_pipeline::Compiled;
use brooklet_pipeline::letters::{self, Asked, Groups, Outcome, Places, REJECTED, Wanted};
use brooklet_plan::letters::LetterKind;

use crate::files::compile_files;
use crate::logging::Console;
use crate::rows;
use crate::text::count;

#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// How many records were set aside, by source table, kind, reason and place.
    List {
        #[command(flatten)]
        which: Which,
        #[arg(long, value_enum, default_value = "table")]
        format: Format,
    },
    /// The records themselves: position, reason, node, bytes as text or in hex.
    Show {
        #[command(flatten)]
        which: Which,
        /// At most so many.
        #[arg(long, default_value_t = 20)]
        limit: usize,
        #[arg(long, value_enum, default_value = "table")]
        format: Format,
    },
    /// Gives records to the running pipeline, or to its next start, once more: each exactly once,
    /// however often this is repeated.
    Replay {
        #[command(flatten)]
        which: Which,
        /// At most so many.
        #[arg(long)]
        limit: Option<usize>,
        /// Also those that were replayed before.
        #[arg(long)]
        again: bool,
        /// Only says what would be done.
        #[arg(long)]
        dry_run: bool,
    },
}

#[derive(clap::Args)]
struct Which {
    /// The pipeline's SQL files: they say where records are set aside.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Only those of this source table, or refused rows of this table that is written.
    #[arg(long, value_name = "TABLE")]
    table: Option<String>,
    /// Only dead letters, only late records, or only rows that a database refused.
    #[arg(long, value_enum)]
    kind: Option<Kind>,
    /// Only those whose reason holds this text.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    Dead,
    Late,
    Rejected,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Table,
    /// One object a row.
    Jsonl,
}

impl Which {
    fn compiled(&self) -> Result<Compiled> {
        compile_files(&self.files)
    }
    fn wanted(&self, limit: Option<usize>) -> Wanted {
        Wanted {
            table: self.table.clone(),
            kind: self.kind.map(|kind| match kind {
                Kind::Dead => LetterKind::Dead.name().to_string(),
                Kind::Late => LetterKind::Late.name().to_string(),
                Kind::Rejected => REJECTED.to_string(),
            }),
            reason: self.reason.clone(),
            limit,
        }
    }
}

pub async fn run(args: Args, console: Console) -> Result<()> {
    match args.what {
        What::List { which, format } => list(&which, format, console).await,
        What::Show { which, limit, format } => show(&which, limit, format, console).await,
        What::Replay { which, limit, again, dry_run } => {
            let compiled = which.compiled()?;
            let asked = Asked { again, dry_run };
            let outcome = letters::replay(&compiled, &which.wanted(limit), asked).await?;
            lines(&outcome, dry_run).iter().for_each(|line| console.say(line));
            Ok(())
        }
    }
}

async fn list(which: &Which, format: Format, console: Console) -> Result<()> {
    let (compiled, wanted) = (which.compiled()?, which.wanted(None));
    let places = places(&compiled, &wanted, console)?;
    let before = letters::before(&compiled).await?;
    let mut groups = Groups::default();
    places.each(&compiled, &wanted, &mut |at, letter| groups.add(at, &letter, &before)).await?;
    print(format, groups.rows()?)
}

async fn show(which: &Which, limit: usize, format: Format, console: Console) -> Result<()> {
    let (compiled, wanted) = (which.compiled()?, which.wanted(Some(limit)));
    let places = places(&compiled, &wanted, console)?;
    let (mut found, mut more) = (Vec::new(), 0);
    let mut take = |_: &str, letter| match found.len() < limit {
        true => found.push(letter),
        false => more += 1,
    };
    places.each(&compiled, &wanted, &mut take).await?;
    print(format, letters::letters(&found)?)?;
    if more > 0 {
        console.say(&format!("and {} more: --limit shows them", count(more)));
    }
    Ok(())
}

/// Where letters are; what cannot be read is said.
fn places(compiled: &Compiled, wanted: &Wanted, console: Console) -> Result<Places> {
    let places = Places::of(compiled, wanted)?;
    places.elsewhere.iter().for_each(|line| console.say(line));
    Ok(places)
}

fn print(format: Format, rows: Option<RecordBatch>) -> Result<()> {
    let format = match format {
        Format::Table => rows::Format::Table,
        Format::Jsonl => rows::Format::Jsonl,
    };
    rows::print_rows(format, rows.as_slice())
}

/// What a request did, in words.
fn lines(outcome: &Outcome, dry_run: bool) -> Vec<String> {
    let will = if dry_run { "would be" } else { "are" };
    let mut lines: Vec<String> = outcome
        .replayed
        .iter()
        .map(|(table, n)| format!("{table}: {} {will} read again", count(*n as u64)))
        .collect();
    if outcome.replayed.is_empty() {
        lines.push("nothing to replay".to_string());
    }
    if outcome.before > 0 {
        let n = count(outcome.before as u64);
        lines.push(format!("{n} were replayed before (--again repeats them)"));
    }
    for (why, n) in &outcome.left {
        lines.push(format!("{} are left: {why}", count(*n as u64)));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_says_what_it_did() {
        let mut outcome = Outcome::default();
        assert_eq!(lines(&outcome, false), ["nothing to replay"]);
        outcome.replayed.insert("t".into(), 1_200);
        outcome.before = 3;
        outcome.left.insert("late".into(), 1);
        let said = lines(&outcome, true);
        assert_eq!(said[0], "t: 1,200 would be read again");
        assert_eq!(said[1], "3 were replayed before (--again repeats them)");
        assert_eq!(said[2], "1 are left: late");
    }
}
