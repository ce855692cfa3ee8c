-- include clicks.inc
CREATE TABLE out (s TIMESTAMP(3), cnt BIGINT) WITH ('connector' = 'print');
INSERT INTO out SELECT window_start, COUNT(*)
FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start;
