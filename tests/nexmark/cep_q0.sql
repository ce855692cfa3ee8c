-- Falling prices of a bidder in an auction, up to the first that rises again.
CREATE TABLE `result` (auction BIGINT, bidder BIGINT, start_tstamp TIMESTAMP(3),
  bottom_tstamp TIMESTAMP(3), end_tstamp TIMESTAMP(3))
WITH ('connector' = 'filesystem', 'path' = '${NEXMARK_RESULT}', 'format' = 'debezium-json');
INSERT INTO `result`
SELECT auction, bidder, start_tstamp, bottom_tstamp, end_tstamp
FROM bid MATCH_RECOGNIZE (
  PARTITION BY auction, bidder
  ORDER BY `dateTime`
  MEASURES
    FIRST_BID.`dateTime` AS start_tstamp,
    LAST(FALLING.`dateTime`) AS bottom_tstamp,
    LAST(RISING.`dateTime`) AS end_tstamp
  ONE ROW PER MATCH
  AFTER MATCH SKIP TO LAST RISING
  PATTERN (FIRST_BID FALLING+ RISING)
  DEFINE
    FALLING AS (LAST(FALLING.price, 1) IS NULL AND FALLING.price < FIRST_BID.price)
      OR FALLING.price < LAST(FALLING.price, 1),
    RISING AS RISING.price > LAST(FALLING.price, 1)
);
