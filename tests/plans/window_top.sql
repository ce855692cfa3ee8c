-- include clicks.inc
CREATE TABLE out (s TIMESTAMP(3), userid STRING, n BIGINT) WITH ('connector' = 'kafka');
INSERT INTO out
SELECT window_start, userid, n FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY n DESC) AS rn FROM (
    SELECT window_start, window_end, userid, COUNT(*) AS n
    FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
    GROUP BY window_start, window_end, userid))
WHERE rn <= 3;
