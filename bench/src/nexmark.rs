//! Nexmark: the events as the public benchmark's Kafka table has them, and the queries measured.

use chrono::DateTime;
use nexmark::EventGenerator;
use nexmark::config::NexmarkConfig;
use nexmark::event::Event;
use serde_json::{Value, json};

use brooklet_testkit::services::{Kafka, Record, Topic};

/// Partitions of the measured topic.
pub const PARTITIONS: i32 = 4;

/// A query with the name it is printed under.
pub struct Query {
    pub name: &'static str,
    sink: &'static str,
    select: &'static str,
}

pub const QUERIES: &[Query] = &[
    Query {
        name: "q0",
        sink: "auction BIGINT, bidder BIGINT, price BIGINT, `dateTime` TIMESTAMP(3), extra STRING",
        select: "SELECT auction, bidder, price, `dateTime`, extra FROM bid",
    },
    Query {
        name: "q1",
        sink: "auction BIGINT, bidder BIGINT, price DECIMAL(23, 3), `dateTime` TIMESTAMP(3), \
               extra STRING",
        select: "SELECT auction, bidder, 0.908 * price, `dateTime`, extra FROM bid",
    },
    Query {
        name: "q2",
        sink: "auction BIGINT, price BIGINT",
        select: "SELECT auction, price FROM bid WHERE MOD(auction, 123) = 0",
    },
    Query {
        name: "count",
        sink: "window_start TIMESTAMP(3), window_end TIMESTAMP(3), auction BIGINT, n BIGINT",
        select: "SELECT window_start, window_end, auction, COUNT(*) FROM TABLE(TUMBLE(\
                 TABLE bid, DESCRIPTOR(`dateTime`), INTERVAL '10' SECOND)) \
                 GROUP BY window_start, window_end, auction",
    },
];

const TABLES: &str = "
CREATE TABLE kafka (
  event_type INT,
  person ROW<id BIGINT, name STRING, emailAddress STRING, creditCard STRING, city STRING,
    state STRING, `dateTime` TIMESTAMP(3), extra STRING>,
  auction ROW<id BIGINT, itemName STRING, description STRING, initialBid BIGINT, reserve BIGINT,
    `dateTime` TIMESTAMP(3), expires TIMESTAMP(3), seller BIGINT, category BIGINT, extra STRING>,
  bid ROW<auction BIGINT, bidder BIGINT, price BIGINT, channel STRING, url STRING,
    `dateTime` TIMESTAMP(3), extra STRING>,
  `dateTime` AS CASE WHEN event_type = 0 THEN person.`dateTime`
    WHEN event_type = 1 THEN auction.`dateTime` ELSE bid.`dateTime` END,
  WATERMARK FOR `dateTime` AS `dateTime` - INTERVAL '4' SECOND
) WITH ('connector' = 'kafka', 'topic' = '${TOPIC}', 'format' = 'json',
  'properties.bootstrap.servers' = '${BROKERS}',
  'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'latest-offset');
CREATE VIEW bid AS SELECT bid.auction, bid.bidder, bid.price, bid.channel, bid.url, `dateTime`,
  bid.extra FROM kafka WHERE event_type = 2;
";

impl Query {
    /// A file that reads the topic to its present end and throws the results away.
    pub fn sql(&self, brokers: &str, topic: &str) -> String {
        let tables = TABLES.replace("${TOPIC}", topic).replace("${BROKERS}", brokers);
        let Query { sink, select, .. } = self;
        format!(
            "{tables}CREATE TABLE result ({sink}) WITH ('connector' = 'blackhole');\n\
             INSERT INTO result {select};\n"
        )
    }
}

/// Makes a topic of `partitions` with that many events, dealt in turn; gives it and the bytes of
/// all values.
pub fn produce(kafka: &Kafka, events: u64, partitions: i32) -> (Topic, u64) {
    let topic = kafka.topic("nexmark", partitions);
    let config =
        NexmarkConfig { base_time: 1_436_918_400_000, first_event_id: 0, ..Default::default() };
    let mut bytes = 0;
    let records =
        EventGenerator::new(config).take(events as usize).enumerate().map(|(n, event)| {
            let value = record(&event).to_string().into_bytes();
            bytes += value.len() as u64;
            let partition = (n % partitions as usize) as i32;
            Record { partition, value: Some(value), ..Record::default() }
        });
    topic.produce(records);
    (topic, bytes)
}

fn record(event: &Event) -> Value {
    match event {
        Event::Person(p) => {
            let person = json!({"id": p.id, "name": p.name, "emailAddress": p.email_address,
                "creditCard": p.credit_card, "city": p.city, "state": p.state,
                "dateTime": time(p.date_time), "extra": p.extra});
            json!({"event_type": 0, "person": person, "auction": null, "bid": null})
        }
        Event::Auction(a) => {
            let auction = json!({"id": a.id, "itemName": a.item_name,
                "description": a.description, "initialBid": a.initial_bid, "reserve": a.reserve,
                "dateTime": time(a.date_time), "expires": time(a.expires), "seller": a.seller,
                "category": a.category, "extra": a.extra});
            json!({"event_type": 1, "person": null, "auction": auction, "bid": null})
        }
        Event::Bid(b) => {
            let bid = json!({"auction": b.auction, "bidder": b.bidder, "price": b.price,
                "channel": b.channel, "url": b.url, "dateTime": time(b.date_time),
                "extra": b.extra});
            json!({"event_type": 2, "person": null, "auction": null, "bid": bid})
        }
    }
}

/// As Flink's `SQL` timestamp format writes it.
fn time(millis: u64) -> String {
    let at = DateTime::from_timestamp_millis(millis as i64).expect("the events are of 2015");
    at.format("%Y-%m-%d %H:%M:%S%.3f").to_string()
}

#[cfg(test)]
mod tests {
    use super::record;
    use nexmark::EventGenerator;
    use nexmark::config::NexmarkConfig;

    #[test]
    fn events_have_the_shape_of_the_public_benchmark() {
        let config = NexmarkConfig { base_time: 1_436_918_400_000, ..Default::default() };
        let first = EventGenerator::new(config).nth(4).expect("events never end");
        let text = record(&first).to_string();
        let begin = r#"{"event_type":2,"person":null,"auction":null,"bid":{"auction":1000,"bidder"#;
        assert!(text.starts_with(begin), "{text}");
        assert!(text.contains(r#""dateTime":"2015-07-15 00:00:00.000""#), "{text}");
    }
}
