-- include clicks.inc
CREATE TABLE names (
  userid STRING, name STRING, changed TIMESTAMP_LTZ(3) METADATA FROM 'timestamp' VIRTUAL,
  city STRING, PRIMARY KEY (userid) NOT ENFORCED
) WITH ('connector' = 'upsert-kafka');
CREATE TABLE o (city STRING, users BIGINT, PRIMARY KEY (city) NOT ENFORCED)
WITH ('connector' = 'upsert-kafka');
CREATE TABLE named (userid STRING, name STRING, PRIMARY KEY (userid) NOT ENFORCED)
WITH ('connector' = 'upsert-kafka');
INSERT INTO o SELECT city, COUNT(*) FROM names GROUP BY city;
INSERT INTO named SELECT userid, name FROM names WHERE name <> '';
