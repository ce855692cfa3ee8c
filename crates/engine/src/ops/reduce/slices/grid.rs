//! Where the slices of HOP and CUMULATE lie, and which windows they are part of.

use brooklet_core::time::Millis;
use brooklet_core::{Error, Result};
use brooklet_plan::node::WindowKind;

use crate::ops::map::floor;

/// Slices are as long as the step between two windows.
#[derive(Debug, Clone, Copy)]
pub struct Grid {
    size: Millis,
    step: Millis,
    offset: Millis,
    /// Windows of one start grow, instead of moving on.
    cumulates: bool,
}

impl Grid {
    pub fn of(kind: WindowKind) -> Result<Self> {
        let (size, step, offset, cumulates) = match kind {
            WindowKind::Hop { size, slide, offset } => (size, slide, offset, false),
            WindowKind::Cumulate { size, step, offset } => (size, step, offset, true),
            WindowKind::Tumble { .. } => return Err(Error::bug("TUMBLE has no slices")),
        };
        match size % step {
            0 => Ok(Grid { size, step, offset, cumulates }),
            _ => Err(Error::bug("slices do not fill their window")),
        }
    }

    /// The start of the window that ends here.
    pub fn start(&self, end: Millis) -> Millis {
        match self.cumulates {
            true => floor(end - 1, self.size, self.offset),
            false => end - self.size,
        }
    }

    /// The end of the last window that a slice is part of. The first one ends where it does.
    pub fn last_window(&self, slice: Millis) -> Millis {
        match self.cumulates {
            true => self.start(slice) + self.size,
            false => slice - self.step + self.size,
        }
    }

    /// The end of a slice's last window that ends here or before.
    pub fn newest_window(&self, slice: Millis, at: Millis) -> Option<Millis> {
        let at = at.min(self.last_window(slice));
        (at >= slice).then(|| slice + (at - slice) / self.step * self.step)
    }

    /// The end of a slice's first window that ends after this.
    pub fn first_window(&self, slice: Millis, after: Millis) -> Millis {
        self.newest_window(slice, after).map_or(slice, |end| end + self.step)
    }

    /// The ends of windows from one to another.
    pub fn windows(&self, first: Millis, last: Millis) -> impl Iterator<Item = Millis> + use<> {
        let step = self.step;
        std::iter::successors(Some(first), move |end| end.checked_add(step))
            .take_while(move |end| *end <= last)
    }

    pub fn merges_latest_first(&self) -> bool {
        !self.cumulates
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOP: WindowKind = WindowKind::Hop { size: 10, slide: 2, offset: 1 };
    const CUMULATE: WindowKind = WindowKind::Cumulate { size: 10, step: 5, offset: 0 };

    #[test]
    fn slices_of_hop_are_part_of_windows_that_move_on() {
        let grid = Grid::of(HOP).unwrap();
        assert_eq!((grid.start(3), grid.last_window(3)), (-7, 11));
        assert_eq!(grid.newest_window(3, 2), None);
        assert_eq!([3, 4, 5, 99].map(|at| grid.newest_window(3, at).unwrap()), [3, 3, 5, 11]);
        assert_eq!([i64::MIN, 3, 4, 5].map(|after| grid.first_window(3, after)), [3, 5, 5, 7]);
        assert_eq!(grid.windows(3, 8).collect::<Vec<_>>(), [3, 5, 7]);
    }

    #[test]
    fn slices_of_cumulate_are_part_of_windows_that_grow() {
        let grid = Grid::of(CUMULATE).unwrap();
        assert_eq!([5, 10].map(|end| grid.start(end)), [0, 0]);
        assert_eq!([5, 10].map(|slice| grid.last_window(slice)), [10, 10]);
        assert_eq!(grid.windows(grid.first_window(10, 10), 10).count(), 0);
    }

    #[test]
    fn tumble_has_none() {
        assert!(Grid::of(WindowKind::Tumble { size: 1, offset: 0 }).is_err());
    }
}
