-- The tables of pipeline.sql without a service, to be put in front of it: sample_events.jsonl in,
-- rows on the terminal and Parquet files below output/ out.
SET 'brooklet.checkpoint.location' = 'output/state';

CREATE TABLE input_events (
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
  'connector' = 'filesystem',
  'path' = 'sample_events.jsonl',
  'scan.watermark.emit.strategy' = 'on-event',
  'format' = 'json',
  'json.ignore-parse-errors' = 'true'
);

CREATE TABLE device_minutes_table (
  window_start TIMESTAMP(3), window_end TIMESTAMP(3), device_id STRING, device_type STRING,
  event_count BIGINT,
  avg_duration DOUBLE, max_duration DOUBLE, min_duration DOUBLE,
  avg_battery_level DOUBLE, min_battery_level INT,
  avg_signal_strength DOUBLE, min_signal_strength INT,
  city STRING, country STRING, firmware_version STRING,
  last_event_time TIMESTAMP(3)
) WITH ('connector' = 'print');

CREATE TABLE device_minutes_s3 (
  window_start STRING, window_end TIMESTAMP(3), device_id STRING, device_type STRING,
  event_count BIGINT,
  avg_duration DOUBLE, max_duration DOUBLE, min_duration DOUBLE,
  avg_battery_level DOUBLE, min_battery_level INT,
  avg_signal_strength DOUBLE, min_signal_strength INT,
  city STRING, country STRING, firmware_version STRING,
  last_event_time TIMESTAMP(3)
) PARTITIONED BY (device_type, window_start) WITH (
  'connector' = 'filesystem', 'path' = 'output/device_minutes', 'format' = 'parquet');
