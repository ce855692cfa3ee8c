CREATE TABLE `result` (auction BIGINT, bidder BIGINT, price BIGINT, `dateTime` TIMESTAMP(3), extra STRING) WITH (
  'connector' = 'filesystem', 'path' = '${NEXMARK_RESULT}', 'format' = 'debezium-json');
INSERT INTO `result` SELECT auction, bidder, price, `dateTime`, extra FROM bid;
