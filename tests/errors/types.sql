-- include tables.inc
INSERT INTO p SELECT n, b FROM clicks;
INSERT INTO p SELECT userid, price FROM clicks;
INSERT INTO p SELECT userid FROM clicks;
SELECT n + userid, userid = n, userid || n FROM clicks;
SELECT UPPER(n) FROM clicks;
SELECT CHAR_LENGTH(userid, 3), SUM(action), COUNT(DISTINCT n, b) FROM clicks;
SELECT CAST(n AS TIMESTAMP) FROM clicks;
SELECT userid FROM clicks JOIN users ON n = name;
SELECT n FROM clicks UNION ALL SELECT n, b FROM clicks;
SELECT userid, COUNT(*) FROM clicks GROUP BY userid HAVING n > 1;
SELECT userid, n FROM clicks GROUP BY userid;
SELECT userid FROM clicks WHERE SUM(n) > 3;
SELECT * FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(n), INTERVAL '1' MINUTE));
SELECT * FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts)));
SELECT * FROM TABLE(HOP(TABLE clicks, DESCRIPTOR(ts), INTERVAL '0' SECOND, INTERVAL '1' MINUTE));
SELECT n FROM clicks WHERE userid;
SELECT CASE WHEN n > 1 THEN 'x' ELSE n END FROM clicks;
