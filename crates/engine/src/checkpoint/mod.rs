//! What survives a crash: the [`journal`] of epoch records and [`snapshot`]s of the state, both
//! in a create-only [`store`].
//!
//! A snapshot is a [`manifest`] naming [`segment`]s: one full, then those of what changed.
//! [`instance`] says whose state it is and who may write, [`replays`] which dead letters are to be
//! read again.

pub mod capture;
pub mod instance;
pub mod journal;
pub mod load;
pub mod manifest;
pub mod replays;
pub mod segment;
pub mod snapshot;
pub mod store;
