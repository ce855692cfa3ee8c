-- include tables.inc
CREATE TABLE a (v INT, k STRING) PARTITIONED BY (k) WITH ('connector' = 'filesystem', 'path' = 'a',
  'format' = 'json', 'sink.partition-commit.policy.kind' = 'metastore,success-file');
CREATE TABLE b (v INT, k STRING) PARTITIONED BY (k) WITH ('connector' = 'filesystem', 'path' = 'b',
  'format' = 'json', 'sink.partition-commit.policy.kind' = 'custom');
CREATE TABLE c (v INT, k STRING) WITH ('connector' = 'filesystem', 'path' = 'c',
  'format' = 'json', 'sink.partition-commit.policy.kind' = 'success-file');
CREATE TABLE d (v INT, k STRING) PARTITIONED BY (k) WITH ('connector' = 'filesystem', 'path' = 'd',
  'format' = 'json', 'sink.partition-commit.policy.kind' = 'success-file',
  'sink.partition-commit.success-file.name' = 'a/b', 'sink.partition-commit.trigger' = 'event-time');
CREATE TABLE e (v INT, k STRING) PARTITIONED BY (k) WITH ('connector' = 'filesystem', 'path' = 'e',
  'format' = 'json', 'sink.partition-commit.policy.kind' = 'success-file',
  'partition.time-extractor.kind' = 'custom');
