//! What cannot be done without: consuming the topic with librdkafka, and decoding its records.
//!
//! Both run as children of the bench and print one number a line on stdout.

use std::sync::Arc;

use brooklet_connectors::kafka::drain;
use brooklet_core::Result;
use brooklet_core::connector::find_format;
use brooklet_core::format::{DecodeSpec, Decoder};
use brooklet_core::raw::RawBatch;
use brooklet_core::schema::TableDef;
use brooklet_formats::FORMATS;
use brooklet_pipeline::compile::{SqlFile, compile};

use crate::nexmark::QUERIES;
use crate::usage::thread_cpu;

/// Records that decoding is measured over, a number of times.
const SAMPLE: u64 = 300_000;
const ROUNDS: u32 = 3;
/// As the engine cuts them.
const CHUNK: usize = 8_192;

/// Reads the topic and does nothing with it; prints the number of records.
pub fn consume(brokers: &str, topic: &str) -> Result<()> {
    let table = compiled(0, brokers, topic)?.1;
    println!("{}", drain::to_end(&table, u64::MAX, |_| {})?);
    Ok(())
}

/// Prints CPU-seconds per million records of decoding for each query's columns.
pub fn decode(brokers: &str, topic: &str) -> Result<()> {
    let mut batches: Vec<RawBatch> = Vec::new();
    let table = compiled(0, brokers, topic)?.1;
    let records = drain::to_end(&table, SAMPLE, |batch| batches.push(batch))?;
    for query in 0..QUERIES.len() {
        let (mut decoder, _) = compiled(query, brokers, topic)?;
        let mut best = f64::MAX;
        for _ in 0..ROUNDS {
            let before = thread_cpu();
            for batch in &batches {
                for from in (0..batch.len()).step_by(CHUNK) {
                    let decoded = decoder.decode(batch, from..batch.len().min(from + CHUNK));
                    assert!(decoded.bad.is_empty(), "all records are good");
                }
            }
            best = best.min((thread_cpu() - before).as_secs_f64());
        }
        println!("{}", best * 1e6 / records as f64);
    }
    Ok(())
}

/// The decoder for what a query reads, and its table.
fn compiled(query: usize, brokers: &str, topic: &str) -> Result<(Box<dyn Decoder>, Arc<TableDef>)> {
    let text = QUERIES[query].sql(brokers, topic);
    let compiled = compile(&[SqlFile { text, name: "bench.sql".into() }], &|_| None)?;
    let (_, scan) = compiled.plan.scans().next().expect("a query reads a table");
    let table = scan.table.clone();
    let format = find_format(FORMATS, "json").and_then(|f| f.decoder);
    let open = format.expect("this build reads json");
    let options = table.options.clone();
    let decoder = open(&DecodeSpec::new(scan.decode.clone(), options))?;
    Ok((decoder, table))
}
