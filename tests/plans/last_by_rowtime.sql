-- include clicks.inc
CREATE TABLE out (userid STRING, action STRING, PRIMARY KEY (userid) NOT ENFORCED)
WITH ('connector' = 'jdbc');
INSERT INTO out SELECT userid, action FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY userid ORDER BY ts DESC) AS rn FROM clicks)
WHERE rn = 1;
