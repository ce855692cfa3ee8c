-- include clicks.inc
SELECT c.userid, u.city, c.n FROM clicks c JOIN users u ON c.userid = u.userid AND c.n > 3;
