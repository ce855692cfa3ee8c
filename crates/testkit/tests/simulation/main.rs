//! A pipeline in a box: the engine's own parts driven by a seed instead of threads.
//!
//! The property: cut epochs anywhere, shard any way, crash at any point, restart at another number
//! of shards; the sum of what the sinks got equals the batch answer, and the accounts those of an
//! undisturbed run. [`driver`] chooses the next step and the next misfortune of [`owner`]s,
//! [`world`] is the clock, chance and the moment of a crash, [`turns`] says who goes on, [`store`]
//! keeps journal and snapshots and fails, [`tables`] are a source's log and a sink's content,
//! [`asked`] what rows are looked up in, [`data`] random rows, [`queries`] and [`windows`] what is
//! run in both dialects, [`batch`] DataFusion's answer, [`rows`] compares, [`coverage`] counts what
//! has been met.
//!
//! The tests: [`points`] every crash point with every feature, [`property`] random cases of
//! [`random`] queries, for as long as wanted, and the planted mistakes; [`live`] the same deaths
//! under the real schedule, [`files`] where files roll, [`kept`] built-in tables, [`takeover`] an
//! old owner that goes on while the next one starts; [`oracle`] questions that a real Flink
//! answered; [`streams`] what batch cannot say.

mod asked;
mod batch;
mod coverage;
mod data;
mod driver;
mod files;
mod kept;
mod live;
mod oracle;
mod owner;
mod points;
mod property;
mod queries;
mod random;
mod rows;
mod store;
mod streams;
mod tables;
mod takeover;
mod turns;
mod windows;
mod world;
