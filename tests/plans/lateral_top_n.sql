-- include clicks.inc
SELECT s.userid, x.n FROM (SELECT DISTINCT userid FROM clicks) s,
LATERAL (SELECT n FROM clicks WHERE userid = s.userid ORDER BY n DESC LIMIT 3) x;
