-- include clicks.inc
CREATE TABLE out (userid STRING, who STRING) WITH ('connector' = 'print');
INSERT INTO out SELECT userid, userid || '/' || action FROM clicks WHERE action = 'buy' AND n > 3;
