//! The built binary against real Kafka, Postgres, S3 and schema registry: kills, outages, errors.
//!
//! Every test has topics, a database, a bucket and a directory of its own, so that several may run
//! at once. Services come from the environment that `scripts/services.sh` writes; tests that lack
//! what they need are ignored.

mod clicks;
mod devices;
mod dlq;
mod errors;
mod files;
mod http;
mod kafka;
mod lookups;
mod nexmark;
mod outages;
mod partitions;
mod pipelines;
mod reading;
mod records;
mod registry;
mod upserts;

use libtest_mimic::{Arguments, Failed, Trial};

/// Name and body; a body fails by panicking.
type Test = (&'static str, fn());

fn main() {
    let mut args = Arguments::from_args();
    // More than cores: most of a test's time is waiting for services and pauses between kills.
    args.test_threads = args.test_threads.or(Some(4));
    let served = std::env::var_os("BROOKLET_TEST_SERVICES").is_some();
    let python = std::env::var_os(pipelines::shop::PYTHON).is_some();
    let registry = served && std::env::var_os("BROOKLET_TEST_REGISTRY").is_some();
    let groups: [(&str, &[Test], bool); 22] = [
        ("clicks", clicks::TESTS, served),
        ("pipelines::devices", devices::TESTS, served),
        ("pipelines::clicks", pipelines::clicks::TESTS, served),
        ("pipelines::users", pipelines::users::TESTS, served),
        ("pipelines::complaints", pipelines::complaints::TESTS, served),
        ("pipelines::complaints", pipelines::complaints::TESTS_WITH_REGISTRY, registry),
        ("pipelines::shop", pipelines::shop::TESTS, served),
        ("pipelines::shop", pipelines::shop::TESTS_WITH_PACKAGES, served && python),
        ("dlq", dlq::TESTS, served),
        ("files", files::TESTS, served),
        ("http", http::TESTS, true),
        ("http", http::TESTS_WITH_SERVICES, served),
        ("kafka", kafka::TESTS, served),
        ("lookups", lookups::TESTS, served),
        ("outages", outages::TESTS, served),
        ("partitions", partitions::TESTS, served),
        ("errors", errors::TESTS, served),
        ("reading", reading::TESTS, served),
        ("records", records::TESTS, served),
        ("registry", registry::TESTS, registry),
        ("upserts", upserts::TESTS, served),
        ("nexmark", nexmark::TESTS, nexmark::present()),
    ];
    let trial = |group: &str, (name, body): Test, ready: bool| {
        let run = move || -> Result<(), Failed> {
            body();
            Ok(())
        };
        Trial::test(format!("{group}::{name}"), run).with_ignored_flag(!ready)
    };
    let tests = groups.into_iter().flat_map(|(group, tests, ready)| {
        tests.iter().map(move |test| trial(group, *test, ready)).collect::<Vec<_>>()
    });
    libtest_mimic::run(&args, tests.collect()).exit();
}
