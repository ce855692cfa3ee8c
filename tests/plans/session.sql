-- include clicks.inc
CREATE TABLE out (userid STRING, s TIMESTAMP(3), n BIGINT) WITH ('connector' = 'kafka');
INSERT INTO out
SELECT userid, window_start, COUNT(*)
FROM TABLE(SESSION(TABLE clicks PARTITION BY userid, DESCRIPTOR(ts), INTERVAL '5' MINUTE))
GROUP BY userid, window_start, window_end;
CREATE TABLE each (userid STRING, e TIMESTAMP(3)) WITH ('connector' = 'kafka');
INSERT INTO each
SELECT userid, window_end
FROM TABLE(SESSION(TABLE clicks PARTITION BY userid, DESCRIPTOR(ts), INTERVAL '5' MINUTE))
WHERE action = 'buy';
