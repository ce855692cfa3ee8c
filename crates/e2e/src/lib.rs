//! What the end-to-end tests share: [`pipeline`] pipelines as processes that are started, killed
//! and asked for their accounts, [`clicks`], [`complaints`], [`devices`], [`page_views`], [`shop`]
//! and [`users`] input with a plain recomputation of what must become of it, [`confluent`] records
//! that name their schema, [`http`] what a process answers, [`outputs`] files that a sink left,
//! [`proxy`] a way to a service that fails on demand.

pub mod clicks;
pub mod complaints;
pub mod confluent;
pub mod devices;
pub mod http;
pub mod outputs;
pub mod page_views;
pub mod pipeline;
pub mod proxy;
pub mod shop;
pub mod users;

/// A size for this machine: `default` times `BROOKLET_E2E_PERCENT` / 100.
pub fn scaled(default: u64) -> u64 {
    let percent = std::env::var("BROOKLET_E2E_PERCENT").ok().map_or(100, |text| {
        text.parse().unwrap_or_else(|_| panic!("BROOKLET_E2E_PERCENT={text} is no number"))
    });
    (default * percent / 100).max(1)
}
