-- The longest times for which the average price of a bidder in an auction stays low; none overlap.
CREATE TABLE `result` (auction BIGINT, bidder BIGINT, start_tstamp TIMESTAMP(3),
  end_tstamp TIMESTAMP(3), avg_price BIGINT)
WITH ('connector' = 'filesystem', 'path' = '${NEXMARK_RESULT}', 'format' = 'debezium-json');
INSERT INTO `result`
SELECT auction, bidder, start_tstamp, end_tstamp, avg_price
FROM bid MATCH_RECOGNIZE (
  PARTITION BY auction, bidder
  ORDER BY `dateTime`
  MEASURES
    FIRST(LOW.`dateTime`) AS start_tstamp,
    LAST(LOW.`dateTime`) AS end_tstamp,
    AVG(LOW.price) AS avg_price
  ONE ROW PER MATCH
  AFTER MATCH SKIP PAST LAST ROW
  PATTERN (LOW+ NEXT_BID)
  DEFINE LOW AS AVG(LOW.price) < 10000
);
