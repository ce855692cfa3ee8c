-- include clicks.inc
SELECT userid, AVG(n), AVG(amount), SUM(n), SUM(amount), MIN(ts), MAX(action), FIRST_VALUE(action),
  LAST_VALUE(n), COUNT(*), COUNT(DISTINCT n) FILTER (WHERE n > 3), AVG(DISTINCT n), SUM(DISTINCT n)
FROM clicks GROUP BY userid HAVING COUNT(*) > 2;
