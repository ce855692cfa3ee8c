-- Clicks per minute, by page and by action, into Postgres as soon as a minute is over.
SET 'pipeline.name' = 'clicks-page-views';
SET 'execution.checkpointing.interval' = '${TRIGGER:-1 min}';

CREATE TABLE clicks (
  eventid STRING, userid STRING, url STRING, `timestamp` STRING, action STRING,
  -- What is no time becomes 1970, which the queries drop: an event time must not be NULL.
  event_time AS COALESCE(
    TRY_CAST(REPLACE(REPLACE(`timestamp`, 'T', ' '), 'Z', '') AS TIMESTAMP(3)),
    TIMESTAMP '1970-01-01 00:00:00.000'),
  WATERMARK FOR event_time AS event_time - ${WATERMARK_DELAY@interval:-1 minute}
) WITH (
  'connector' = 'kafka',
  'topic' = '${KAFKA_TOPIC:-clicks_topic}',
  'properties.bootstrap.servers' = '${KAFKA_BOOTSTRAP_SERVERS:-kafka:29092}',
  'properties.group.id' = 'clicks-page-views',
  'scan.startup.mode' = 'earliest-offset',
  'scan.bounded.mode' = '${KAFKA_BOUNDED_MODE:-unbounded}',
  'scan.watermark.emit.strategy' = 'on-event',
  'format' = 'json',
  'json.ignore-parse-errors' = 'true'
);
-- Clicks that come after their minute was written, one JSON line each.
SET 'brooklet.table.clicks.late-records' = '${LATE_RECORDS:-log}';

CREATE VIEW timed_clicks AS
SELECT * FROM clicks WHERE event_time > TIMESTAMP '1970-01-01 00:00:00.000';

CREATE TABLE fact_page_views (
  window_start TIMESTAMP(3), window_end TIMESTAMP(3), url STRING, view_count BIGINT,
  PRIMARY KEY (window_start, url) NOT ENFORCED
) WITH (
  'connector' = 'jdbc',
  'url' = 'jdbc:postgresql://${POSTGRES_HOST:-postgres}:${POSTGRES_PORT:-5432}/${DB_NAME:-ecommerce}',
  'table-name' = 'fact_page_views',
  'username' = '${POSTGRES_USER:-admin}',
  'password' = '${POSTGRES_PASSWORD}'
);
CREATE TABLE fact_action_counts (
  window_start TIMESTAMP(3), window_end TIMESTAMP(3), action STRING, action_count BIGINT,
  PRIMARY KEY (window_start, action) NOT ENFORCED
) WITH (
  'connector' = 'jdbc',
  'url' = 'jdbc:postgresql://${POSTGRES_HOST:-postgres}:${POSTGRES_PORT:-5432}/${DB_NAME:-ecommerce}',
  'table-name' = 'fact_action_counts',
  'username' = '${POSTGRES_USER:-admin}',
  'password' = '${POSTGRES_PASSWORD}'
);
SET 'brooklet.table.fact_page_views.create-table' = 'if-not-exists';
SET 'brooklet.table.fact_action_counts.create-table' = 'if-not-exists';

-- Both tables change in one transaction.
EXECUTE STATEMENT SET BEGIN
  INSERT INTO fact_page_views
  SELECT window_start, window_end, url, COUNT(*) AS view_count
  FROM TABLE(TUMBLE(TABLE timed_clicks, DESCRIPTOR(event_time), INTERVAL '1' MINUTE))
  WHERE url IS NOT NULL
  GROUP BY window_start, window_end, url
  ON CONFLICT DO DEDUPLICATE;

  INSERT INTO fact_action_counts
  SELECT window_start, window_end, action, COUNT(*) AS action_count
  FROM TABLE(TUMBLE(TABLE timed_clicks, DESCRIPTOR(event_time), INTERVAL '1' MINUTE))
  WHERE action IS NOT NULL
  GROUP BY window_start, window_end, action
  ON CONFLICT DO DEDUPLICATE;
END;
