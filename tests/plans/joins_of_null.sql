-- NOT IN is an anti join in which NULL may be anything; IN under OR marks the rows.
CREATE TABLE l (id INT, k INT) WITH ('connector' = 'kafka', 'topic' = 'l', 'properties.bootstrap.servers' = 'k:9092', 'format' = 'json');
CREATE TABLE r (id INT, k INT) WITH ('connector' = 'kafka', 'topic' = 'r', 'properties.bootstrap.servers' = 'k:9092', 'format' = 'json');
CREATE TABLE o1 (id INT) WITH ('connector' = 'print');
CREATE TABLE o2 (id INT) WITH ('connector' = 'print');
CREATE TABLE o3 (id INT, rid INT) WITH ('connector' = 'print');
INSERT INTO o1 SELECT id FROM l WHERE k NOT IN (SELECT k FROM r);
INSERT INTO o2 SELECT id FROM l WHERE k IN (SELECT k FROM r) OR id = 6;
INSERT INTO o3 SELECT l.id, r.id FROM l JOIN r ON l.k IS NOT DISTINCT FROM r.k;
