-- Windows over a TIMESTAMP_LTZ are cut by what the wall shows in America/New_York, also where clocks change.
SET 'table.local-time-zone' = 'America/New_York';
CREATE TABLE w (id INT, l TIMESTAMP_LTZ(3), n BIGINT, WATERMARK FOR l AS l - INTERVAL '30' MINUTE) WITH ('connector'='filesystem','path'='${DATA}/functions_zone_windows.json','format'='json','scan.watermark.emit.strategy'='on-event');
SELECT window_start, window_end, window_time, COUNT(*) FROM TABLE(TUMBLE(TABLE w, DESCRIPTOR(l), INTERVAL '1' DAY)) GROUP BY window_start, window_end, window_time;
SELECT window_start, window_end, COUNT(*) FROM TABLE(TUMBLE(TABLE w, DESCRIPTOR(l), INTERVAL '1' HOUR)) GROUP BY window_start, window_end;
SELECT window_start, window_end, COUNT(*) FROM TABLE(HOP(TABLE w, DESCRIPTOR(l), INTERVAL '12' HOUR, INTERVAL '1' DAY)) GROUP BY window_start, window_end;
SELECT window_start, window_end, COUNT(*) FROM TABLE(CUMULATE(TABLE w, DESCRIPTOR(l), INTERVAL '6' HOUR, INTERVAL '1' DAY)) GROUP BY window_start, window_end;
SELECT window_start, window_end, window_time, COUNT(*) FROM TABLE(SESSION(TABLE w, DESCRIPTOR(l), INTERVAL '61' MINUTE)) GROUP BY window_start, window_end, window_time;
SELECT window_start, window_end, window_time, id FROM TABLE(SESSION(TABLE w, DESCRIPTOR(l), INTERVAL '61' MINUTE));
SELECT window_start, window_end, window_time, id, l FROM TABLE(TUMBLE(TABLE w, DESCRIPTOR(l), INTERVAL '1' DAY));
SELECT TUMBLE_START(l, INTERVAL '1' HOUR), TUMBLE_END(l, INTERVAL '1' HOUR), TUMBLE_ROWTIME(l, INTERVAL '1' HOUR), COUNT(*) FROM w GROUP BY TUMBLE(l, INTERVAL '1' HOUR);
SELECT SESSION_START(l, INTERVAL '2' HOUR), SESSION_ROWTIME(l, INTERVAL '2' HOUR), SUM(n) FROM w GROUP BY SESSION(l, INTERVAL '2' HOUR);
SELECT window_start, window_end, id, rn FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY n DESC) AS rn FROM TABLE(TUMBLE(TABLE w, DESCRIPTOR(l), INTERVAL '1' HOUR))) WHERE rn <= 1;
SELECT a.window_start, a.window_end, a.c, b.s FROM (SELECT window_start, window_end, COUNT(*) AS c FROM TABLE(TUMBLE(TABLE w, DESCRIPTOR(l), INTERVAL '1' HOUR)) GROUP BY window_start, window_end) a JOIN (SELECT window_start, window_end, SUM(n) AS s FROM TABLE(TUMBLE(TABLE w, DESCRIPTOR(l), INTERVAL '1' HOUR)) GROUP BY window_start, window_end) b ON a.window_start = b.window_start AND a.window_end = b.window_end;
CREATE VIEW hours AS SELECT window_time AS wt, COUNT(*) AS c FROM TABLE(TUMBLE(TABLE w, DESCRIPTOR(l), INTERVAL '1' HOUR)) GROUP BY window_start, window_end, window_time;
SELECT window_start, window_end, SUM(c) FROM TABLE(TUMBLE(TABLE hours, DESCRIPTOR(wt), INTERVAL '1' DAY)) GROUP BY window_start, window_end;
SELECT a.window_start, a.id, b.id FROM (SELECT * FROM TABLE(TUMBLE(TABLE w, DESCRIPTOR(l), INTERVAL '1' HOUR))) a LEFT JOIN (SELECT * FROM TABLE(TUMBLE(TABLE w, DESCRIPTOR(l), INTERVAL '1' HOUR)) WHERE n < 6) b ON a.window_start = b.window_start AND a.window_end = b.window_end AND a.id < b.id;
