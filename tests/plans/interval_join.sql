-- include clicks.inc
CREATE TABLE out (a STRING, b STRING) WITH ('connector' = 'kafka');
INSERT INTO out SELECT l.eventid, r.eventid FROM clicks l JOIN clicks r ON l.userid = r.userid
WHERE r.ts BETWEEN l.ts - INTERVAL '5' SECOND AND l.ts + INTERVAL '1' MINUTE;
