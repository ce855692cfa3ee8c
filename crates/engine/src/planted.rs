//! Mistakes on purpose: a test turns one on for its own thread and shows that it is found.
//!
//! Builds without debug assertions have none of it.

/// What can be done wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mistake {
    /// Sinks hear of epochs before the records are durable (against I2).
    RecordAfterSinks,
    /// A snapshot of what changed lacks a changed row (against I4).
    ForgottenRow,
    /// Recovery passes over the newest record of the journal (against I5).
    SkippedRecord,
    /// An exchange deals one epoch's rows of a key elsewhere than the state's dealing says.
    Misdealt,
    /// Rows that came through an exchange are not put back into their order of arrival.
    Unsorted,
}

#[cfg(debug_assertions)]
thread_local! {
    static PLANTED: std::cell::Cell<Option<Mistake>> = const { std::cell::Cell::new(None) };
}

/// Makes a mistake on this thread from now on, or none.
#[cfg(debug_assertions)]
pub fn plant(mistake: Option<Mistake>) {
    PLANTED.set(mistake);
}

#[cfg(debug_assertions)]
#[inline]
pub fn has(mistake: Mistake) -> bool {
    PLANTED.get() == Some(mistake)
}

#[cfg(not(debug_assertions))]
#[inline]
pub fn has(_: Mistake) -> bool {
    false
}
