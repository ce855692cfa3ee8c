-- The benchmark looks the side input up; here it is joined.
CREATE TABLE side_input (key BIGINT, `value` STRING) WITH (
  'connector' = 'filesystem', 'path' = '${NEXMARK_SIDE_INPUT}', 'format' = 'csv');
CREATE TABLE `result` (auction BIGINT, bidder BIGINT, price BIGINT, `dateTime` TIMESTAMP(3), `value` STRING) WITH (
  'connector' = 'filesystem', 'path' = '${NEXMARK_RESULT}', 'format' = 'debezium-json');
INSERT INTO `result`
SELECT b.auction, b.bidder, b.price, b.`dateTime`, s.`value`
FROM (SELECT *, CAST(MOD(auction, 10000) AS BIGINT) AS slot FROM bid) AS b
JOIN side_input AS s ON b.slot = s.key;
