-- include clicks.inc
CREATE TABLE out (action STRING, cnt BIGINT, PRIMARY KEY (action) NOT ENFORCED)
WITH ('connector' = 'jdbc');
INSERT INTO out SELECT action, COUNT(*) FROM clicks GROUP BY action;
