//! The open session windows of each key, and what a round of rows makes of them.

use std::collections::BTreeMap;

use brooklet_core::time::Millis;
use hashbrown::HashMap;

/// Derived from the table of windows.
pub struct Open {
    gap: Millis,
    /// By encoded key.
    windows: HashMap<Box<[u8]>, Vec<Window>, foldhash::fast::FixedState>,
    round: u64,
    /// The windows that the rows of this round fell into; those that became part of another
    /// point to it.
    touched: Vec<Touched>,
    /// Of each row in time: the row and its entry in `touched`.
    rows: Vec<(u32, u32)>,
    late: Vec<u32>,
}

struct Window {
    start: Millis,
    end: Millis,
    /// Its entry in `touched`, if it is of this round.
    at: u32,
    round: u64,
}

struct Touched {
    /// The entry that it became part of, or itself.
    into: u32,
    start: Millis,
    end: Millis,
    /// Where the window started when the round began; None if it is new.
    was: Option<Millis>,
}

/// Where the rows of a round belong.
pub struct Places {
    pub on_time: Vec<u32>,
    /// Of the rows on time.
    pub starts: Vec<Millis>,
    pub ends: Vec<Millis>,
    pub late: Vec<u32>,
    pub merges: Vec<Merge>,
}

/// A window whose group becomes part of another's: it starts elsewhere now.
pub struct Merge {
    /// A row on time with the windows' key, by its place among those.
    pub row: u32,
    pub from: Millis,
    pub into: Millis,
}

impl Open {
    pub fn new(gap: Millis) -> Self {
        Open {
            gap,
            windows: HashMap::default(),
            round: 0,
            touched: Vec::new(),
            rows: Vec::new(),
            late: Vec::new(),
        }
    }

    pub fn next_round(&mut self) {
        self.round += 1;
        self.touched.clear();
        self.rows.clear();
        self.late.clear();
    }

    /// Adds a row; rows come in the order of their arrival.
    pub fn add(&mut self, key: &[u8], row: u32, time: Millis, late_before: Millis) {
        let (mut start, mut end) = (time, time.saturating_add(self.gap));
        let is_late = end - 1 <= late_before;
        let windows = match self.windows.get_mut(key) {
            Some(windows) => windows,
            None if is_late => return self.late.push(row),
            None => self.windows.entry(key.into()).or_default(),
        };
        let own_end = end;
        let meets = |w: &Window| w.end - 1 > late_before && w.start <= own_end && time <= w.end;
        let Some(first) = windows.iter().position(meets) else {
            if is_late {
                return self.late.push(row);
            }
            let at = self.touched.len() as u32;
            self.touched.push(Touched { into: at, start, end, was: None });
            windows.push(Window { start, end, at, round: self.round });
            return self.rows.push((row, at));
        };
        let target = entry(&mut windows[first], self.round, &mut self.touched);
        (start, end) = (start.min(windows[first].start), end.max(windows[first].end));
        let mut next = first + 1;
        while let Some(window) = windows.get_mut(next) {
            if !meets(window) {
                next += 1;
                continue;
            }
            let other = entry(window, self.round, &mut self.touched);
            self.touched[other as usize].into = target;
            (start, end) = (start.min(window.start), end.max(window.end));
            windows.swap_remove(next);
        }
        (windows[first].start, windows[first].end) = (start, end);
        let target_entry = &mut self.touched[target as usize];
        (target_entry.start, target_entry.end) = (start, end);
        self.rows.push((row, target));
    }

    /// What the rows of this round make of the windows.
    pub fn places(&self) -> Places {
        let mut places = Places {
            on_time: Vec::with_capacity(self.rows.len()),
            starts: Vec::with_capacity(self.rows.len()),
            ends: Vec::with_capacity(self.rows.len()),
            late: self.late.clone(),
            merges: Vec::new(),
        };
        let mut row_of: BTreeMap<u32, u32> = BTreeMap::new();
        for (place, (row, at)) in self.rows.iter().enumerate() {
            let root = self.root(*at);
            let window = &self.touched[root as usize];
            places.on_time.push(*row);
            places.starts.push(window.start);
            places.ends.push(window.end);
            row_of.entry(root).or_insert(place as u32);
        }
        for (at, touched) in self.touched.iter().enumerate() {
            let root = self.root(at as u32);
            let into = self.touched[root as usize].start;
            let (Some(from), Some(row)) = (touched.was, row_of.get(&root)) else { continue };
            if from != into {
                places.merges.push(Merge { row: *row, from, into });
            }
        }
        places
    }

    fn root(&self, mut at: u32) -> u32 {
        while self.touched[at as usize].into != at {
            at = self.touched[at as usize].into;
        }
        at
    }

    /// Forgets the window of a key with that start.
    pub fn remove(&mut self, key: &[u8], start: Millis) {
        if let Some(windows) = self.windows.get_mut(key) {
            windows.retain(|w| w.start != start);
            if windows.is_empty() {
                self.windows.remove(key);
            }
        }
    }

    pub fn clear(&mut self) {
        self.windows.clear();
    }

    /// A window of a snapshot.
    pub fn restore(&mut self, key: &[u8], start: Millis, end: Millis) {
        let window = Window { start, end, at: 0, round: 0 };
        self.windows.entry(key.into()).or_default().push(window);
    }
}

/// The window's entry of this round.
fn entry(window: &mut Window, round: u64, touched: &mut Vec<Touched>) -> u32 {
    if window.round != round {
        window.round = round;
        window.at = touched.len() as u32;
        let Window { start, end, at, .. } = *window;
        touched.push(Touched { into: at, start, end, was: Some(start) });
    }
    window.at
}
