-- Long ago: the calendar before 1582, local time before there were time zones.
SET 'table.local-time-zone' = 'America/New_York';
CREATE TABLE t (id INT, ts TIMESTAMP(3), l TIMESTAMP_LTZ(3), n BIGINT) WITH ('connector'='filesystem','path'='${DATA}/functions_zone_old.json','format'='json');
SELECT * FROM t;
SELECT id, CAST(l AS TIMESTAMP(3)), CAST(l AS STRING), CAST(l AS DATE), CAST(l AS TIME), CAST(ts AS TIMESTAMP_LTZ(3)) FROM t;
SELECT id, EXTRACT(YEAR FROM l), EXTRACT(MONTH FROM l), EXTRACT(DAY FROM l), EXTRACT(HOUR FROM l), EXTRACT(MINUTE FROM l), EXTRACT(EPOCH FROM l) FROM t WHERE id <> 14;
SELECT id, FLOOR(l TO HOUR), FLOOR(l TO DAY), FLOOR(l TO MONTH), CEIL(l TO HOUR) FROM t WHERE id NOT IN (14, 22);
SELECT id, FROM_UNIXTIME(n), TO_TIMESTAMP_LTZ(n, 0) FROM t WHERE id <> 14;
SELECT id, UNIX_TIMESTAMP(DATE_FORMAT(ts, 'yyyy-MM-dd HH:mm:ss')), CONVERT_TZ(DATE_FORMAT(ts, 'yyyy-MM-dd HH:mm:ss'), 'Asia/Tokyo', 'America/New_York') FROM t WHERE id NOT IN (14, 22);
SELECT id, EXTRACT(DAY FROM l), FLOOR(l TO WEEK), FROM_UNIXTIME(n), UNIX_TIMESTAMP(DATE_FORMAT(ts, 'yyyy-MM-dd HH:mm:ss')), CONVERT_TZ(DATE_FORMAT(ts, 'yyyy-MM-dd HH:mm:ss'), 'Asia/Tokyo', 'America/New_York') FROM t WHERE id IN (14, 22);
