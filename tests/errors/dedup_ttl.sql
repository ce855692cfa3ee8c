-- include tables.inc
SET 'brooklet.table.clicks.dedup-ttl' = 'watermark';
INSERT INTO p SELECT userid, b FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY userid ORDER BY n) AS rn FROM clicks) WHERE rn = 1;
