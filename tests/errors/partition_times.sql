-- include tables.inc
CREATE TABLE a (n INT, k STRING) PARTITIONED BY (k) WITH ('connector' = 'filesystem', 'path' = 'a',
  'format' = 'json', 'sink.partition-commit.policy.kind' = 'success-file',
  'sink.partition-commit.trigger' = 'partition-time',
  'partition.time-extractor.timestamp-formatter' = 'dd MMM yyyy');
INSERT INTO a SELECT n, userid FROM clicks;
