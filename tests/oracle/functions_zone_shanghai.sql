-- The session's time zone is Asia/Shanghai.
SET 'table.local-time-zone' = 'Asia/Shanghai';
CREATE TABLE t (id INT, ts TIMESTAMP(3), l TIMESTAMP_LTZ(3), n BIGINT) WITH ('connector'='filesystem','path'='${DATA}/functions_zone.json','format'='json');
SELECT * FROM t;
SELECT id, CAST(l AS TIMESTAMP(3)), CAST(l AS STRING), CAST(l AS DATE), CAST(l AS TIME), CAST(ts AS TIMESTAMP_LTZ(3)) FROM t;
SELECT id, CAST(CAST(ts AS TIMESTAMP_LTZ(3)) AS STRING), CAST(CAST(ts AS DATE) AS TIMESTAMP_LTZ(3)) FROM t;
SELECT id, CAST(CAST(ts AS STRING) AS TIMESTAMP_LTZ(3)) FROM t;
SELECT id, EXTRACT(YEAR FROM l), EXTRACT(MONTH FROM l), EXTRACT(DAY FROM l), EXTRACT(HOUR FROM l), EXTRACT(MINUTE FROM l), EXTRACT(DOW FROM l), EXTRACT(DOY FROM l), EXTRACT(WEEK FROM l), EXTRACT(EPOCH FROM l) FROM t;
SELECT id, YEAR(l), MONTH(l), DAYOFMONTH(l), HOUR(l), MINUTE(l), SECOND(l) FROM t;
SELECT id, TIMESTAMPDIFF(HOUR, l, TO_TIMESTAMP_LTZ(1636266600000, 3)), TIMESTAMPDIFF(DAY, l, TO_TIMESTAMP_LTZ(1636266600000, 3)), TIMESTAMPDIFF(MONTH, l, TO_TIMESTAMP_LTZ(1636266600000, 3)) FROM t WHERE id NOT IN (13, 14);
SELECT id, FROM_UNIXTIME(n), FROM_UNIXTIME(n, 'yyyy-MM-dd HH:mm:ss'), TO_TIMESTAMP_LTZ(n, 0) FROM t;
SELECT id, TO_TIMESTAMP_LTZ(DATE_FORMAT(ts, 'yyyy-MM-dd HH:mm:ss')), TO_TIMESTAMP_LTZ(DATE_FORMAT(ts, 'yyyy-MM-dd HH:mm:ss'), 'yyyy-MM-dd HH:mm:ss'), TO_TIMESTAMP_LTZ(DATE_FORMAT(ts, 'yyyy-MM-dd HH:mm:ss'), 'yyyy-MM-dd HH:mm:ss', 'UTC') FROM t;
SELECT id, ts = l, l = CAST(ts AS TIMESTAMP_LTZ(3)), l < TO_TIMESTAMP_LTZ(1625140800, 0) FROM t;
CREATE TABLE w (id INT, l TIMESTAMP_LTZ(3), n BIGINT, WATERMARK FOR l AS l - INTERVAL '100' DAY) WITH ('connector'='filesystem','path'='${DATA}/functions_zone_windows.json','format'='json','scan.watermark.emit.strategy'='on-event');
SELECT window_start, window_end, window_time, COUNT(*) FROM TABLE(TUMBLE(TABLE w, DESCRIPTOR(l), INTERVAL '1' DAY)) GROUP BY window_start, window_end, window_time;
SELECT window_start, id FROM TABLE(TUMBLE(TABLE w, DESCRIPTOR(l), INTERVAL '1' DAY));
