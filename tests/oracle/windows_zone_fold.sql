-- Clocks are put back, from 02:00 to 01:00: rows that are late and rows that come just in time.
SET 'table.local-time-zone' = 'America/New_York';
CREATE TABLE w (id INT, l TIMESTAMP_LTZ(3), WATERMARK FOR l AS l) WITH ('connector'='filesystem','path'='${DATA}/windows_zone_fold.json','format'='json','scan.watermark.emit.strategy'='on-event');
SELECT window_start, window_end, window_time, COUNT(*), MIN(id), MAX(id) FROM TABLE(TUMBLE(TABLE w, DESCRIPTOR(l), INTERVAL '20' MINUTE)) GROUP BY window_start, window_end, window_time;
SELECT window_start, window_end, COUNT(*), MIN(id), MAX(id) FROM TABLE(SESSION(TABLE w, DESCRIPTOR(l), INTERVAL '12' MINUTE)) GROUP BY window_start, window_end;
SELECT HOP_START(l, INTERVAL '20' MINUTE, INTERVAL '40' MINUTE), COUNT(*), MAX(id) FROM w GROUP BY HOP(l, INTERVAL '20' MINUTE, INTERVAL '40' MINUTE);
SELECT TUMBLE_START(l, INTERVAL '1' HOUR), COUNT(*), MAX(id) FROM w GROUP BY TUMBLE(l, INTERVAL '1' HOUR);
