-- Temporal joins in event time. Nothing is late: which of two readers of a file is ahead is chance in Flink.
CREATE TABLE ev (s STRING, k STRING, p INT, d BOOLEAN, ts TIMESTAMP(3), pt AS PROCTIME(), WATERMARK FOR ts AS ts - INTERVAL '10' MINUTE)
WITH ('connector'='filesystem','path'='${DATA}/joins_versions.json','format'='json','scan.watermark.emit.strategy'='on-event');
CREATE VIEW o AS SELECT k, p, ts, pt FROM ev WHERE s = 'o';
CREATE VIEW r AS SELECT k, p, d, ts FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY ts DESC) AS rn FROM ev WHERE s = 'r') WHERE rn = 1;
CREATE VIEW live AS SELECT k, p, d, ts FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY ts DESC) AS rn FROM ev WHERE s = 'r') WHERE rn = 1 AND d = FALSE;
CREATE VIEW first_r AS SELECT k, p, ts FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY ts) AS rn FROM ev WHERE s = 'r') WHERE rn = 1;
CREATE VIEW plain AS SELECT k, p, ts FROM ev WHERE s = 'r';
SELECT o.p, r.p FROM o JOIN r FOR SYSTEM_TIME AS OF o.ts ON o.k = r.k;
SELECT o.p, r.p FROM o LEFT JOIN r FOR SYSTEM_TIME AS OF o.ts ON o.k = r.k;
SELECT o.p, x.p FROM o LEFT JOIN r FOR SYSTEM_TIME AS OF o.ts AS x ON o.k = x.k;
SELECT o.p, x.p, x.ts FROM o LEFT JOIN r FOR SYSTEM_TIME AS OF o.ts AS x ON x.k = o.k AND o.p < 10;
SELECT o.p, x.p FROM o LEFT JOIN r FOR SYSTEM_TIME AS OF o.ts AS x ON o.k = x.k AND x.p > 101;
SELECT o.p, x.p FROM o JOIN r FOR SYSTEM_TIME AS OF o.ts AS x ON o.k = x.k AND x.p > 101 + o.p;
SELECT o.p, x.p FROM o JOIN r FOR SYSTEM_TIME AS OF o.ts AS x ON o.k = x.k WHERE x.p > 101;
SELECT o.p, x.p FROM o LEFT JOIN live FOR SYSTEM_TIME AS OF o.ts AS x ON o.k = x.k;
SELECT o.p, x.p FROM o JOIN first_r FOR SYSTEM_TIME AS OF o.ts AS x ON o.k = x.k;
SELECT o.p, x.p FROM o JOIN plain FOR SYSTEM_TIME AS OF o.ts AS x ON o.k = x.k;
SELECT o.p, x.p FROM o JOIN r FOR SYSTEM_TIME AS OF o.pt AS x ON o.k = x.k;
SELECT o.p, x.p FROM o RIGHT JOIN r FOR SYSTEM_TIME AS OF o.ts AS x ON o.k = x.k;
SELECT o.p, x.p FROM o FULL JOIN r FOR SYSTEM_TIME AS OF o.ts AS x ON o.k = x.k;
SELECT o.p, x.p FROM o JOIN r FOR SYSTEM_TIME AS OF o.ts AS x ON o.p = x.p;
SELECT o.p, x.p FROM o JOIN r FOR SYSTEM_TIME AS OF o.ts AS x ON o.k = x.k OR o.p = x.p;
SELECT o.p, x.p FROM o JOIN r FOR SYSTEM_TIME AS OF TIMESTAMP '2024-01-01 00:00:00' AS x ON o.k = x.k;
SELECT o.p, x.p FROM o JOIN r FOR SYSTEM_TIME AS OF o.k AS x ON o.k = x.k;
SELECT o.p, x.p FROM o JOIN r FOR SYSTEM_TIME AS OF x.ts AS x ON o.k = x.k;
SELECT o.p, x.p FROM o JOIN (SELECT * FROM r) FOR SYSTEM_TIME AS OF o.ts AS x ON o.k = x.k;
SELECT * FROM r FOR SYSTEM_TIME AS OF TIMESTAMP '2024-01-01 00:00:15';
SELECT o.p, x.p, y.p FROM o LEFT JOIN r FOR SYSTEM_TIME AS OF o.ts AS x ON o.k = x.k LEFT JOIN r FOR SYSTEM_TIME AS OF o.ts AS y ON UPPER(o.k) = UPPER(y.k) AND o.k = y.k;
CREATE VIEW j AS SELECT o.p AS a, x.p AS b, o.ts FROM o LEFT JOIN r FOR SYSTEM_TIME AS OF o.ts AS x ON o.k = x.k;
SELECT window_start, SUM(a), SUM(b), COUNT(*) FROM TABLE(TUMBLE(TABLE j, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY window_start, window_end;
SELECT x.p, SUM(o.p) FROM o LEFT JOIN r FOR SYSTEM_TIME AS OF o.ts AS x ON o.k = x.k GROUP BY x.p;
-- Two files; nothing is late.
CREATE TABLE orders (id INT, cur STRING, region STRING, amount INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '30' SECOND)
WITH ('connector'='filesystem','path'='${DATA}/joins_orders.json','format'='json','scan.watermark.emit.strategy'='on-event');
CREATE TABLE rates (cur STRING, region STRING, rate DECIMAL(5,2), ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '30' SECOND, PRIMARY KEY (cur) NOT ENFORCED)
WITH ('connector'='filesystem','path'='${DATA}/joins_rates.json','format'='json','scan.watermark.emit.strategy'='on-event');
CREATE TABLE cdc (cur STRING, rate DECIMAL(5,2), ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '30' SECOND, PRIMARY KEY (cur) NOT ENFORCED)
WITH ('connector'='filesystem','path'='${DATA}/joins_rates_cdc.json','format'='debezium-json','scan.watermark.emit.strategy'='on-event');
CREATE TABLE keyless (cur STRING, rate DECIMAL(5,2), ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '30' SECOND)
WITH ('connector'='filesystem','path'='${DATA}/joins_rates.json','format'='json','scan.watermark.emit.strategy'='on-event');
CREATE TABLE timeless (cur STRING, rate DECIMAL(5,2), ts TIMESTAMP(3), PRIMARY KEY (cur) NOT ENFORCED)
WITH ('connector'='filesystem','path'='${DATA}/joins_rates.json','format'='json');
SELECT o.id, r.rate, o.amount * r.rate FROM orders o JOIN rates FOR SYSTEM_TIME AS OF o.ts AS r ON o.cur = r.cur;
SELECT o.id, r.rate FROM orders o LEFT JOIN rates FOR SYSTEM_TIME AS OF o.ts AS r ON o.cur = r.cur;
SELECT o.id, r.rate FROM orders AS o LEFT JOIN rates FOR SYSTEM_TIME AS OF o.ts r ON o.cur = r.cur AND o.region = r.region;
SELECT o.id, r.rate FROM orders AS o LEFT JOIN rates FOR SYSTEM_TIME AS OF o.ts AS r ON o.cur = r.cur AND o.region <> r.region;
SELECT o.id, r.rate FROM orders AS o JOIN rates FOR SYSTEM_TIME AS OF o.ts AS r ON o.cur = r.cur AND r.rate > 2.1;
SELECT o.id, r.rate FROM orders AS o LEFT JOIN rates FOR SYSTEM_TIME AS OF o.ts AS r ON o.cur = r.cur AND r.rate > 2.1;
SELECT o.id, r.rate, r.ts FROM orders AS o LEFT JOIN cdc FOR SYSTEM_TIME AS OF o.ts AS r ON o.cur = r.cur;
SELECT o.id, r.rate FROM orders AS o JOIN cdc FOR SYSTEM_TIME AS OF o.ts AS r ON o.cur = r.cur;
SELECT o.id, r.rate FROM orders AS o JOIN keyless FOR SYSTEM_TIME AS OF o.ts AS r ON o.cur = r.cur;
SELECT o.id, r.rate FROM orders AS o JOIN timeless FOR SYSTEM_TIME AS OF o.ts AS r ON o.cur = r.cur;
SELECT o.id, r.rate FROM orders AS o JOIN rates FOR SYSTEM_TIME AS OF o.ts AS r ON o.region = r.region;
SELECT o.id, r.rate FROM orders AS o JOIN rates FOR SYSTEM_TIME AS OF o.ts AS r ON UPPER(o.cur) = UPPER(r.cur);
SELECT o.id, r.rate FROM orders AS o JOIN rates FOR SYSTEM_TIME AS OF o.ts AS r ON LOWER(o.cur) = r.cur;
SELECT o.id, r.rate FROM (SELECT * FROM orders WHERE amount > 20) AS o JOIN rates FOR SYSTEM_TIME AS OF o.ts AS r ON o.cur = r.cur;
SELECT id, rate FROM orders JOIN rates FOR SYSTEM_TIME AS OF orders.ts ON orders.cur = rates.cur;
SELECT o.id, r.rate, c.rate FROM orders AS o LEFT JOIN rates FOR SYSTEM_TIME AS OF o.ts AS r ON o.cur = r.cur LEFT JOIN cdc FOR SYSTEM_TIME AS OF o.ts AS c ON o.cur = c.cur;
SELECT o.cur, r.rate FROM (SELECT cur, COUNT(*) AS n FROM orders GROUP BY cur) AS o JOIN rates FOR SYSTEM_TIME AS OF PROCTIME() AS r ON o.cur = r.cur;
SELECT c.cur, r.rate FROM cdc AS c JOIN rates FOR SYSTEM_TIME AS OF c.ts AS r ON c.cur = r.cur;
