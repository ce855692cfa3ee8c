-- include clicks.inc
CREATE TABLE out (userid STRING, action STRING) WITH ('connector' = 'print');
INSERT INTO out SELECT userid, action FROM clicks
WHERE userid IN (SELECT userid FROM users WHERE city = 'Paris');
