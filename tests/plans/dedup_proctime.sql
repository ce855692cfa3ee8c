-- include clicks.inc
CREATE TABLE out (userid STRING, n INT) WITH ('connector' = 'print');
INSERT INTO out SELECT userid, n FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY userid ORDER BY PROCTIME()) AS rn FROM clicks)
WHERE rn = 1;
INSERT INTO out SELECT userid, n FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY userid ORDER BY pt DESC) AS rn FROM clicks)
WHERE rn = 1;
