-- include clicks.inc
CREATE TABLE people (id STRING, name STRING, city STRING, PRIMARY KEY (id) NOT ENFORCED) WITH (
  'connector' = 'jdbc', 'lookup.cache' = 'PARTIAL', 'lookup.partial-cache.max-rows' = '500',
  'lookup.partial-cache.expire-after-write' = '10 min');
CREATE TABLE latest (city STRING, name STRING, PRIMARY KEY (city) NOT ENFORCED) WITH ('connector' = 'brooklet-table');
CREATE TABLE out (userid STRING, name STRING, latest STRING) WITH ('connector' = 'print');
INSERT INTO latest SELECT city, LAST_VALUE(userid) FROM users GROUP BY city;
INSERT INTO out SELECT c.userid, p.name, l.name
FROM clicks AS c
LEFT JOIN people FOR SYSTEM_TIME AS OF c.pt AS p ON c.userid = p.id AND p.city <> 'Rome' AND c.n > 3
JOIN latest FOR SYSTEM_TIME AS OF c.pt AS l ON l.city = UPPER(p.city) AND l.name = c.userid;
