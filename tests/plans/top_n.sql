-- include clicks.inc
CREATE TABLE out (userid STRING, amount DECIMAL(10, 2), rn BIGINT) WITH ('connector' = 'print');
INSERT INTO out SELECT userid, amount, rn FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY userid ORDER BY amount DESC) AS rn FROM clicks)
WHERE rn <= 3;
