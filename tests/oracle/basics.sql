-- What every other file builds on: a table in a file, types as they are written, an error.
CREATE TABLE t (ts TIMESTAMP(3), k STRING, v INT, WATERMARK FOR ts AS ts - INTERVAL '2' SECOND) WITH ('connector'='filesystem','path'='${DATA}/clicks.json','format'='json','scan.watermark.emit.strategy'='on-event');
SELECT k, COUNT(*), SUM(v) FROM t GROUP BY k;
SELECT foo FROM t;
SELECT CAST(1.5 AS DECIMAL(10,2)), ARRAY[1,2], CAST(ROW(1,'x') AS ROW<a INT, b STRING>), TIMESTAMP '2020-01-01 00:00:00', DATE '2020-01-01', TIME '10:00:00', CAST('x' AS CHAR(3)), CAST('x' AS VARCHAR(3)), CAST(1 AS TINYINT), TRUE;
SELECT window_start, COUNT(*) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '5' SECOND)) GROUP BY window_start, window_end;
