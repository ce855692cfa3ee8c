-- include clicks.inc
CREATE TABLE page_views (window_start TIMESTAMP(3), window_end TIMESTAMP(3), action STRING,
  cnt BIGINT, PRIMARY KEY (window_start, window_end, action) NOT ENFORCED)
WITH ('connector' = 'jdbc');
INSERT INTO page_views
SELECT window_start, window_end, action, COUNT(*)
FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end, action;
