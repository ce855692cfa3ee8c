-- Every click as it came, as JSON lines in object storage under the day Kafka got it:
-- clickstream/2026/01/18/09-30-00-clickstream-….json, a file for 50 clicks or 60 seconds.
SET 'pipeline.name' = 'clicks-archive';

CREATE TABLE clicks (
  line STRING,
  received_at TIMESTAMP_LTZ(3) METADATA FROM 'timestamp' VIRTUAL
) WITH (
  'connector' = 'kafka',
  'topic' = '${KAFKA_TOPIC:-clicks_topic}',
  'properties.bootstrap.servers' = '${KAFKA_BOOTSTRAP_SERVERS:-kafka:29092}',
  'properties.group.id' = 'clicks-archive',
  'scan.startup.mode' = 'earliest-offset',
  'scan.bounded.mode' = '${KAFKA_BOUNDED_MODE:-unbounded}',
  'format' = 'raw'
);

CREATE TABLE archive (line STRING, `year` STRING, `month` STRING, `day` STRING)
PARTITIONED BY (`year`, `month`, `day`) WITH (
  'connector' = 'filesystem',
  'path' = 's3a://${BUCKET_NAME:-raw-data}/clickstream',
  'format' = 'raw',
  'sink.rolling-policy.rollover-interval' = '${ARCHIVE_INTERVAL:-60 s}',
  'sink.rolling-policy.check-interval' = '5 s'
);
SET 'brooklet.table.archive.rolling.records' = '${ARCHIVE_RECORDS:-50}';
SET 'brooklet.table.archive.path-template' = '{year}/{month}/{day}/{HH-mm-ss}-clickstream.json';

INSERT INTO archive
SELECT line, DATE_FORMAT(received_at, 'yyyy'), DATE_FORMAT(received_at, 'MM'),
  DATE_FORMAT(received_at, 'dd')
FROM clicks;
