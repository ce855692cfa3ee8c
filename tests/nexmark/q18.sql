CREATE TABLE `result` (auction BIGINT, bidder BIGINT, price BIGINT, channel STRING, url STRING,
  `dateTime` TIMESTAMP(3), extra STRING) WITH (
  'connector' = 'filesystem', 'path' = '${NEXMARK_RESULT}', 'format' = 'debezium-json');
INSERT INTO `result`
SELECT auction, bidder, price, channel, url, `dateTime`, extra
FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY bidder, auction ORDER BY `dateTime` DESC) AS rank_number
  FROM bid)
WHERE rank_number <= 1;
