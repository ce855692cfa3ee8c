-- include clicks.inc
CREATE TABLE out (userid STRING, first_action STRING, day STRING) PARTITIONED BY (day)
WITH ('connector' = 'filesystem', 'path' = '/tmp/x', 'format' = 'parquet');
INSERT INTO out SELECT userid, FIRST_VALUE(action), DATE_FORMAT(window_end, 'yyyy-MM-dd')
FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY userid, window_start, window_end;
