-- include clicks.inc
CREATE TABLE out (userid STRING, total DECIMAL(38, 2), s TIMESTAMP(3)) WITH ('connector' = 'kafka');
INSERT INTO out
SELECT userid, SUM(amount), window_start
FROM TABLE(HOP(DATA => TABLE clicks, TIMECOL => DESCRIPTOR(ts), SLIDE => INTERVAL '10' SECOND,
  SIZE => INTERVAL '1' MINUTE))
WHERE action = 'buy'
GROUP BY userid, window_start, window_end HAVING SUM(amount) > 100;
