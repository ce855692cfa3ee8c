-- The tables of pipeline.sql without a service: sample_events.jsonl in, Parquet files below
-- output/ and rows on the terminal out. Put in front of it: `brooklet run sample.sql pipeline.sql`.
CREATE TABLE input_events (
  event_id INT,
  device_id STRING,
  device_type STRING,
  event_time STRING,
  event_duration DOUBLE,
  location ROW<latitude DOUBLE, longitude DOUBLE, city STRING, country STRING>,
  metadata ROW<firmware_version STRING, battery_level INT, signal_strength INT>,
  event_timestamp AS COALESCE(
    TRY_CAST(REPLACE(RTRIM(event_time, 'Z'), 'T', ' ') AS TIMESTAMP(3)),
    TIMESTAMP '1970-01-01 00:00:00.000'),
  arrived_at AS PROCTIME(),
  WATERMARK FOR event_timestamp AS event_timestamp - INTERVAL '2' MINUTE
) WITH ('connector' = 'filesystem', 'path' = 'sample_events.jsonl', 'format' = 'json');
