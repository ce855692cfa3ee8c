-- include clicks.inc
CREATE TABLE out (userid STRING, action STRING, city STRING) WITH ('connector' = 'print');
INSERT INTO out SELECT c.userid, c.action, u.city
FROM clicks c LEFT JOIN users AS u ON c.userid = u.userid AND u.city <> 'X';
