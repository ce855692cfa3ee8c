-- include clicks.inc
ALTER TABLE clicks RENAME TO events;
ALTER TABLE events ADD (twice AS n * 2);
ALTER TABLE events MODIFY WATERMARK FOR ts AS ts - INTERVAL '1' MINUTE;
SELECT userid, twice FROM events WHERE n > 3;
