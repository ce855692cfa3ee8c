-- include clicks.inc
CREATE TABLE a (userid STRING, n INT) WITH ('connector' = 'jdbc');
CREATE TABLE b (action STRING, total INT, PRIMARY KEY (action) NOT ENFORCED)
WITH ('connector' = 'jdbc');
INSERT INTO a SELECT userid, n FROM clicks WHERE n > 1;
INSERT INTO b SELECT action, SUM(n) FROM clicks GROUP BY action;
