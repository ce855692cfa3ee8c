//! Where the demo's rows appear: a table drawn in place on a terminal, lines elsewhere.
#![allow(clippy::disallowed_methods, reason = "showing rows decides nothing")]

use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use brooklet_pipeline::{Progress, Status};

use super::board::{Board, HEADER};
use crate::progress::read_of;
use crate::text::{bytes, count};

/// Between two drawings.
const FRAME: Duration = Duration::from_millis(100);

/// stdout. Clones share it.
#[derive(Clone)]
pub struct Screen {
    board: Arc<Mutex<Board>>,
    /// Drawn in place; otherwise rows are lines as they come.
    terminal: bool,
    /// Lines of the last drawing, or whether the header was written.
    drawn: Arc<Mutex<usize>>,
    /// Goes on with an earlier demo, whose rows are not on the board.
    resumed: Arc<AtomicBool>,
}

impl Screen {
    pub fn new(board: Arc<Mutex<Board>>) -> Screen {
        let terminal = std::io::stdout().is_terminal();
        Screen { board, terminal, drawn: Arc::default(), resumed: Arc::default() }
    }

    /// An earlier demo goes on.
    pub fn resume(&self) {
        self.resumed.store(true, Ordering::Release);
    }

    /// New rows, written at once unless the table shows them.
    pub fn lines(&self, lines: &[String]) {
        if self.terminal || lines.is_empty() {
            return;
        }
        let mut drawn = self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::new();
        if *drawn == 0 {
            *drawn = 1;
            text.push_str(HEADER);
            text.push('\n');
        }
        for line in lines {
            text.push_str(line);
            text.push('\n');
        }
        write(&text);
    }

    /// Draws the table again and again, on a terminal.
    pub fn watch(self, status: Status) -> tokio::task::JoinHandle<()> {
        tokio::spawn(async move {
            if !self.terminal {
                return;
            }
            loop {
                tokio::time::sleep(FRAME).await;
                self.draw(&status.read());
            }
        })
    }

    /// The last word: the table as it is at the end.
    pub fn finish(&self, progress: &Progress) {
        if self.terminal {
            self.draw(progress);
            return;
        }
        let board = self.board.lock().unwrap_or_else(PoisonError::into_inner);
        let account = self.account(&board, progress);
        let lines = [vec![String::new()], board.table(), account].concat();
        write(&(lines.join("\n") + "\n"));
    }

    fn draw(&self, progress: &Progress) {
        let board = self.board.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = [board.table(), self.account(&board, progress)].concat();
        drop(board);
        let mut drawn = self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::new();
        if *drawn > 0 {
            text.push_str(&format!("\x1b[{drawn}F"));
        }
        // Long lines are cut at the edge instead of moving everything below them.
        text.push_str("\x1b[?7l");
        for line in &lines {
            text.push_str(&format!("{line}\x1b[K\n"));
        }
        text.push_str("\x1b[J\x1b[?7h");
        *drawn = lines.len();
        write(&text);
    }

    /// What became of every event.
    fn account(&self, board: &Board, p: &Progress) -> Vec<String> {
        let (read, repeated, invalid) =
            (read_of(p), p.sum(|c| c.duplicates), p.sum(|c| c.filtered));
        let gone = format!(
            "{} repeated, {} not valid, {} late",
            count(repeated),
            count(invalid),
            count(p.late)
        );
        let (rows, events) = (count(board.minutes()), count(board.events()));
        let events = match self.resumed.load(Ordering::Acquire) {
            true => format!("{gone}; since this start {rows} rows of {events} events"),
            false => {
                let open = read.saturating_sub(board.events() + repeated + invalid + p.late);
                let open = count(open);
                format!("{events} counted in {rows} rows, {gone}, {open} in minutes still open")
            }
        };
        vec![
            String::new(),
            format!("{} events read: {events}", count(read)),
            format!("state {}, epoch {} committed", bytes(p.state_bytes), p.committed),
        ]
    }
}

fn write(text: &str) {
    let mut out = std::io::stdout().lock();
    // A reader that has gone is no reason to stop: the files are written all the same.
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}
