-- ORDER BY a time attribute: rows wait for the watermark.
CREATE TABLE t (k STRING, v INT, ts TIMESTAMP(3), pt AS PROCTIME(), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)
WITH ('connector'='filesystem','path'='${DATA}/joins_order.json','format'='json','scan.watermark.emit.strategy'='on-event');
CREATE TABLE exact (k STRING, v INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
WITH ('connector'='filesystem','path'='${DATA}/joins_order.json','format'='json','scan.watermark.emit.strategy'='on-event');
SELECT k, v, ts FROM t ORDER BY ts, v;
SELECT k, v, ts FROM t ORDER BY ts, v DESC;
SELECT k, v, ts FROM t ORDER BY ts ASC, v DESC NULLS LAST, k DESC;
SELECT k, v FROM t ORDER BY ts, UPPER(k) DESC;
SELECT k, ts AS x FROM t WHERE v > 4 ORDER BY x;
SELECT k, ts FROM t ORDER BY v, ts;
SELECT k FROM t ORDER BY pt;
SELECT k, COUNT(*) FROM t GROUP BY k ORDER BY k;
SELECT k, v FROM (SELECT * FROM t ORDER BY v);
SELECT k, v FROM (SELECT * FROM t ORDER BY ts);
SELECT k, COUNT(*) FROM (SELECT * FROM t ORDER BY v) GROUP BY k;
CREATE VIEW sorted AS SELECT k, v FROM t ORDER BY ts;
SELECT k FROM sorted;
CREATE VIEW by_v AS SELECT k, v FROM t ORDER BY v;
SELECT k FROM by_v;
SELECT window_start, COUNT(*) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY window_start, window_end ORDER BY window_start;
SELECT window_time, COUNT(*) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY window_start, window_end, window_time ORDER BY window_time;
SELECT k, ts FROM t WHERE k = 'zz' ORDER BY ts;
SELECT k, ts FROM t ORDER BY ts DESC, k;
SELECT k, ts FROM t ORDER BY v, k DESC;
SELECT k, ts FROM t ORDER BY v DESC NULLS LAST, k;
SELECT k, ts FROM t ORDER BY ts + INTERVAL '1' SECOND, k;
SELECT a.k, b.k FROM t a JOIN t b ON a.k = b.k ORDER BY a.ts, a.k;
SELECT k, v FROM t ORDER BY 2, 1 DESC;
-- Rows of one time: batch mode brings them in the order in which its sort leaves them.
SET 'execution.runtime-mode' = 'streaming';
SELECT k, v, ts FROM t ORDER BY ts;
SELECT k FROM t ORDER BY ts;
SELECT k, ts FROM exact ORDER BY ts;
SELECT k, ts FROM t ORDER BY ts DESC;
SELECT k, ts FROM t ORDER BY v;
SELECT k, ts FROM t ORDER BY 2;
SELECT k, ts FROM t ORDER BY ts + INTERVAL '1' SECOND;
SELECT v FROM t ORDER BY pt DESC;
SELECT a.k, b.k FROM t a JOIN t b ON a.k = b.k ORDER BY a.ts;
