-- include clicks.inc
SELECT CASE WHEN n > 5 THEN n ELSE amount END AS x, amount * 1.5 AS y, amount / 3 AS z,
  MOD(n, 7) AS m, n + amount AS s
FROM clicks;
