-- Events of a web shop from Kafka; a star schema in Postgres: seven dimensions and their facts, in
-- one transaction. Every ${NAME:-default} is an environment variable; README.md has the list.
SET 'pipeline.name' = 'shop';
SET 'execution.checkpointing.dir' = 'file://${CHECKPOINT_LOCATION:-/tmp/shop_checkpoint}';
SET 'execution.checkpointing.interval' = '${TRIGGER:-30 s}';
SET 'brooklet.epoch.interval' = '${TRIGGER:-30 s}';
-- A row that Postgres cannot take, such as a text with the character U+0000, is set aside.
SET 'brooklet.on-row-error' = 'dead-letter';

-- Part of brooklet, which reads the database of places itself; Flink runs the Python functions.
SET 'brooklet.functions.ip-database' = '${IP2LOCATION_DB}';
SET 'brooklet.functions.native' = '${NATIVE_FUNCTIONS:-true}';
SET 'python.files' = '${UDF_FILE:-udf/shop_udfs.py}';
SET 'python.executable' = '${PYTHON:-python3}';
CREATE FUNCTION ip_country AS 'shop_udfs.ip_country' LANGUAGE PYTHON;
CREATE FUNCTION ip_region AS 'shop_udfs.ip_region' LANGUAGE PYTHON;
CREATE FUNCTION ip_city AS 'shop_udfs.ip_city' LANGUAGE PYTHON;
CREATE FUNCTION ua_os AS 'shop_udfs.ua_os' LANGUAGE PYTHON;
CREATE FUNCTION ua_browser AS 'shop_udfs.ua_browser' LANGUAGE PYTHON;

CREATE TABLE product_view (
  `_id` STRING,
  time_stamp STRING,    -- seconds since 1970
  local_time STRING,    -- yyyy-MM-dd H:mm:ss where the visitor is
  ip STRING,
  user_agent STRING,
  store_id STRING,
  current_url STRING,
  referrer_url STRING,
  collection STRING,    -- what the visitor did
  product_id STRING,
  kafka_time TIMESTAMP_LTZ(3) METADATA FROM 'timestamp' VIRTUAL,
  WATERMARK FOR kafka_time AS kafka_time  -- Flink asks for one where it reads ON CONFLICT
) WITH (
  'connector' = 'kafka',
  'topic' = '${KAFKA_SUBSCRIBE:-product_view}',
  'properties.bootstrap.servers' = '${KAFKA_BOOTSTRAP_SERVERS:-localhost:9094,localhost:9194,localhost:9294}',
  'properties.group.id' = '${KAFKA_GROUP_ID:-shop}',
  'properties.security.protocol' = '${KAFKA_SECURITY_PROTOCOL:-SASL_PLAINTEXT}',
  'properties.sasl.mechanism' = '${KAFKA_SASL_MECHANISM:-PLAIN}',
  'properties.sasl.jaas.config' = '${KAFKA_SASL_JAAS_CONFIG}',
  'scan.startup.mode' = '${KAFKA_STARTING_OFFSETS:-earliest}-offset',
  'scan.bounded.mode' = '${KAFKA_BOUNDED_MODE:-unbounded}',
  'format' = 'json',
  'json.ignore-parse-errors' = 'true'
);

-- Each event with the texts that its dimensions are made of; what is missing is 'Unknown'.
CREATE VIEW events AS
SELECT
  `_id` AS event_id,
  time_stamp,
  COALESCE(NULLIF(local_time, ''), 'Unknown') AS time_id,
  TO_TIMESTAMP(local_time, 'yyyy-MM-dd H:mm:ss') AS local_ts,
  product_id,
  COALESCE(NULLIF(product_id, ''), 'Unknown') AS product_key,
  current_url,
  collection,
  TRY_CAST(store_id AS INT) AS store_id,
  ip_city(ip) AS city,
  ip_region(ip) AS region,
  ip_country(ip) AS country,
  ua_os(user_agent) AS os_name,
  ua_browser(user_agent) AS browser_name,
  -- protocol://host of the page before
  CASE WHEN SPLIT_INDEX(referrer_url, '/', 0) <> '' AND SPLIT_INDEX(referrer_url, '/', 2) <> ''
       THEN SPLIT_INDEX(referrer_url, '/', 0) || '//' || SPLIT_INDEX(referrer_url, '/', 2)
  END AS referrer_name
FROM product_view;

CREATE TABLE dim_store (
  store_id INT, store_name STRING,
  PRIMARY KEY (store_id) NOT ENFORCED
) WITH (
  'connector' = 'jdbc',
  'url' = '${PG_URL:-jdbc:postgresql://localhost:5432/shop}',
  'table-name' = 'public.store',
  'username' = '${PG_USER:-postgres}',
  'password' = '${PG_PASS}'
);
SET 'brooklet.table.dim_store.create-table' = 'if-not-exists';

CREATE TABLE dim_referrer (
  referrer_id STRING, referrer_name STRING,
  PRIMARY KEY (referrer_id) NOT ENFORCED
) WITH (
  'connector' = 'jdbc',
  'url' = '${PG_URL:-jdbc:postgresql://localhost:5432/shop}',
  'table-name' = 'public.referrer',
  'username' = '${PG_USER:-postgres}',
  'password' = '${PG_PASS}'
);
SET 'brooklet.table.dim_referrer.create-table' = 'if-not-exists';

CREATE TABLE dim_location (
  location_id STRING, city STRING, region STRING, country STRING,
  PRIMARY KEY (location_id) NOT ENFORCED
) WITH (
  'connector' = 'jdbc',
  'url' = '${PG_URL:-jdbc:postgresql://localhost:5432/shop}',
  'table-name' = 'public.location',
  'username' = '${PG_USER:-postgres}',
  'password' = '${PG_PASS}'
);
SET 'brooklet.table.dim_location.create-table' = 'if-not-exists';

CREATE TABLE dim_time (
  time_id STRING, `timestamp` TIMESTAMP(3),
  `year` INT, `quarter` INT, `month` INT, `week` INT, `day` INT, `hour` INT,
  day_of_week STRING, is_weekend BOOLEAN,
  PRIMARY KEY (time_id) NOT ENFORCED
) WITH (
  'connector' = 'jdbc',
  'url' = '${PG_URL:-jdbc:postgresql://localhost:5432/shop}',
  'table-name' = 'public.time',
  'username' = '${PG_USER:-postgres}',
  'password' = '${PG_PASS}'
);
SET 'brooklet.table.dim_time.create-table' = 'if-not-exists';

CREATE TABLE dim_os (
  os_id STRING, os_name STRING,
  PRIMARY KEY (os_id) NOT ENFORCED
) WITH (
  'connector' = 'jdbc',
  'url' = '${PG_URL:-jdbc:postgresql://localhost:5432/shop}',
  'table-name' = 'public.os',
  'username' = '${PG_USER:-postgres}',
  'password' = '${PG_PASS}'
);
SET 'brooklet.table.dim_os.create-table' = 'if-not-exists';

CREATE TABLE dim_browser (
  browser_id STRING, browser_name STRING,
  PRIMARY KEY (browser_id) NOT ENFORCED
) WITH (
  'connector' = 'jdbc',
  'url' = '${PG_URL:-jdbc:postgresql://localhost:5432/shop}',
  'table-name' = 'public.browser',
  'username' = '${PG_USER:-postgres}',
  'password' = '${PG_PASS}'
);
SET 'brooklet.table.dim_browser.create-table' = 'if-not-exists';

CREATE TABLE dim_product (
  product_id STRING, product_name STRING,
  PRIMARY KEY (product_id) NOT ENFORCED
) WITH (
  'connector' = 'jdbc',
  'url' = '${PG_URL:-jdbc:postgresql://localhost:5432/shop}',
  'table-name' = 'public.product',
  'username' = '${PG_USER:-postgres}',
  'password' = '${PG_PASS}'
);
SET 'brooklet.table.dim_product.create-table' = 'if-not-exists';

CREATE TABLE fact_event (
  event_id STRING, time_id STRING, product_id STRING, store_id INT, location_id STRING,
  referrer_id STRING, browser_id STRING, os_id STRING, collection STRING,
  PRIMARY KEY (event_id) NOT ENFORCED
) WITH (
  'connector' = 'jdbc',
  'url' = '${PG_URL:-jdbc:postgresql://localhost:5432/shop}',
  'table-name' = 'public.fact_event',
  'username' = '${PG_USER:-postgres}',
  'password' = '${PG_PASS}'
);
SET 'brooklet.table.fact_event.create-table' = 'if-not-exists';

-- The first row of a key stays, also when it was there before this pipeline: ON CONFLICT is
-- Postgres' own. The tables of one database are written in one transaction, so no reader sees a
-- fact without its dimensions.
EXECUTE STATEMENT SET BEGIN
  INSERT INTO dim_store
  SELECT store_id, 'store_' || CAST(store_id AS STRING)
  FROM events WHERE store_id IS NOT NULL
  ON CONFLICT DO NOTHING;

  INSERT INTO dim_referrer
  SELECT MD5(COALESCE(referrer_name, 'Unknown')), referrer_name
  FROM events
  ON CONFLICT DO NOTHING;

  INSERT INTO dim_location
  SELECT MD5(CONCAT_WS('_', city, region, country)), city, region, country
  FROM events
  ON CONFLICT DO NOTHING;

  INSERT INTO dim_time
  SELECT
    time_id,
    CAST(TO_TIMESTAMP_LTZ(TRY_CAST(time_stamp AS BIGINT), 0) AS TIMESTAMP(3)),
    CAST(EXTRACT(YEAR FROM local_ts) AS INT),
    CAST(EXTRACT(QUARTER FROM local_ts) AS INT),
    CAST(EXTRACT(MONTH FROM local_ts) AS INT),
    CAST(EXTRACT(WEEK FROM local_ts) AS INT),
    CAST(EXTRACT(DAY FROM local_ts) AS INT),
    CAST(EXTRACT(HOUR FROM local_ts) AS INT),
    DATE_FORMAT(local_ts, 'EEEE'),
    COALESCE(DATE_FORMAT(local_ts, 'EEEE') IN ('Saturday', 'Sunday'), FALSE)
  FROM events
  ON CONFLICT DO NOTHING;

  INSERT INTO dim_os
  SELECT MD5(os_name), os_name
  FROM events
  ON CONFLICT DO NOTHING;

  INSERT INTO dim_browser
  SELECT MD5(browser_name), browser_name
  FROM events
  ON CONFLICT DO NOTHING;

  -- Only pages that show the product have its name in their address.
  INSERT INTO dim_product
  SELECT
    product_id,
    CASE WHEN collection IN (
           'view_product_detail',
           'select_product_option',
           'select_product_option_quality',
           'product_detail_recommendation_visible',
           'product_detail_recommendation_noticed',
           'product_detail_recommendation_clicked')
         THEN COALESCE(NULLIF(REGEXP_EXTRACT(
           current_url, '^(?:[^/]*/){3}(?:glamira-)?(.*?)(?:-sku.*)?\.html', 1), ''), 'Unknown')
         ELSE 'Unknown'
    END
  FROM events WHERE product_id IS NOT NULL AND product_id <> ''
  ON CONFLICT DO NOTHING;

  INSERT INTO fact_event
  SELECT
    event_id,
    time_id,
    product_key,
    store_id,
    MD5(CONCAT_WS('_', city, region, country)),
    MD5(COALESCE(referrer_name, 'Unknown')),
    MD5(browser_name),
    MD5(os_name),
    collection
  FROM events WHERE event_id IS NOT NULL
  ON CONFLICT DO NOTHING;
END;
