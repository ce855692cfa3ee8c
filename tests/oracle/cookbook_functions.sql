-- Cookbook, other built-in functions and operators: 1 dates and timestamps, 2 UNION ALL, 3 the current
-- watermark, 4 options in a hint, 5 arrays as rows, 6 texts as maps, 7 what is in JSON, 8 JSON made.
CREATE TABLE rides (id INT, rider STRING, station STRING, kind STRING, started TIMESTAMP(3), minutes INT, tags ARRAY<STRING>, note STRING, meta STRING, WATERMARK FOR started AS started - INTERVAL '1' MINUTE)
WITH ('connector'='filesystem','path'='${DATA}/cookbook_rides.json','format'='json','scan.watermark.emit.strategy'='on-event');
CREATE TABLE repairs (job INT, bike STRING, what STRING, `at` TIMESTAMP(3)) WITH ('connector'='filesystem','path'='${DATA}/cookbook_repairs.json','format'='json');
CREATE TABLE passes (id INT, bought TIMESTAMP(3), expires TIMESTAMP(3), `first` BIGINT, `last` BIGINT) WITH ('connector'='filesystem','path'='${DATA}/cookbook_passes.json','format'='json');

-- 1 Dates and timestamps.
SELECT id, TO_TIMESTAMP(FROM_UNIXTIME(`first`)) AS a, TO_TIMESTAMP_LTZ(`last`, 0) AS b FROM passes;
SELECT id, EXTRACT(DAY FROM expires), EXTRACT(MONTH FROM expires), YEAR(expires), QUARTER(expires), DAYOFYEAR(expires), WEEK(expires) FROM passes;
SELECT id, DATE_FORMAT(expires, 'yyyy-MM-dd''T''HH:mm') AS shown FROM passes;
SELECT id FROM passes WHERE TIMESTAMPDIFF(DAY, bought, expires) < 30;
SELECT id, TIMESTAMPADD(MONTH, 1, bought), bought + INTERVAL '1' DAY, FLOOR(bought TO HOUR), CEIL(bought TO DAY) FROM passes WHERE id <> 4;

-- 2 UNION ALL: rows of several tables as one.
SELECT 'ride' AS what, started AS at_time, station AS place FROM rides WHERE id < 4 UNION ALL SELECT 'repair', `at`, bike FROM repairs WHERE job < 3;
SELECT what, COUNT(*) FROM (SELECT 'ride' AS what FROM rides UNION ALL SELECT what FROM repairs) GROUP BY what;

-- 3 The current watermark: rows on time and rows that are late.
CREATE VIEW on_time AS SELECT * FROM rides WHERE CURRENT_WATERMARK(started) IS NULL OR started > CURRENT_WATERMARK(started);
CREATE VIEW too_late AS SELECT * FROM rides WHERE CURRENT_WATERMARK(started) IS NOT NULL AND started <= CURRENT_WATERMARK(started);
SELECT id, started, CURRENT_WATERMARK(started) AS w FROM too_late;
SELECT window_start, window_end, COUNT(DISTINCT rider) FROM TABLE(TUMBLE(TABLE on_time, DESCRIPTOR(started), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end;

-- 4 Options in a hint: columns that are not what the table says.
CREATE TABLE loose (id INT, station INT, fare DECIMAL(8, 2)) WITH ('connector'='filesystem','path'='${DATA}/cookbook_rides.json','format'='json');
SELECT id, station, fare FROM loose /*+ OPTIONS('json.ignore-parse-errors'='true') */;
SELECT id FROM loose /*+ OPTIONS('json.ignore-parse-errors'='true') */ WHERE fare IS NULL;

-- 5 Arrays as rows.
SELECT id, tag FROM rides CROSS JOIN UNNEST(tags) AS t (tag);
SELECT id, tag FROM rides LEFT JOIN UNNEST(tags) AS t (tag) ON TRUE;
SELECT tag, COUNT(*) FROM rides CROSS JOIN UNNEST(tags) AS t (tag) GROUP BY tag;
SELECT id, CARDINALITY(tags), tags[1] FROM rides;

-- 6 Texts as maps.
SELECT id, STR_TO_MAP(note, ';', '=') FROM rides WHERE id IN (1, 2, 3);
SELECT id, STR_TO_MAP(note, ';', '=')['weather'] AS weather FROM rides;
SELECT id, STR_TO_MAP('rider:' || rider || ';kind:' || kind, ';', ':')['kind'] FROM rides;
SELECT id, SPLIT_INDEX(note, ';', 1) FROM rides;

-- 7 What is in JSON.
SELECT id, meta IS JSON, meta IS JSON OBJECT, JSON_EXISTS(meta, '$.rider.age'), JSON_VALUE(meta, '$.rider.name') FROM rides;
SELECT id, JSON_QUERY(meta, '$.stops'), JSON_QUERY(meta, '$.stops[*]' WITH WRAPPER), JSON_VALUE(meta, '$.stops[0]') FROM rides;
SELECT id, JSON_VALUE(meta, '$.rider.age' RETURNING INT DEFAULT 0 ON EMPTY) FROM rides WHERE id IN (1, 2, 6, 13);

-- 8 JSON made.
SELECT id, JSON_OBJECT(KEY 'who' VALUE rider, KEY 'tags' VALUE tags, KEY 'kind' VALUE kind) AS o, JSON_ARRAY(rider, kind, minutes) AS a FROM rides;
SELECT JSON_OBJECTAGG(KEY kind VALUE n) FROM (SELECT kind, COUNT(*) AS n FROM rides GROUP BY kind) WHERE n > 4;
SELECT CHAR_LENGTH(JSON_ARRAYAGG(kind)) FROM (SELECT DISTINCT kind FROM rides);
