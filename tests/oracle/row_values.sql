-- ROWs compared: those that are written out field by field, others as a whole.
CREATE TABLE t (id INT, s STRING, c3 CHAR(3), i INT, r ROW<p INT, q STRING>, rs ARRAY<ROW<f INT, g STRING>>, nn INT NOT NULL) WITH ('connector'='filesystem','path'='${DATA}/functions_nested.json','format'='json');
SELECT ROW(2, 'a') = ROW(1, CAST(NULL AS STRING)), ROW(1, 'a') = ROW(1, CAST(NULL AS STRING)), ROW(CAST(NULL AS INT), 'a') = ROW(CAST(NULL AS INT), 'a') FROM t WHERE id = 1;
SELECT id, ROW(i, s) = ROW(2, 'a'), ROW(i, s) <> ROW(1, 'a'), r = ROW(1, 'a'), r <> ROW(1, 'a'), r = r, (i, s) = (i, s) FROM t;
SELECT id, (i, s) IN ((1, 'a'), (2, 'b')), (i, s) NOT IN ((1, 'a'), (2, 'b')), r IN (ROW(1, 'a'), ROW(2, 'b')) FROM t;
SELECT id FROM t WHERE (i, s) IN ((1, 'abc'), (5, 'a'));
SELECT id FROM t WHERE (i, s) NOT IN ((1, 'a'), (2, 'b'));
SELECT id FROM t WHERE r = ROW(1, 'a');
SELECT id, (i, s) < (2, 'b') FROM t;
SELECT id, (i, (nn, s)) = (1, (2, 'a')) FROM t;
SELECT id, CASE r WHEN ROW(1, 'a') THEN 'x' ELSE 'y' END FROM t;
SELECT id, rs = rs, ARRAY[i] = ARRAY[1], ARRAY[i] <> ARRAY[1], ARRAY[CAST(NULL AS INT)] = ARRAY[CAST(NULL AS INT)], MAP['a', i] = MAP['a', 1] FROM t;
SELECT id, ARRAY['a'] = ARRAY['ab'], ARRAY[s] = ARRAY['a'], ARRAY['a ', 'b'] = ARRAY['a', 'b'] FROM t;
SELECT a.id, b.id FROM t a JOIN t b ON (a.i, a.s) = (b.i, b.s);
