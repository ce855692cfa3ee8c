CREATE TABLE `result` (auction BIGINT, price BIGINT) WITH (
  'connector' = 'filesystem', 'path' = '${NEXMARK_RESULT}', 'format' = 'debezium-json');
INSERT INTO `result` SELECT auction, price FROM bid WHERE MOD(auction, 123) = 0;
