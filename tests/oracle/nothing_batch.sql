-- The same in batch mode, for runs that are disturbed: a result of nothing is there once.
SET 'execution.runtime-mode' = 'batch';
CREATE TABLE g (id INT, k STRING, i INT, d DOUBLE, s STRING, ts TIMESTAMP(3)) WITH ('connector'='filesystem','path'='${DATA}/aggregation.json','format'='json');
SELECT COUNT(*), SUM(i), MIN(s), AVG(d), STDDEV(i) FROM g WHERE id > 100;
SELECT COUNT(*), SUM(i), MIN(s), MAX(d), COUNT(DISTINCT k), COUNT(i) FILTER (WHERE i > 2) FROM g;
SELECT LISTAGG(s), FIRST_VALUE(k) FROM g WHERE id > 100;
SELECT MAX(c) FROM (SELECT k, COUNT(*) AS c FROM g WHERE id > 100 GROUP BY k);
SELECT k, COUNT(*) FROM g WHERE id > 100 GROUP BY k;
SELECT id, (SELECT COUNT(*) FROM g WHERE id > 100) AS c FROM g WHERE id < 5;
SELECT COUNT(*) FROM (SELECT SUM(i) AS x FROM g WHERE id > 100) WHERE x IS NULL;
SELECT COUNT(*) AS c FROM g WHERE id > 100 HAVING COUNT(*) < 1;
