SET 'table.local-time-zone' = 'Europe/Berlin';
CREATE TABLE seen (id INT, at TIMESTAMP_LTZ(3), WATERMARK FOR at AS at - INTERVAL '10' SECOND)
WITH ('connector' = 'kafka', 'format' = 'json');
CREATE TABLE days (day TIMESTAMP(3), until TIMESTAMP_LTZ(3), n BIGINT) WITH ('connector' = 'kafka');
CREATE TABLE sessions (id INT, s TIMESTAMP(3), n BIGINT) WITH ('connector' = 'kafka');
INSERT INTO days SELECT window_start, window_time, COUNT(*)
FROM TABLE(TUMBLE(TABLE seen, DESCRIPTOR(at), INTERVAL '1' DAY))
GROUP BY window_start, window_end, window_time;
INSERT INTO sessions SELECT id, window_start, COUNT(*)
FROM TABLE(SESSION(TABLE seen PARTITION BY id, DESCRIPTOR(at), INTERVAL '1' HOUR))
GROUP BY id, window_start, window_end;
