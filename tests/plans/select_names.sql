-- include clicks.inc
SELECT userid, n + 1, COUNT(*) AS userid FROM clicks GROUP BY userid, n + 1;
