-- include clicks.inc
SELECT window_start, window_end, userid, COLLECT(action), PERCENTILE(n, 0.5)
FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end, CUBE (userid);
