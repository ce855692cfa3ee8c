-- include tables.inc
SET 'brooklet.table.timeless.dedup-ttl' = 'watermark';
CREATE TABLE timeless (a STRING, b BIGINT, pt AS PROCTIME()) WITH ('connector' = 'kafka', 'topic' = 't',
  'properties.bootstrap.servers' = 'x', 'format' = 'json');
INSERT INTO p SELECT a, b FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY a ORDER BY pt) AS rn FROM timeless) WHERE rn = 1;
SET 'brooklet.table.clicks.dedup-ttl' = 'event-time';
