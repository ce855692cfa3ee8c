-- A price that drops by more than 50 within five seconds.
CREATE TABLE `result` (auction BIGINT, bidder BIGINT, drop_time TIMESTAMP(3), drop_diff BIGINT)
WITH ('connector' = 'filesystem', 'path' = '${NEXMARK_RESULT}', 'format' = 'debezium-json');
INSERT INTO `result`
SELECT auction, bidder, drop_time, drop_diff
FROM bid MATCH_RECOGNIZE (
  PARTITION BY auction, bidder
  ORDER BY `dateTime`
  MEASURES
    LOW.`dateTime` AS drop_time,
    HIGH.price - LOW.price AS drop_diff
  ONE ROW PER MATCH
  AFTER MATCH SKIP PAST LAST ROW
  PATTERN (HIGH BETWEEN_BID* LOW) WITHIN INTERVAL '5' SECOND
  DEFINE
    BETWEEN_BID AS BETWEEN_BID.price > HIGH.price - 50,
    LOW AS LOW.price < HIGH.price - 50
);
