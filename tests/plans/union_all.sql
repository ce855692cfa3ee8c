-- include clicks.inc
CREATE TABLE out (userid STRING, what STRING) WITH ('connector' = 'kafka');
INSERT INTO out SELECT userid, action FROM clicks UNION ALL SELECT userid, city FROM users;
