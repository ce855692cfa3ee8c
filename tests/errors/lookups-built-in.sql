-- include tables.inc
CREATE TABLE served (id STRING, PRIMARY KEY (id) NOT ENFORCED) WITH ('connector' = 'brooklet-table');
INSERT INTO p SELECT c.userid, c.b FROM clicks AS c
JOIN served FOR SYSTEM_TIME AS OF c.pt AS s ON c.userid = s.id;
