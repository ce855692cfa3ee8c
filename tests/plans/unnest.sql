-- A row for each element; LEFT JOIN keeps rows that have none.
CREATE TABLE orders (id INT, tags ARRAY<STRING>, items ARRAY<ROW<sku STRING, n INT>>)
WITH ('connector' = 'kafka', 'topic' = 'orders', 'format' = 'json');
CREATE TABLE tagged (id INT, tag STRING, nth INT) WITH ('connector' = 'print');
CREATE TABLE items (id INT, sku STRING, n INT) WITH ('connector' = 'print');
INSERT INTO tagged SELECT id, tag, nth FROM orders
CROSS JOIN UNNEST(tags) WITH ORDINALITY AS t(tag, nth);
INSERT INTO items SELECT id, i.sku, i.n FROM orders LEFT JOIN UNNEST(items) AS i ON TRUE;
