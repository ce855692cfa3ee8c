-- Users and organisations from two Kafka topics into Postgres, what cannot be used into a topic of
-- its own, and each user with its organisation into a table that serve/*.sql answers from over HTTP.
-- Every ${NAME:-default} is an environment variable; README.md has the list.
SET 'pipeline.name' = '${PIPELINE_NAME:-users}';
SET 'execution.checkpointing.interval' = '${CHECKPOINT_INTERVAL:-10 s}';
SET 'brooklet.checkpoint.interval' = '${CHECKPOINT_INTERVAL:-10 s}';

-- Records are read as they are: whatever is wrong with one, it can be shown whole.
CREATE TABLE user_records (
  record STRING,
  `partition` INT METADATA VIRTUAL,
  `offset` BIGINT METADATA VIRTUAL,
  arrived_at AS PROCTIME()
) WITH (
  'connector' = 'kafka',
  'topic' = '${USER_TOPIC:-user_events}',
  'properties.bootstrap.servers' = '${KAFKA_BOOTSTRAP_SERVERS:-localhost:9092}',
  'properties.group.id' = '${KAFKA_GROUP_ID:-GRP1}',
  'scan.startup.mode' = 'earliest-offset',
  'scan.bounded.mode' = '${KAFKA_BOUNDED_MODE:-unbounded}',
  'format' = 'raw'
);

CREATE TABLE organization_records (
  record STRING,
  `partition` INT METADATA VIRTUAL,
  `offset` BIGINT METADATA VIRTUAL
) WITH (
  'connector' = 'kafka',
  'topic' = '${ORG_TOPIC:-org_events}',
  'properties.bootstrap.servers' = '${KAFKA_BOOTSTRAP_SERVERS:-localhost:9092}',
  'properties.group.id' = '${KAFKA_GROUP_ID:-GRP1}',
  'scan.startup.mode' = 'earliest-offset',
  'scan.bounded.mode' = '${KAFKA_BOUNDED_MODE:-unbounded}',
  'format' = 'raw'
);

SET 'brooklet.table.user_records.create-table' = 'if-not-exists';
SET 'brooklet.table.user_records.create-table.partitions' = '${TOPIC_PARTITIONS:-3}';
SET 'brooklet.table.organization_records.create-table' = 'if-not-exists';
SET 'brooklet.table.organization_records.create-table.partitions' = '${TOPIC_PARTITIONS:-3}';

-- Every record with its fields and, where it cannot be used, why.
CREATE VIEW user_fields AS
SELECT *,
  CASE
    WHEN record IS NULL OR record IS NOT JSON OBJECT THEN 'malformed json'
    WHEN username IS NULL OR username = '' THEN 'no username'
    WHEN user_email IS NULL THEN 'no user_email'
    WHEN received_at IS NULL THEN 'bad received_at'
  END AS problem
FROM (
  SELECT
    JSON_VALUE(record, '$.id') AS id,
    JSON_VALUE(record, '$.event_type') AS event_type,
    JSON_VALUE(record, '$.username') AS username,
    JSON_VALUE(record, '$.user_email') AS user_email,
    JSON_VALUE(record, '$.user_type') AS user_type,
    JSON_VALUE(record, '$.organization_name') AS organization_name,
    TRY_CAST(JSON_VALUE(record, '$.received_at') AS TIMESTAMP(6)) AS received_at,
    record, `partition`, `offset`, arrived_at
  FROM user_records
);

CREATE VIEW organization_fields AS
SELECT
  JSON_VALUE(record, '$.organization_key') AS organization_key,
  JSON_VALUE(record, '$.organization_name') AS organization_name,
  JSON_VALUE(record, '$.organization_tier') AS organization_tier,
  TRY_CAST(JSON_VALUE(record, '$.created_at') AS TIMESTAMP(6)) AS created_at,
  CASE WHEN record IS NULL OR record IS NOT JSON OBJECT THEN 'malformed json' END AS problem,
  record, `partition`, `offset`
FROM organization_records;

-- The event that came last, by user.
CREATE VIEW last_events AS
SELECT id, event_type, username, user_email, user_type, organization_name, received_at
FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY user_email ORDER BY arrived_at DESC) AS place
  FROM user_fields WHERE problem IS NULL
) WHERE place = 1;

-- Users as of their newest event; one whose newest event is a deletion is gone.
CREATE VIEW users_now AS
SELECT id, event_type, username, user_email, user_type, organization_name, received_at
FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY user_email ORDER BY received_at DESC) AS place
  FROM user_fields WHERE problem IS NULL
) WHERE place = 1 AND event_type <> 'User Deleted';

CREATE VIEW organizations_now AS
SELECT organization_name, organization_tier
FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY organization_name ORDER BY created_at DESC) AS place
  FROM organization_fields WHERE problem IS NULL AND organization_name IS NOT NULL
) WHERE place = 1;

CREATE TABLE user_events (
  id STRING, event_type STRING, username STRING, user_email STRING, user_type STRING,
  organization_name STRING, received_at TIMESTAMP(6),
  PRIMARY KEY (user_email) NOT ENFORCED
) WITH (
  'connector' = 'jdbc',
  'url' = 'jdbc:postgresql://${POSTGRES_HOST:-localhost}:${POSTGRES_PORT:-5432}/${DB_NAME:-postgres}',
  'table-name' = 'events.user_events',
  'username' = '${POSTGRES_USER:-postgres}',
  'password' = '${POSTGRES_PASSWORD}'
);

CREATE TABLE users_current WITH ('table-name' = 'events.users_current') LIKE user_events (
  OVERWRITING OPTIONS
);

CREATE TABLE org_events (
  organization_key STRING, organization_name STRING, organization_tier STRING,
  created_at TIMESTAMP(6)
) WITH (
  'connector' = 'jdbc',
  'url' = 'jdbc:postgresql://${POSTGRES_HOST:-localhost}:${POSTGRES_PORT:-5432}/${DB_NAME:-postgres}',
  'table-name' = 'events.org_events',
  'username' = '${POSTGRES_USER:-postgres}',
  'password' = '${POSTGRES_PASSWORD}'
);

CREATE TABLE user_details (
  user_email STRING, username STRING, user_type STRING, organization_name STRING,
  organization_tier STRING,
  PRIMARY KEY (user_email) NOT ENFORCED
) WITH (
  'connector' = 'jdbc',
  'url' = 'jdbc:postgresql://${POSTGRES_HOST:-localhost}:${POSTGRES_PORT:-5432}/${DB_NAME:-postgres}',
  'table-name' = 'events.user_details',
  'username' = '${POSTGRES_USER:-postgres}',
  'password' = '${POSTGRES_PASSWORD}'
);

SET 'brooklet.table.user_events.create-table' = 'if-not-exists';
SET 'brooklet.table.users_current.create-table' = 'if-not-exists';
SET 'brooklet.table.org_events.create-table' = 'if-not-exists';
SET 'brooklet.table.user_details.create-table' = 'if-not-exists';

CREATE TABLE dead_letters (
  topic STRING, `partition` INT, `offset` BIGINT, problem STRING, payload STRING
) WITH (
  'connector' = 'kafka',
  'topic' = '${DLQ_TOPIC:-dead_letters}',
  'properties.bootstrap.servers' = '${KAFKA_BOOTSTRAP_SERVERS:-localhost:9092}',
  'format' = 'json'
);
SET 'brooklet.table.dead_letters.create-table' = 'if-not-exists';

-- Kept by brooklet, for serve/*.sql: each user with each organisation of its organisation's name.
-- The key starts with what is asked for. An organisation's record is told from its equals by its
-- place in the topic.
CREATE TABLE user_organizations (
  username STRING, user_email STRING, `partition` INT, `offset` BIGINT,
  user_type STRING, organization_key STRING, organization_name STRING, organization_tier STRING,
  PRIMARY KEY (username, user_email, `partition`, `offset`) NOT ENFORCED
) WITH ('connector' = 'brooklet-table');

EXECUTE STATEMENT SET BEGIN
  INSERT INTO user_events SELECT * FROM last_events;
  INSERT INTO users_current SELECT * FROM users_now;
  INSERT INTO org_events
  SELECT organization_key, organization_name, organization_tier, created_at
  FROM organization_fields WHERE problem IS NULL;
  INSERT INTO user_details
  SELECT u.user_email, u.username, u.user_type, u.organization_name, o.organization_tier
  FROM users_now AS u JOIN organizations_now AS o ON u.organization_name = o.organization_name
  ON CONFLICT DO DEDUPLICATE;
  INSERT INTO user_organizations
  SELECT u.username, u.user_email, o.`partition`, o.`offset`,
    u.user_type, o.organization_key, o.organization_name, o.organization_tier
  FROM users_now AS u
  JOIN organization_fields AS o ON u.organization_name = o.organization_name
  ON CONFLICT DO DEDUPLICATE;
  INSERT INTO dead_letters
  SELECT '${USER_TOPIC:-user_events}', `partition`, `offset`, problem, record
  FROM user_fields WHERE problem IS NOT NULL;
  INSERT INTO dead_letters
  SELECT '${ORG_TOPIC:-org_events}', `partition`, `offset`, problem, record
  FROM organization_fields WHERE problem IS NOT NULL;
END;
