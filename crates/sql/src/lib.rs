//! Flink SQL to a streaming plan.
//!
//! In the order a text meets them: [`placeholders`] variables replaced, [`parse`] text to
//! statements, [`session`] what they create, set and want to run, [`hints`] what their
//! hints mean, [`catalog`] tables and views,
//! [`query`] queries to logical plans, [`shown`] what SHOW and DESCRIBE answer,
//! [`served`] those that are asked over HTTP; [`fault`] what is wrong with the text and where.

pub mod catalog;
pub mod fault;
mod hints;
pub mod lower;
pub mod parse;
pub mod placeholders;
pub mod planner;
pub mod query;
pub mod served;
pub mod session;
pub mod shown;
