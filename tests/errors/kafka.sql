CREATE TABLE a (x INT) WITH ('connector' = 'kafka', 'properties.bootstrap.servers' = 'x',
  'format' = 'json');
CREATE TABLE b (x INT) WITH ('connector' = 'kafka', 'properties.bootstrap.servers' = 'x',
  'format' = 'json', 'topic' = 't', 'topic-pattern' = 't.*');
CREATE TABLE c (x INT, h STRING METADATA FROM 'headers', o INT METADATA FROM 'offset' VIRTUAL,
  h2 MAP<STRING, BIGINT> METADATA FROM 'headers') WITH ('connector' = 'kafka', 'topic' = 't',
  'properties.bootstrap.servers' = 'x', 'format' = 'json');
CREATE TABLE d (x INT) WITH ('connector' = 'kafka', 'properties.bootstrap.servers' = 'x',
  'format' = 'json', 'topic' = 't', 'key.format' = 'json', 'key.fields' = 'y');
CREATE TABLE e (x INT) WITH ('connector' = 'kafka', 'properties.bootstrap.servers' = 'x',
  'key.format' = 'json', 'topic' = 't', 'key.fields' = 'x');
CREATE TABLE f (x INT, y INT) WITH ('connector' = 'upsert-kafka', 'topic' = 't',
  'properties.bootstrap.servers' = 'x', 'key.format' = 'json', 'value.format' = 'json');
CREATE TABLE g (x INT PRIMARY KEY NOT ENFORCED) WITH ('connector' = 'upsert-kafka', 'topic' = 't',
  'properties.bootstrap.servers' = 'x', 'key.format' = 'json', 'value.format' = 'debezium-json');
CREATE TABLE h (x INT PRIMARY KEY NOT ENFORCED) WITH ('connector' = 'upsert-kafka', 'topic' = 't',
  'properties.bootstrap.servers' = 'x', 'format' = 'json', 'scan.startup.mode' = 'latest-offset');
CREATE TABLE i (x INT) WITH ('connector' = 'kafka', 'properties.bootstrap.servers' = 'x',
  'format' = 'json', 'topic' = 't', 'properties.security.protocol' = 'SASL_SSL',
  'properties.sasl.mechanism' = 'PLAIN', 'properties.sasl.jaas.config' =
  'org.apache.kafka.common.security.scram.ScramLoginModule required username="u" password="geheim";');
CREATE TABLE k (x INT) WITH ('connector' = 'kafka', 'properties.bootstrap.servers' = 'x',
  'format' = 'json', 'topic' = 't', 'properties.security.protocol' = 'SSL',
  'properties.ssl.truststore.location' = '/etc/trust.jks',
  'properties.ssl.truststore.password' = 'geheim');
