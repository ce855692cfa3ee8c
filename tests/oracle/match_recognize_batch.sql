-- MATCH_RECOGNIZE in batch mode: all rows are taken by time, none is late.
CREATE TABLE ticker (ts TIMESTAMP(3), symbol STRING, price INT, tax INT, pt AS PROCTIME(), WATERMARK FOR ts AS ts - INTERVAL '2' SECOND) WITH ('connector'='filesystem','path'='${DATA}/match_ticker.json','format'='json','scan.watermark.emit.strategy'='on-event');
CREATE TABLE t (ts TIMESTAMP(3), k STRING, c STRING, v INT, d DOUBLE, n INT, pt AS PROCTIME(), WATERMARK FOR ts AS ts - INTERVAL '2' SECOND) WITH ('connector'='filesystem','path'='${DATA}/match_letters.json','format'='json','scan.watermark.emit.strategy'='on-event');
SET 'execution.runtime-mode' = 'batch';
SELECT * FROM t MATCH_RECOGNIZE (PARTITION BY k ORDER BY ts MEASURES A.n AS a, B.n AS b PATTERN (A B) DEFINE B AS B.v > A.v);
SELECT * FROM t MATCH_RECOGNIZE (PARTITION BY k ORDER BY ts, n MEASURES A.n AS a, LAST(B.n) AS b, C.n AS c, MATCH_ROWTIME() AS r AFTER MATCH SKIP PAST LAST ROW PATTERN (A B* C) WITHIN INTERVAL '6' SECOND DEFINE B AS B.v > 2, C AS C.c = 'b');
SELECT COUNT(*) FROM ticker MATCH_RECOGNIZE (PARTITION BY symbol ORDER BY ts MEASURES A.price AS p, LAST(B.price) AS q AFTER MATCH SKIP TO LAST B PATTERN (A B+? C) DEFINE B AS B.price > A.price);
