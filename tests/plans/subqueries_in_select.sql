-- include clicks.inc
SELECT userid, userid IN (SELECT userid FROM users) AS known,
EXISTS (SELECT 1 FROM users u WHERE u.userid = c.userid AND u.city = 'x') AS here,
(SELECT city FROM users u WHERE u.userid = c.userid) AS city
FROM clicks c;
