-- include clicks.inc
SELECT /*+ STATE_TTL('c' = '1 d') */ userid, COUNT(*) AS n FROM clicks AS c WHERE n > 3 GROUP BY userid;
