-- The tables of pipelines/devices/pipeline.sql, which is run behind this file, without a service:
-- events are generated, rows go to the terminal and to Parquet files.
SET 'brooklet.checkpoint.location' = 'state';

-- Event n. Every 50th repeats the one before, 10 in 1,000 have no valid duration. Event times lie
-- 60 ms apart, up to 30 s out of order, and 3 in 1,000 are ten minutes behind the others.
CREATE TABLE input_events (
  n BIGINT,
  chance INT,
  jitter INT,
  duration DOUBLE,
  location ROW<latitude DOUBLE, longitude DOUBLE, city STRING, country STRING>,
  metadata ROW<firmware_version STRING, battery_level INT, signal_strength INT>,
  event_id AS CAST(n - n / 50 AS INT),
  device_id AS 'device-' || CAST(MOD(n - n / 50, 8) AS STRING),
  device_type AS CASE MOD(n - n / 50, 4)
    WHEN 0 THEN 'camera' WHEN 1 THEN 'lock' WHEN 2 THEN 'meter' ELSE 'thermo' END,
  event_duration AS CASE WHEN chance < 10 THEN -1 ELSE duration END,
  event_timestamp AS CAST(TO_TIMESTAMP_LTZ(
    1767225630000 + n * 60 - jitter - CASE WHEN chance >= 997 THEN 600000 ELSE 0 END, 3)
    AS TIMESTAMP(3)),
  arrived_at AS PROCTIME(),
  WATERMARK FOR event_timestamp AS event_timestamp - INTERVAL '2' MINUTE
) WITH (
  'connector' = 'datagen',
  'rows-per-second' = '${RATE}',
  'fields.n.kind' = 'sequence', 'fields.n.start' = '0', 'fields.n.end' = '${LAST}',
  'fields.chance.min' = '0', 'fields.chance.max' = '999',
  'fields.jitter.min' = '0', 'fields.jitter.max' = '30000',
  'fields.duration.min' = '0.1', 'fields.duration.max' = '5',
  'fields.location.latitude.min' = '-90', 'fields.location.latitude.max' = '90',
  'fields.location.longitude.min' = '-180', 'fields.location.longitude.max' = '180',
  'fields.metadata.battery_level.min' = '5', 'fields.metadata.battery_level.max' = '100',
  'fields.metadata.signal_strength.min' = '-110', 'fields.metadata.signal_strength.max' = '-20'
);
SET 'brooklet.table.input_events.values.location.city' = 'New York, 東京, São Paulo, Köln';
SET 'brooklet.table.input_events.values.location.country' = 'on the way';
SET 'brooklet.table.input_events.values.metadata.firmware_version' = '1.4.85, 3.1.30';

-- Not Postgres: the terminal.
CREATE TABLE device_minutes_table (
  window_start TIMESTAMP(3), window_end TIMESTAMP(3), device_id STRING, device_type STRING,
  event_count BIGINT,
  avg_duration DOUBLE, max_duration DOUBLE, min_duration DOUBLE,
  avg_battery_level DOUBLE, min_battery_level INT,
  avg_signal_strength DOUBLE, min_signal_strength INT,
  city STRING, country STRING, firmware_version STRING,
  last_event_time TIMESTAMP(3)
) WITH ('connector' = 'print');

-- Not S3: a directory, and one partition a device type.
CREATE TABLE device_minutes_s3 (
  window_start STRING, window_end TIMESTAMP(3), device_id STRING, device_type STRING,
  event_count BIGINT,
  avg_duration DOUBLE, max_duration DOUBLE, min_duration DOUBLE,
  avg_battery_level DOUBLE, min_battery_level INT,
  avg_signal_strength DOUBLE, min_signal_strength INT,
  city STRING, country STRING, firmware_version STRING,
  last_event_time TIMESTAMP(3)
) PARTITIONED BY (device_type) WITH (
  'connector' = 'filesystem', 'path' = 'device_minutes', 'format' = 'parquet');
