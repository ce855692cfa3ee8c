SET 'table.exec.state.ttl' = '1 h';
CREATE TABLE input_events (
  event_id INT, device_id STRING, device_type STRING, event_time TIMESTAMP(3),
  event_duration DOUBLE,
  location ROW<latitude DOUBLE, longitude DOUBLE, city STRING, country STRING>,
  metadata ROW<firmware_version STRING, battery_level INT, signal_strength INT>,
  event_timestamp AS COALESCE(event_time, TIMESTAMP '1970-01-01 00:00:00.000'),
  proc_time AS PROCTIME(),
  WATERMARK FOR event_timestamp AS event_timestamp - INTERVAL '2' MINUTE
) WITH ('connector' = 'kafka', 'topic' = 'input_events', 'format' = 'json',
  'scan.watermark.emit.strategy' = 'on-event');
CREATE VIEW valid_events AS
SELECT event_id, device_id, device_type, event_timestamp, event_duration, proc_time,
  location.city AS city, metadata.battery_level AS battery_level
FROM input_events
WHERE event_id IS NOT NULL AND event_timestamp > TIMESTAMP '1970-01-01 00:00:00.000'
  AND event_duration > 0 AND event_duration < 100 AND metadata.battery_level BETWEEN 0 AND 100
  AND location.latitude BETWEEN -90 AND 90;
CREATE VIEW deduplicated AS
SELECT event_id, device_id, device_type, event_timestamp, event_duration, city, battery_level
FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY event_id, device_id ORDER BY proc_time ASC) AS rn
  FROM valid_events
) WHERE rn = 1;
CREATE TABLE console (window_start TIMESTAMP(3), window_end TIMESTAMP(3), device_id STRING,
  event_count BIGINT, avg_duration DOUBLE, avg_battery_level DOUBLE, min_battery_level INT,
  city STRING, last_event_time TIMESTAMP(3)) WITH ('connector' = 'print');
INSERT INTO console
SELECT window_start, window_end, device_id, COUNT(*), AVG(event_duration),
  AVG(CAST(battery_level AS DOUBLE)), MIN(battery_level), FIRST_VALUE(city), MAX(event_timestamp)
FROM TABLE(TUMBLE(TABLE deduplicated, DESCRIPTOR(event_timestamp), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end, device_id;
