-- Types of columns of VALUES whose rows say different lengths; grouping sets of expressions.
CREATE TABLE g (id INT, k STRING, i INT, ts TIMESTAMP(3)) WITH ('connector'='filesystem','path'='${DATA}/aggregation.json','format'='json');
SELECT * FROM (VALUES (CAST('a' AS CHAR(3))), ('bb'), (CAST('cc' AS VARCHAR(5)))) AS v(x);
SELECT * FROM (VALUES (TIMESTAMP '2020-01-01 00:00:00'), (TIMESTAMP '2020-01-01 00:00:00.123')) AS v(x);
SELECT * FROM (VALUES (CAST(1 AS DECIMAL(5, 2))), (2)) AS v(x);
SELECT * FROM (VALUES (UPPER('a'), X'01'), ('bcd', X'0203')) AS v(x, y);
SELECT * FROM (VALUES (CAST(NULL AS INT), 'a'), (2, CAST(NULL AS STRING))) AS v(x, y);
SELECT * FROM (VALUES (-1, 1 + 2), (2, 3 * 4)) AS v(x, y);
SELECT k, DATE_FORMAT(ts, 'mm') AS x, COUNT(*) FROM g GROUP BY GROUPING SETS ((k, DATE_FORMAT(ts, 'mm')), (DATE_FORMAT(ts, 'mm')));
SELECT k, i + 1 AS x, COUNT(*) FROM g GROUP BY GROUPING SETS ((k, i + 1), (i + 1)) HAVING COUNT(*) > 1;
SELECT CONCAT(k, '-') AS x, COUNT(*), GROUPING(CONCAT(k, '-')) FROM g GROUP BY ROLLUP (CONCAT(k, '-')) HAVING COUNT(*) > 1;
SELECT CASE WHEN i > 2 THEN 'many' ELSE 'few' END AS x, k, COUNT(*) FROM g GROUP BY CUBE (CASE WHEN i > 2 THEN 'many' ELSE 'few' END, k);
SELECT ARRAY_AGG(x), LISTAGG(y) FROM (SELECT 1 AS x, 'a' AS y) AS q;
