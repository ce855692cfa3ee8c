CREATE TABLE `result` (auction BIGINT, num BIGINT) WITH (
  'connector' = 'filesystem', 'path' = '${NEXMARK_RESULT}', 'format' = 'debezium-json');
CREATE VIEW bids_per_window AS
SELECT auction, window_start AS starttime, window_end AS endtime, COUNT(*) AS num
FROM TABLE(HOP(TABLE bid, DESCRIPTOR(`dateTime`), INTERVAL '2' SECOND, INTERVAL '10' SECOND))
GROUP BY auction, window_start, window_end;
INSERT INTO `result`
SELECT hot.auction, hot.num
FROM bids_per_window AS hot
JOIN (SELECT MAX(num) AS maxn, starttime, endtime FROM bids_per_window
  GROUP BY starttime, endtime) AS best
ON hot.starttime = best.starttime AND hot.endtime = best.endtime AND hot.num >= best.maxn;
