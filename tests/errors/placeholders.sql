CREATE TABLE a (x INT) WITH ('connector' = 'print', 'topic' = '${UNSET_THING}');
SELECT * FROM ${ALSO_UNSET};
CREATE TABLE b (ts TIMESTAMP(3), WATERMARK FOR ts AS ts - ${DELAY@interval:-soon})
  WITH ('connector' = 'print');
