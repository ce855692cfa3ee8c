-- include clicks.inc
CREATE TABLE banks (id STRING, name STRING, n INT, pt AS PROCTIME(), PRIMARY KEY (id) NOT ENFORCED)
WITH ('connector' = 'jdbc');
SET 'brooklet.table.banks.refresh-interval' = '1 min';
CREATE TABLE out (name STRING, n INT) WITH ('connector' = 'print');
INSERT INTO out SELECT name, n FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY name ORDER BY n DESC) AS rn FROM banks) WHERE rn = 1;
