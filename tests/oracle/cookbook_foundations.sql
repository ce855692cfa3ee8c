-- The recipes of the public Flink SQL cookbook, kind by kind, over tables of our own: bikes for hire.
-- Foundations: 1 creating tables, 2 inserting into tables, 3 temporary tables, 4 filtering, 5
-- aggregating, 6 sorting, 7 views, 8 several tables at once, 9 time zones. Those that write have
-- their test in tests/streams/cookbook_inserts.stream, for an answer is what a query gives.

-- 1 Creating tables.
CREATE TABLE rides (id INT, bike STRING, rider STRING, station STRING, kind STRING, started TIMESTAMP(3), minutes INT, fare DECIMAL(8, 2), status STRING)
WITH ('connector'='filesystem','path'='${DATA}/cookbook_rides.json','format'='json');
CREATE TABLE stations (code STRING NOT NULL, town STRING, zone STRING, docks INT, PRIMARY KEY (code) NOT ENFORCED) COMMENT 'where bikes stand'
WITH ('connector'='filesystem','path'='${DATA}/cookbook_stations.json','format'='json');
SELECT * FROM rides;
DESCRIBE stations;
CREATE TABLE made (n INT, s STRING) WITH ('connector'='datagen', 'number-of-rows'='4', 'fields.n.kind'='sequence', 'fields.n.start'='1', 'fields.n.end'='4', 'fields.s.length'='3');
SELECT n, CHAR_LENGTH(s) FROM made;

-- 3 Temporary tables.
CREATE TEMPORARY TABLE busy_hours (id INT, minutes INT) WITH ('connector'='filesystem','path'='${DATA}/cookbook_rides.json','format'='json');
SELECT SUM(minutes), COUNT(*) FROM busy_hours;
SHOW TABLES;
DROP TEMPORARY TABLE busy_hours;

-- 4 Filtering data.
SELECT id, status, minutes FROM rides WHERE status IN ('stolen', 'open');
SELECT id, rider FROM rides WHERE fare > 8 AND NOT kind = 'cargo';
SELECT id FROM rides WHERE rider IS NULL OR station IS NULL OR minutes IS NULL;
SELECT id, bike FROM rides WHERE rider LIKE '_a%' AND minutes BETWEEN 7 AND 18;

-- 5 Aggregating data.
SELECT status, COUNT(*), SUM(minutes), AVG(fare), MAX(started) FROM rides GROUP BY status;
SELECT kind, COUNT(DISTINCT rider) AS riders, COUNT(*) FILTER (WHERE status = 'done') AS finished FROM rides GROUP BY kind;
SELECT rider, MIN(minutes) FROM rides GROUP BY rider HAVING COUNT(*) > 2;

-- 7 Views, also on views.
CREATE VIEW finished AS SELECT id, rider, station, kind, fare FROM rides WHERE status = 'done';
CREATE TEMPORARY VIEW takings (station, total) AS SELECT station, SUM(fare) FROM finished GROUP BY station;
SELECT * FROM takings;
SELECT s.town, t.total FROM stations AS s LEFT JOIN takings AS t ON s.code = t.station;
SHOW VIEWS;

-- 9 Time zones.
SELECT r.id, CONVERT_TZ(CAST(r.started AS STRING), s.zone, 'UTC') AS at_utc FROM rides AS r JOIN stations AS s ON r.station = s.code;
SELECT r.id, CONVERT_TZ(DATE_FORMAT(r.started, 'yyyy-MM-dd HH:mm:ss'), s.zone, 'UTC') AS at_utc FROM rides AS r JOIN stations AS s ON r.station = s.code;
SELECT town, CONVERT_TZ('2024-03-31 01:59:59', 'UTC', zone), CONVERT_TZ('2024-07-01 00:00:00', 'UTC', zone) FROM stations;
