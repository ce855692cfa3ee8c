-- Device readings from Kafka; one row per device and minute into Postgres and into Parquet on S3.
-- Every ${NAME:-default} is an environment variable; README.md has the list. A file in front of
-- this one may bring other tables: `brooklet run sample.sql pipeline.sql`.
SET 'pipeline.name' = 'devices';
SET 'execution.checkpointing.dir' = 'file://${CHECKPOINT_LOCATION:-/tmp/streaming_checkpoint}';
SET 'execution.checkpointing.interval' = '${TRIGGER:-30 s}';  -- how often files are finished
SET 'table.exec.state.ttl' = '${DEDUP_TTL:-1 h}';

CREATE TABLE IF NOT EXISTS input_events (
  event_id INT,
  device_id STRING,
  device_type STRING,
  event_time STRING,
  event_duration DOUBLE,
  location ROW<latitude DOUBLE, longitude DOUBLE, city STRING, country STRING>,
  metadata ROW<firmware_version STRING, battery_level INT, signal_strength INT>,
  -- ISO 8601 with or without a fraction, with Z, +hh:mm, +hhmm or no zone: as UTC. What is no
  -- such text becomes 1970, which the filter below drops: an event time must not be NULL.
  event_timestamp AS COALESCE(
    TIMESTAMPADD(MINUTE,
      -COALESCE(
        60 * CAST(REGEXP_EXTRACT(event_time, '([+-]\d\d):?\d\d$', 1) AS INT)
          + CAST(REGEXP_EXTRACT(event_time, '([+-])\d\d:?\d\d$', 1)
              || REGEXP_EXTRACT(event_time, '[+-]\d\d:?(\d\d)$', 1) AS INT),
        0),
      TRY_CAST(
        REPLACE(
          REGEXP_EXTRACT(event_time,
            '^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?)(Z|[+-]\d\d:?\d\d)?$', 1),
          'T', ' ')
        AS TIMESTAMP(3))),
    TIMESTAMP '1970-01-01 00:00:00.000'),
  arrived_at AS PROCTIME(),
  WATERMARK FOR event_timestamp AS event_timestamp - ${WATERMARK_DELAY@interval:-2 minutes}
) WITH (
  'connector' = 'kafka',
  'topic' = '${KAFKA_TOPIC:-input_events}',
  'properties.bootstrap.servers' = '${KAFKA_BOOTSTRAP_SERVERS:-kafka:9092}',
  'properties.group.id' = '${KAFKA_GROUP_ID:-streaming-etl}',
  'scan.startup.mode' = '${KAFKA_STARTING_OFFSETS:-latest}-offset',
  'scan.bounded.mode' = '${KAFKA_BOUNDED_MODE:-unbounded}',
  'scan.watermark.emit.strategy' = 'on-event',
  'format' = 'json',
  'json.ignore-parse-errors' = 'true'
);

SET 'brooklet.table.input_events.max-records-per-epoch' = '${KAFKA_MAX_OFFSETS_PER_TRIGGER:-1000}';
SET 'brooklet.table.input_events.fail-on-data-loss' = '${KAFKA_FAIL_ON_DATA_LOSS:-false}';

-- Rows that make sense. A reading without a device or outside its physical range is dropped; so is
-- one whose time could not be read.
CREATE VIEW valid_events AS
SELECT
  event_id, device_id, device_type, event_timestamp, arrived_at, event_duration,
  location.city AS city,
  location.country AS country,
  metadata.firmware_version AS firmware_version,
  metadata.battery_level AS battery_level,
  metadata.signal_strength AS signal_strength
FROM input_events
WHERE event_id IS NOT NULL AND device_id IS NOT NULL AND device_type IS NOT NULL
  AND event_timestamp > TIMESTAMP '1970-01-01 00:00:00'
  AND event_duration > 0 AND event_duration < 100
  AND metadata.battery_level BETWEEN 0 AND 100
  AND metadata.signal_strength BETWEEN -120 AND 0
  AND location.latitude BETWEEN -90 AND 90
  AND location.longitude BETWEEN -180 AND 180;

-- The first arrival of each event wins. Its key is remembered for DEDUP_TTL.
CREATE VIEW distinct_events AS
SELECT * FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY event_id, device_id ORDER BY arrived_at) AS arrival
  FROM valid_events
) WHERE arrival = 1;

CREATE VIEW device_minutes AS
SELECT
  window_start, window_end, device_id, device_type,
  COUNT(*) AS event_count,
  AVG(event_duration) AS avg_duration,
  MAX(event_duration) AS max_duration,
  MIN(event_duration) AS min_duration,
  AVG(CAST(battery_level AS DOUBLE)) AS avg_battery_level,  -- AVG of an INT is an INT
  MIN(battery_level) AS min_battery_level,
  AVG(CAST(signal_strength AS DOUBLE)) AS avg_signal_strength,
  MIN(signal_strength) AS min_signal_strength,
  FIRST_VALUE(city) AS city,
  FIRST_VALUE(country) AS country,
  FIRST_VALUE(firmware_version) AS firmware_version,
  MAX(event_timestamp) AS last_event_time
FROM TABLE(TUMBLE(
  TABLE distinct_events, DESCRIPTOR(event_timestamp), ${WINDOW_DURATION@interval:-1 minute}))
GROUP BY window_start, window_end, device_id, device_type;

CREATE TABLE IF NOT EXISTS device_minutes_table (
  window_start TIMESTAMP(3), window_end TIMESTAMP(3), device_id STRING, device_type STRING,
  event_count BIGINT,
  avg_duration DOUBLE, max_duration DOUBLE, min_duration DOUBLE,
  avg_battery_level DOUBLE, min_battery_level INT,
  avg_signal_strength DOUBLE, min_signal_strength INT,
  city STRING, country STRING, firmware_version STRING,
  last_event_time TIMESTAMP(3),
  PRIMARY KEY (window_start, window_end, device_id, device_type) NOT ENFORCED
) WITH (
  'connector' = 'jdbc',
  'url' = 'jdbc:postgresql://${PGHOST:-localhost}:${PGPORT:-5432}/${PGDATABASE:-devices}',
  'table-name' = '${PGTABLE:-device_minutes}',
  'username' = '${PGUSER:-postgres}',
  'password' = '${PGPASSWORD}'
);
SET 'brooklet.table.device_minutes_table.create-table' = 'if-not-exists';

-- A TIMESTAMP as a directory's name would lose its seconds: the window's start is text.
CREATE TABLE IF NOT EXISTS device_minutes_s3 (
  window_start STRING, window_end TIMESTAMP(3), device_id STRING, device_type STRING,
  event_count BIGINT,
  avg_duration DOUBLE, max_duration DOUBLE, min_duration DOUBLE,
  avg_battery_level DOUBLE, min_battery_level INT,
  avg_signal_strength DOUBLE, min_signal_strength INT,
  city STRING, country STRING, firmware_version STRING,
  last_event_time TIMESTAMP(3)
) PARTITIONED BY (device_type, window_start) WITH (
  'connector' = 'filesystem',
  'path' = 's3a://${S3_BUCKET:-}/${S3_PREFIX:-streaming-output}',
  'format' = 'parquet',
  'parquet.utc-timezone' = 'true',
  'parquet.write.int64.timestamp' = 'true',
  'parquet.timestamp.time.unit' = 'micros'
);

EXECUTE STATEMENT SET BEGIN
  INSERT INTO device_minutes_table SELECT * FROM device_minutes;
  INSERT INTO device_minutes_s3
  SELECT
    DATE_FORMAT(window_start, 'yyyy-MM-dd HH:mm:ss'), window_end, device_id, device_type,
    event_count, avg_duration, max_duration, min_duration,
    avg_battery_level, min_battery_level, avg_signal_strength, min_signal_strength,
    city, country, firmware_version, last_event_time
  FROM device_minutes;
END;
