-- Cookbook, joins: 1 regular, 2 interval, 3 with the versions of a table, 4 lookup, 5 a star of dimensions,
-- 6 lateral. UDFs 1, functions in Python, have their tests in crates/pipeline/tests/pipeline/python.rs,
-- and 4, which asks another system row by row, in tests/streams/lookup.stream.
CREATE TABLE rides (id INT, bike STRING, rider STRING, station STRING, kind STRING, started TIMESTAMP(3), minutes INT, fare DECIMAL(8, 2), WATERMARK FOR started AS started - INTERVAL '30' MINUTE)
WITH ('connector'='filesystem','path'='${DATA}/cookbook_rides.json','format'='json','scan.watermark.emit.strategy'='on-event');
CREATE TABLE stations (code STRING, town STRING, docks INT) WITH ('connector'='filesystem','path'='${DATA}/cookbook_stations.json','format'='json');
CREATE TABLE repairs (job INT, bike STRING, what STRING, `at` TIMESTAMP(3), WATERMARK FOR `at` AS `at` - INTERVAL '30' MINUTE)
WITH ('connector'='filesystem','path'='${DATA}/cookbook_repairs.json','format'='json','scan.watermark.emit.strategy'='on-event');
CREATE TABLE price_feed (kind STRING, rate DECIMAL(6, 4), changed TIMESTAMP(3), WATERMARK FOR changed AS changed - INTERVAL '30' MINUTE)
WITH ('connector'='filesystem','path'='${DATA}/cookbook_prices.json','format'='json','scan.watermark.emit.strategy'='on-event');
CREATE TABLE town_feed (code STRING, name STRING, changed TIMESTAMP(3), WATERMARK FOR changed AS changed - INTERVAL '30' MINUTE)
WITH ('connector'='filesystem','path'='${DATA}/cookbook_towns.json','format'='json','scan.watermark.emit.strategy'='on-event');
CREATE VIEW prices AS SELECT kind, rate, changed FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY kind ORDER BY changed DESC) AS nth FROM price_feed) WHERE nth = 1;
CREATE VIEW towns AS SELECT code, name, changed FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY code ORDER BY changed DESC) AS nth FROM town_feed) WHERE nth = 1;

-- 1 Regular joins.
SELECT r.id, s.town FROM rides AS r JOIN stations AS s ON r.station = s.code;
SELECT r.id, s.town, s.docks FROM rides AS r LEFT JOIN stations AS s ON r.station = s.code AND s.docks > 0;
SELECT s.town, COUNT(r.id) FROM stations AS s LEFT JOIN rides AS r ON r.station = s.code GROUP BY s.town;
SELECT r.id, s.code FROM rides AS r FULL OUTER JOIN stations AS s ON r.station = s.code;
SELECT a.id, b.id FROM rides AS a, rides AS b WHERE a.bike = b.bike AND a.id < b.id;

-- 2 Interval joins: a repair within four minutes of a ride.
SELECT r.id, p.job, p.what FROM rides AS r JOIN repairs AS p ON r.bike = p.bike AND p.`at` BETWEEN r.started AND r.started + INTERVAL '4' MINUTE;
SELECT r.id, p.job FROM rides AS r LEFT JOIN repairs AS p ON r.bike = p.bike AND r.started BETWEEN p.`at` - INTERVAL '2' MINUTE AND p.`at`;
SELECT r.id, p.job FROM rides AS r, repairs AS p WHERE r.bike = p.bike AND p.`at` >= r.started AND p.`at` < r.started + INTERVAL '30' SECOND;

-- 3 With the version that held at the time.
SELECT r.id, r.fare * p.rate AS tax, p.rate FROM rides AS r JOIN prices FOR SYSTEM_TIME AS OF r.started AS p ON r.kind = p.kind;
SELECT r.id, p.rate, p.changed FROM rides AS r LEFT JOIN prices FOR SYSTEM_TIME AS OF r.started AS p ON r.kind = p.kind;

-- 5 A star: a fact with several dimensions, one of them twice.
SELECT r.id, r.started, p.rate, a.name, b.name FROM rides AS r LEFT JOIN prices FOR SYSTEM_TIME AS OF r.started AS p ON r.kind = p.kind LEFT JOIN towns FOR SYSTEM_TIME AS OF r.started AS a ON r.station = a.code LEFT JOIN towns FOR SYSTEM_TIME AS OF r.started AS b ON r.station = b.code;

-- 6 Lateral: the two busiest stations of each kind.
CREATE VIEW use_of AS SELECT kind, station, COUNT(*) AS n FROM (SELECT kind, station, ROW_NUMBER() OVER (PARTITION BY id ORDER BY started DESC) AS nth FROM rides) WHERE nth = 1 GROUP BY kind, station;
SELECT k.kind, t.station, t.n FROM (SELECT DISTINCT kind FROM use_of) AS k, LATERAL (SELECT station, n FROM use_of WHERE kind = k.kind ORDER BY n DESC, station LIMIT 2) AS t;
SELECT k.kind, t.n FROM (SELECT DISTINCT kind FROM use_of) AS k, LATERAL (SELECT SUM(n) AS n FROM use_of WHERE kind = k.kind) AS t;
