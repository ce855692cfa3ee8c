//! A table's topics read to their present end, outside of any pipeline: what `bench/` compares
//! the engine with. The same client, settings and queue as the source's.

use std::collections::BTreeMap;
use std::sync::mpsc;
use std::time::Duration;

use brooklet_core::raw::RawBatch;
use brooklet_core::schema::TableDef;
use brooklet_core::{Error, Result};

use super::queue::{Consumer, Messages, list};
use super::{properties, settings, start};

/// Messages taken from librdkafka in one call, as by the source.
const CHUNK: usize = 1024;
const PATIENCE: Duration = Duration::from_secs(30);

/// Hands over the records of a bounded table in batches until its end, or until `max` records
/// were given; returns their number. Blocks. Records of one batch may be of several partitions.
pub fn to_end(table: &TableDef, max: u64, mut each: impl FnMut(RawBatch)) -> Result<u64> {
    let settings = settings::read(table)?;
    let (ring, rung) = mpsc::sync_channel(1);
    // A full channel means that the bell has rung already.
    let wake = Box::new(move || {
        let _ = ring.try_send(());
    });
    let consumer = Consumer::create(&settings.client, wake).map_err(properties::refused)?;
    let starts = start::resolve(&consumer, &settings, None)?;
    let mut open: BTreeMap<i32, i64> = starts
        .iter()
        .filter_map(|s| Some((s.partition, s.stop.filter(|stop| *stop > s.offset)?)))
        .collect();
    let assigned = list(starts.iter().map(|s| (s.topic.as_str(), s.partition, s.offset)))?;
    consumer
        .assign(&assigned)
        .map_err(|code| Error::outside(format!("Kafka partitions were not assigned: {code}")))?;
    let (mut inbox, mut records) = (Messages::new(&consumer), 0);
    while !open.is_empty() && records < max {
        consumer.serve();
        if inbox.fill(CHUNK) == 0 {
            rung.recv_timeout(PATIENCE)
                .map_err(|e| Error::outside("Kafka gives nothing").caused_by(e))?;
            continue;
        }
        let mut batch = Messages::new(&consumer);
        while let Some(next) = inbox.front() {
            let (partition, offset, failed) = (next.partition, next.offset, next.error.is_some());
            if failed {
                inbox.skip();
                continue;
            }
            if open.get(&partition).is_some_and(|stop| offset + 1 >= *stop) {
                open.remove(&partition);
            }
            inbox.shift(&mut batch);
        }
        records += batch.len() as u64;
        each(batch.into_batch());
    }
    Ok(records)
}
