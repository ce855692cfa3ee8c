-- include tables.inc
CREATE TABLE a (n INT, k STRING) PARTITIONED BY (k) WITH ('connector' = 'filesystem', 'path' = 'a',
  'format' = 'json', 'sink.partition-commit.policy.kind' = 'success-file',
  'sink.partition-commit.trigger' = 'partition-time',
  'sink.partition-commit.watermark-time-zone' = 'Mars/Base');
INSERT INTO a SELECT n, userid FROM clicks;
