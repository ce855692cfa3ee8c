-- Cookbook, aggregations and analytics: 1 time series in windows, 2 watermarks, 3 sessions, 4 rolling
-- aggregations, 5 top-N, 6 deduplication, 7 windows of windows, 8 in cookbook_patterns.sql, 9 a view over a changelog,
-- 10 hopping windows, 11 top-N of windows, 12 the row before.
CREATE TABLE rides (id INT, bike STRING, rider STRING, station STRING, kind STRING, started TIMESTAMP(3), minutes INT, fare DECIMAL(8, 2), status STRING, WATERMARK FOR started AS started - INTERVAL '1' MINUTE)
WITH ('connector'='filesystem','path'='${DATA}/cookbook_rides.json','format'='json','scan.watermark.emit.strategy'='on-event');
CREATE TABLE strict (id INT, rider STRING, started TIMESTAMP(3), WATERMARK FOR started AS started)
WITH ('connector'='filesystem','path'='${DATA}/cookbook_rides.json','format'='json','scan.watermark.emit.strategy'='on-event');
CREATE TABLE readings (n INT, station STRING, `at` TIMESTAMP(3), degrees FLOAT, WATERMARK FOR `at` AS `at` - INTERVAL '15' SECOND)
WITH ('connector'='filesystem','path'='${DATA}/cookbook_readings.json','format'='json','scan.watermark.emit.strategy'='on-event');

-- 1 Time series: as a function of a table, and in GROUP BY.
SELECT window_start, window_end, COUNT(DISTINCT rider) AS riders FROM TABLE(TUMBLE(TABLE rides, DESCRIPTOR(started), INTERVAL '2' MINUTE)) GROUP BY window_start, window_end;
SELECT COUNT(DISTINCT rider) AS riders, TUMBLE_START(started, INTERVAL '2' MINUTE) AS from_time, TUMBLE_ROWTIME(started, INTERVAL '2' MINUTE) AS to_time FROM rides GROUP BY TUMBLE(started, INTERVAL '2' MINUTE);
SELECT window_start, kind, SUM(fare), AVG(minutes) FROM TABLE(TUMBLE(TABLE rides, DESCRIPTOR(started), INTERVAL '5' MINUTE)) GROUP BY kind, window_start, window_end;

-- 2 Watermarks: what is late depends on the delay.
SELECT window_start, COUNT(*) FROM TABLE(TUMBLE(TABLE strict, DESCRIPTOR(started), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end;
SELECT window_start, COUNT(*) FROM TABLE(TUMBLE(TABLE rides, DESCRIPTOR(started), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end;

-- 3 Sessions.
SELECT rider, SESSION_START(started, INTERVAL '3' MINUTE) AS first_ride, SESSION_END(started, INTERVAL '3' MINUTE) AS till, COUNT(*) AS n FROM rides GROUP BY rider, SESSION(started, INTERVAL '3' MINUTE);
SELECT rider, window_start, window_end, COUNT(*) FILTER (WHERE status = 'done') FROM TABLE(SESSION(TABLE rides PARTITION BY rider, DESCRIPTOR(started), INTERVAL '3' MINUTE)) GROUP BY rider, window_start, window_end;

-- 4 Rolling aggregations over a named window.
SELECT n, station, AVG(degrees) OVER last_minute, MAX(degrees) OVER last_minute, MIN(degrees) OVER last_minute, STDDEV_SAMP(CAST(degrees AS DOUBLE)) OVER last_minute FROM readings WINDOW last_minute AS (PARTITION BY station ORDER BY `at` RANGE BETWEEN INTERVAL '1' MINUTE PRECEDING AND CURRENT ROW);
SELECT n, STDDEV(degrees) OVER w FROM readings WINDOW w AS (PARTITION BY station ORDER BY `at` ROWS BETWEEN 2 PRECEDING AND CURRENT ROW);

-- 5 Continuous top-N.
SELECT rider, station, n FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY rider ORDER BY n DESC, station) AS place FROM (SELECT rider, station, COUNT(*) AS n FROM rides WHERE rider IS NOT NULL GROUP BY rider, station)) WHERE place <= 2;
SELECT place, kind, total FROM (SELECT *, ROW_NUMBER() OVER (ORDER BY total DESC) AS place FROM (SELECT kind, SUM(fare) AS total FROM rides GROUP BY kind)) WHERE place <= 2;

-- 6 Deduplication: what is there twice, and the first and the last of each.
SELECT id, COUNT(*) AS n FROM rides GROUP BY id HAVING COUNT(*) > 1;
SELECT id, started FROM (SELECT id, started, ROW_NUMBER() OVER (PARTITION BY id ORDER BY started) AS nth FROM rides) WHERE nth = 1;
SELECT bike, id, started FROM (SELECT bike, id, started, ROW_NUMBER() OVER (PARTITION BY bike ORDER BY started DESC) AS nth FROM rides) WHERE nth = 1;

-- 7 Windows of windows, both ways to write them.
CREATE VIEW each_minute AS SELECT TUMBLE_START(started, INTERVAL '1' MINUTE) AS from_time, TUMBLE_ROWTIME(started, INTERVAL '1' MINUTE) AS till, SUM(minutes) AS ridden, COUNT(*) AS n FROM rides GROUP BY TUMBLE(started, INTERVAL '1' MINUTE);
CREATE VIEW each_five AS SELECT TUMBLE_START(till, INTERVAL '5' MINUTE) AS from_time, TUMBLE_ROWTIME(till, INTERVAL '5' MINUTE) AS till, SUM(ridden) AS ridden, SUM(n) AS n FROM each_minute GROUP BY TUMBLE(till, INTERVAL '5' MINUTE);
SELECT from_time, till, ridden / n AS mean FROM each_minute;
SELECT from_time, till, ridden / n AS mean FROM each_five;
CREATE VIEW minutely AS SELECT window_time AS rt, SUM(minutes) AS ridden, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE rides, DESCRIPTOR(started), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end, window_time;
SELECT window_start, window_end, SUM(ridden), SUM(n) FROM TABLE(TUMBLE(TABLE minutely, DESCRIPTOR(rt), INTERVAL '5' MINUTE)) GROUP BY window_start, window_end;

-- 9 A view over a changelog.
CREATE TABLE claims (id INT, detail STRING, cost FLOAT, status STRING) WITH ('connector'='filesystem','path'='${DATA}/cookbook_claims.json','format'='debezium-json');
SELECT * FROM claims;
SELECT detail, SUM(cost) AS costs, COUNT(*) FROM claims WHERE status <> 'denied' GROUP BY detail;

-- 10 Hopping windows.
SELECT window_start, window_end, station, COUNT(*), SUM(fare) FROM TABLE(HOP(TABLE rides, DESCRIPTOR(started), INTERVAL '1' MINUTE, INTERVAL '3' MINUTE)) GROUP BY station, window_start, window_end;
SELECT HOP_START(started, INTERVAL '1' MINUTE, INTERVAL '3' MINUTE) AS from_time, HOP_END(started, INTERVAL '1' MINUTE, INTERVAL '3' MINUTE) AS till, MAX(minutes) FROM rides GROUP BY HOP(started, INTERVAL '1' MINUTE, INTERVAL '3' MINUTE);

-- 11 Top-N of windows: of their rows, and of what is aggregated in them.
SELECT * FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY fares DESC) AS place FROM (SELECT window_start, window_end, kind, SUM(fare) AS fares, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE rides, DESCRIPTOR(started), INTERVAL '10' MINUTE)) GROUP BY window_start, window_end, kind)) WHERE place <= 2;
SELECT window_start, id, minutes, place FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY minutes DESC) AS place FROM TABLE(TUMBLE(TABLE rides, DESCRIPTOR(started), INTERVAL '5' MINUTE))) WHERE place <= 2;

-- 12 The row before.
WITH moved AS (SELECT n, station, degrees, LAG(degrees, 1) OVER (PARTITION BY station ORDER BY `at`) AS was FROM readings) SELECT *, CASE WHEN degrees > was THEN '▲' WHEN degrees < was THEN '▼' ELSE '=' END AS trend FROM moved;
