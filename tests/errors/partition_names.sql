-- include tables.inc
CREATE TABLE a (n INT, k STRING) PARTITIONED BY (k) WITH ('connector' = 'filesystem', 'path' = 'a',
  'format' = 'json', 'sink.partition-commit.policy.kind' = 'success-file');
SET 'brooklet.table.a.path-template' = '{k}/x.json';
INSERT INTO a SELECT n, userid FROM clicks;
