-- include clicks.inc
-- Fourteen tables: what is known of a join's sides is found out once.
CREATE TABLE side (id STRING, name STRING) WITH ('connector' = 'kafka');
CREATE TABLE out (userid STRING, names STRING) WITH ('connector' = 'kafka');
INSERT INTO out
SELECT c.userid, n13.name
FROM clicks AS c
JOIN side AS n1 ON c.userid = n1.id
JOIN side AS n2 ON c.userid = n2.id
JOIN side AS n3 ON c.userid = n3.id
JOIN side AS n4 ON c.userid = n4.id
JOIN side AS n5 ON c.userid = n5.id
JOIN side AS n6 ON c.userid = n6.id
JOIN side AS n7 ON c.userid = n7.id
JOIN side AS n8 ON c.userid = n8.id
JOIN side AS n9 ON c.userid = n9.id
JOIN side AS n10 ON c.userid = n10.id
JOIN side AS n11 ON c.userid = n11.id
JOIN side AS n12 ON c.userid = n12.id
JOIN side AS n13 ON c.userid = n13.id;
