-- The shop's CSV files, byte for byte, into object storage under the day they are processed for.
SET 'pipeline.name' = 'clicks-upload';
SET 'execution.runtime-mode' = 'batch';

CREATE TABLE local_users (line STRING) WITH (
  'connector' = 'filesystem', 'path' = '${LOCAL_DATA_PATH:-sample}/Users.csv', 'format' = 'raw');
CREATE TABLE local_products (line STRING) WITH (
  'connector' = 'filesystem', 'path' = '${LOCAL_DATA_PATH:-sample}/Products.csv', 'format' = 'raw');
CREATE TABLE local_orders (line STRING) WITH (
  'connector' = 'filesystem', 'path' = '${LOCAL_DATA_PATH:-sample}/Orders.csv', 'format' = 'raw');

CREATE TABLE users (line STRING) WITH (
  'connector' = 'filesystem', 'format' = 'raw',
  'path' = 's3a://${BUCKET_NAME:-raw-data}/${PROCESSING_DATE}/Users.csv');
CREATE TABLE products (line STRING) WITH (
  'connector' = 'filesystem', 'format' = 'raw',
  'path' = 's3a://${BUCKET_NAME:-raw-data}/${PROCESSING_DATE}/Products.csv');
CREATE TABLE orders (line STRING) WITH (
  'connector' = 'filesystem', 'format' = 'raw',
  'path' = 's3a://${BUCKET_NAME:-raw-data}/${PROCESSING_DATE}/Orders.csv');

-- Each path is the file itself. Flink, which does not read these keys, makes it a directory.
SET 'brooklet.table.users.single-file' = 'true';
SET 'brooklet.table.products.single-file' = 'true';
SET 'brooklet.table.orders.single-file' = 'true';

EXECUTE STATEMENT SET BEGIN
  INSERT OVERWRITE users SELECT line FROM local_users;
  INSERT OVERWRITE products SELECT line FROM local_products;
  INSERT OVERWRITE orders SELECT line FROM local_orders;
END;
