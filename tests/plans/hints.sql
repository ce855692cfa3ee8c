-- include clicks.inc
SELECT /*+ STATE_TTL('c' = '1 d', 'u' = '2 h'), BROADCAST(u) */ u.city, COUNT(*) AS n
FROM clicks /*+ OPTIONS('scan.startup.mode' = 'latest-offset') */ c JOIN users u ON c.userid = u.userid
GROUP BY u.city;
