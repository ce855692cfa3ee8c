-- include clicks.inc
SELECT userid, n FROM clicks c WHERE NOT EXISTS (SELECT 1 FROM users u WHERE u.userid = c.userid)
ORDER BY n DESC LIMIT 5;
