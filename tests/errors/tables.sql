-- include tables.inc
CREATE TABLE a (x INT, y STRNG) WITH ('connector' = 'print');
CREATE TABLE b (x INT PRIMARY KEY) WITH ('connector' = 'print');
CREATE TABLE c (x INT, o BIGINT METADATA FROM 'ofset') WITH ('connector' = 'kafka', 'topic' = 't',
  'properties.bootstrap.servers' = 'x', 'format' = 'jsn');
CREATE TABLE d (ts STRING, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector' = 'print');
CREATE TABLE e (ts TIMESTAMP(3), WATERMARK FOR tss AS ts) WITH ('connector' = 'print');
CREATE TABLE e2 (ts TIMESTAMP(3), WATERMARK FOR ts AS ts + INTERVAL '5' SECOND)
  WITH ('connector' = 'print');
CREATE TABLE f (x INT, z AS x + yy, PRIMARY KEY (q) NOT ENFORCED) PARTITIONED BY (w)
  WITH ('connector' = 'filesystem', 'format' = 'json');
CREATE TABLE g (x INT) WITH ('connector' = 'kafka', 'topic' = 't', 'format' = 'json',
  'properties.bootstrap.servers' = 'x', 'scan.startup.mode' = 'earliest',
  'json.ignore-parse-error' = 'true', 'scan.parallelism' = 'two', 'pasword' = 'geheim');
CREATE TABLE h (x DECIMAL(50, 2), y INT) WITH ('connector' = 'print');
CREATE TABLE i (x INT, x STRING) WITH ('connector' = 'print', 'connector' = 'print');
CREATE TABLE j (x INT) WITH ('connector' = 'prnt');
CREATE TABLE k (x INT);
CREATE TABLE clicks (x INT) WITH ('connector' = 'print');
CREATE TABLE l (x INT) WITH ('connector' = 'print', 'topic' = 't');
INSERT INTO a SELECT n, action FROM clicks;
INSERT INTO j SELECT nn FROM clicks;
