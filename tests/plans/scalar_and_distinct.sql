-- include clicks.inc
CREATE TABLE out (userid STRING, n INT) WITH ('connector' = 'print');
INSERT INTO out SELECT DISTINCT userid, n FROM clicks WHERE n > (SELECT AVG(n) FROM clicks);
