-- include clicks.inc
SET 'brooklet.table.clicks.dedup-ttl' = 'watermark';
CREATE VIEW firsts AS SELECT * FROM (
  SELECT userid, action, ts, ROW_NUMBER() OVER (PARTITION BY userid, action ORDER BY PROCTIME()) AS rn
  FROM clicks WHERE action <> 'leave') WHERE rn = 1;
CREATE TABLE out (window_end TIMESTAMP(3), n BIGINT)
WITH ('connector' = 'jdbc');
INSERT INTO out SELECT window_end, COUNT(*) FROM TABLE(
  TUMBLE(TABLE firsts, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end;
