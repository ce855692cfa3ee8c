CREATE TABLE t (
  r ROW<a INT, s STRING>, arr ARRAY<INT>, m MAP<STRING, INT>, n INT, ts TIMESTAMP(3),
  part INT METADATA FROM 'partition' VIRTUAL, `offset` BIGINT METADATA VIRTUAL,
  kts TIMESTAMP_LTZ(3) METADATA FROM 'timestamp', nn AS n + 1,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'kafka', 'topic' = 't', 'format' = 'json');
SELECT r.s, m['x'] + arr[1] AS x, CAST(kts AS STRING) AS k, `offset` + part + nn AS o FROM t;
