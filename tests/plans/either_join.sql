-- include clicks.inc
CREATE TABLE banks (id STRING, name STRING, n INT) WITH ('connector' = 'jdbc');
SET 'brooklet.table.banks.refresh-interval' = '1 min';
CREATE TABLE out (userid STRING, name STRING, n INT) WITH ('connector' = 'print');
-- Found by either column; what else the first alternative asks for is left to the filter.
INSERT INTO out SELECT c.userid, b.name, b.n
FROM clicks c JOIN banks AS b ON c.userid = b.id AND c.n > 1 OR UPPER(c.action) = b.name;
-- An alternative without an equality: every row meets every other.
INSERT INTO out SELECT c.userid, b.name, b.n
FROM clicks c LEFT JOIN banks AS b ON c.userid = b.id OR c.n > b.n;
