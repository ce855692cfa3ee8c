-- include clicks.inc
CREATE VIEW buys AS SELECT * FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
WHERE action = 'buy';
CREATE VIEW views AS SELECT * FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
WHERE action = 'view';
CREATE TABLE out (userid STRING, s TIMESTAMP(3), viewed TIMESTAMP(3)) WITH ('connector' = 'kafka');
INSERT INTO out
SELECT b.userid, b.window_start, v.ts FROM buys AS b LEFT JOIN views AS v
ON b.window_start = v.window_start AND b.window_end = v.window_end AND b.userid = v.userid;
