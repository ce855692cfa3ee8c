-- Orders wait in a Gate; rates are versions, and so the rows as they come.
CREATE TABLE orders (id INT, cur STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)
WITH ('connector' = 'kafka', 'topic' = 'orders', 'properties.bootstrap.servers' = 'k:9092', 'format' = 'json');
CREATE TABLE rates (cur STRING, rate DECIMAL(5,2), ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND, PRIMARY KEY (cur) NOT ENFORCED)
WITH ('connector' = 'upsert-kafka', 'topic' = 'rates', 'properties.bootstrap.servers' = 'k:9092', 'key.format' = 'json', 'value.format' = 'json');
CREATE TABLE feed (cur STRING, bank STRING, rate DECIMAL(5,2), ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)
WITH ('connector' = 'kafka', 'topic' = 'feed', 'properties.bootstrap.servers' = 'k:9092', 'format' = 'json');
CREATE VIEW newest AS SELECT cur, bank, rate, ts FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY cur ORDER BY ts DESC) AS rn FROM feed) WHERE rn = 1;
CREATE TABLE o1 (id INT, rate DECIMAL(5,2)) WITH ('connector' = 'print');
CREATE TABLE o2 (id INT, rate DECIMAL(5,2), bank STRING) WITH ('connector' = 'print');
CREATE TABLE o3 (id INT) WITH ('connector' = 'print');
INSERT INTO o1 SELECT o.id, r.rate FROM orders AS o
  LEFT JOIN rates FOR SYSTEM_TIME AS OF o.ts AS r ON o.cur = r.cur AND r.rate > 1;
INSERT INTO o2 SELECT o.id, r.rate, r.bank FROM orders AS o
  JOIN newest FOR SYSTEM_TIME AS OF o.ts AS r ON o.cur = r.cur WHERE r.bank <> 'x';
INSERT INTO o3 SELECT id FROM orders ORDER BY ts, cur DESC;
