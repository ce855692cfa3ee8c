-- include clicks.inc
-- Rows with their neighbours: by event time, by arrival, by a column.
CREATE TABLE sums (userid STRING, total DECIMAL(38, 2), n BIGINT) WITH ('connector' = 'print');
CREATE TABLE last_two (userid STRING, action STRING, earlier STRING) WITH ('connector' = 'print');
CREATE TABLE ranks (userid STRING, r BIGINT) WITH ('connector' = 'print');
INSERT INTO sums SELECT userid, SUM(amount) OVER w, COUNT(*) OVER w FROM clicks
WINDOW w AS (PARTITION BY userid ORDER BY ts RANGE BETWEEN INTERVAL '1' MINUTE PRECEDING AND CURRENT ROW);
INSERT INTO last_two SELECT userid, action, LAG(action) OVER (PARTITION BY userid ORDER BY pt) FROM clicks;
INSERT INTO ranks SELECT userid, ROW_NUMBER() OVER (PARTITION BY userid ORDER BY amount) FROM clicks;
