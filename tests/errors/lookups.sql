-- include tables.inc
CREATE TABLE orders (id INT, userid STRING, ts TIMESTAMP(3), pt AS PROCTIME(),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)
  WITH ('connector' = 'kafka', 'topic' = 't', 'properties.bootstrap.servers' = 'x', 'format' = 'json');
CREATE TABLE people (id STRING, age INT, at AS PROCTIME(), PRIMARY KEY (id) NOT ENFORCED)
  WITH ('connector' = 'jdbc', 'url' = 'jdbc:postgresql://h/d', 'table-name' = 'people');
CREATE VIEW adults AS SELECT * FROM people WHERE age > 17;
SELECT o.id, p.age FROM orders AS o JOIN people FOR SYSTEM_TIME AS OF o.ts AS p ON o.userid = p.id;
SELECT o.id, p.age FROM orders AS o JOIN people FOR SYSTEM_TIME AS OF o.id AS p ON o.userid = p.id;
SELECT o.id, p.age FROM orders AS o JOIN people FOR SYSTEM_TIME AS OF PROCTIME() AS p ON o.userid = p.id;
SELECT o.id, p.age FROM orders AS o RIGHT JOIN people FOR SYSTEM_TIME AS OF o.pt AS p ON o.userid = p.id;
SELECT o.id, p.age FROM orders AS o JOIN adults FOR SYSTEM_TIME AS OF o.pt AS p ON o.userid = p.id;
SELECT o.id, p.age FROM orders AS o JOIN people FOR SYSTEM_TIME AS OF o.pt AS p ON o.id < p.age;
SELECT o.id, p.age FROM orders AS o JOIN people FOR SYSTEM_TIME AS OF o.pt AS p ON o.userid = p.id OR o.id = p.age;
SELECT o.id, p.age FROM orders AS o JOIN people FOR SYSTEM_TIME AS OF o.pt AS p ON o.userid = UPPER(p.id);
SELECT o.id, p.at FROM orders AS o JOIN people FOR SYSTEM_TIME AS OF o.pt AS p ON o.userid = p.id;
SELECT o.id, c.b FROM orders AS o JOIN clicks FOR SYSTEM_TIME AS OF o.pt AS c ON o.userid = c.userid;
SELECT p.age FROM people FOR SYSTEM_TIME AS OF pt AS p;
SELECT o.id FROM orders AS o WHERE o.userid IN (SELECT id FROM people FOR SYSTEM_TIME AS OF o.pt);
