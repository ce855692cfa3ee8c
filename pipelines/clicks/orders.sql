-- Orders with their user and product: fact_orders is replaced in one transaction, so that readers
-- see the old rows or the new ones.
SET 'pipeline.name' = 'clicks-orders';
SET 'execution.runtime-mode' = 'batch';

CREATE TABLE users (`user id` STRING, signup_date TIMESTAMP(3), country STRING) WITH (
  'connector' = 'filesystem',
  'path' = 's3a://${BUCKET_NAME:-raw-data}/${PROCESSING_DATE}/Users.csv',
  'format' = 'csv', 'csv.ignore-parse-errors' = 'true', 'csv.null-literal' = '');
CREATE TABLE products (`product id` STRING, category STRING, price DECIMAL(10, 2)) WITH (
  'connector' = 'filesystem',
  'path' = 's3a://${BUCKET_NAME:-raw-data}/${PROCESSING_DATE}/Products.csv',
  'format' = 'csv', 'csv.ignore-parse-errors' = 'true', 'csv.null-literal' = '');
CREATE TABLE orders (
  `order id` STRING, `user id` STRING, `product id` STRING, quantity INT,
  total_amount DECIMAL(10, 2)
) WITH (
  'connector' = 'filesystem',
  'path' = 's3a://${BUCKET_NAME:-raw-data}/${PROCESSING_DATE}/Orders.csv',
  'format' = 'csv', 'csv.ignore-parse-errors' = 'true', 'csv.null-literal' = '');

-- Columns are found by the names in the first line. To Flink that line is data; the views below
-- drop it there, because its words are no dates and no numbers.
SET 'brooklet.table.users.csv.header' = 'true';
SET 'brooklet.table.products.csv.header' = 'true';
SET 'brooklet.table.orders.csv.header' = 'true';

-- Only complete rows, under names without blanks.
CREATE VIEW complete_users AS
SELECT `user id` AS user_id, signup_date, country FROM users
WHERE `user id` IS NOT NULL AND signup_date IS NOT NULL AND country IS NOT NULL;
CREATE VIEW complete_products AS
SELECT `product id` AS product_id, category, price AS product_price FROM products
WHERE `product id` IS NOT NULL AND category IS NOT NULL AND price IS NOT NULL;
CREATE VIEW complete_orders AS
SELECT `order id` AS order_id, `user id` AS user_id, `product id` AS product_id, quantity,
  total_amount
FROM orders
WHERE `order id` IS NOT NULL AND `user id` IS NOT NULL AND `product id` IS NOT NULL
  AND quantity IS NOT NULL AND total_amount IS NOT NULL;

CREATE TABLE fact_orders (
  order_id STRING, user_id STRING, product_id STRING, quantity INT, total_amount DECIMAL(10, 2),
  signup_date TIMESTAMP(3), country STRING, category STRING, product_price DECIMAL(10, 2),
  PRIMARY KEY (order_id) NOT ENFORCED
) WITH (
  'connector' = 'jdbc',
  'url' = 'jdbc:postgresql://${POSTGRES_HOST:-postgres}:${POSTGRES_PORT:-5432}/${DB_NAME:-ecommerce}',
  'table-name' = 'fact_orders',
  'username' = '${POSTGRES_USER:-admin}',
  'password' = '${POSTGRES_PASSWORD}'
);
SET 'brooklet.table.fact_orders.create-table' = 'if-not-exists';
-- In batch mode: once, at the end. Flink's jdbc connector cannot empty a table, so there the rows
-- are upserted and the table is emptied beforehand.
SET 'brooklet.table.fact_orders.output-mode' = 'complete';

INSERT INTO fact_orders
SELECT o.order_id, o.user_id, o.product_id, o.quantity, o.total_amount, u.signup_date, u.country,
  p.category, p.product_price
FROM complete_orders AS o
JOIN complete_users AS u ON o.user_id = u.user_id
JOIN complete_products AS p ON o.product_id = p.product_id
ON CONFLICT DO DEDUPLICATE;
