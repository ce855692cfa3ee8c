-- By the clock: at the end of a bounded source windows that are open stay so, and give nothing.
CREATE TABLE `result` (bidder BIGINT, bid_count BIGINT, starttime TIMESTAMP(3), endtime TIMESTAMP(3))
WITH ('connector' = 'filesystem', 'path' = '${NEXMARK_RESULT}', 'format' = 'debezium-json');
CREATE VIEW bid_now AS SELECT *, PROCTIME() AS p_time FROM bid;
INSERT INTO `result`
SELECT bidder, COUNT(*) AS bid_count, window_start AS starttime, window_end AS endtime
FROM TABLE(TUMBLE(TABLE bid_now, DESCRIPTOR(p_time), INTERVAL '10' SECOND))
GROUP BY bidder, window_start, window_end;
