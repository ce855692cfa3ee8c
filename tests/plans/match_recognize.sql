-- include clicks.inc
CREATE TABLE out (userid STRING, first_n INT, rises BIGINT, total INT, at TIMESTAMP(3))
WITH ('connector' = 'filesystem', 'path' = '/out', 'format' = 'json');
CREATE VIEW rises AS SELECT * FROM clicks MATCH_RECOGNIZE (
  PARTITION BY userid ORDER BY ts, eventid
  MEASURES A.n AS first_n, COUNT(B.n) AS rises, SUM(B.n + 1) AS total, MATCH_ROWTIME() AS at
  AFTER MATCH SKIP TO LAST B
  PATTERN (A B{2,} C) WITHIN INTERVAL '10' MINUTE
  DEFINE B AS B.n > LAST(B.n, 1) OR LAST(B.n, 1) IS NULL AND B.n > A.n, C AS C.action = 'end');
INSERT INTO out SELECT * FROM rises;
CREATE TABLE minutes (window_start TIMESTAMP(3), n BIGINT)
WITH ('connector' = 'filesystem', 'path' = '/minutes', 'format' = 'json');
INSERT INTO minutes SELECT window_start, COUNT(*) FROM
  TABLE(TUMBLE(TABLE rises, DESCRIPTOR(at), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end;
