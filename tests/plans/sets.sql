-- include clicks.inc
-- Set operations as counts of both sides; ALL keeps copies.
CREATE TABLE out (userid STRING) WITH ('connector' = 'print');
INSERT INTO out SELECT userid FROM clicks INTERSECT SELECT userid FROM users;
INSERT INTO out SELECT userid FROM clicks EXCEPT ALL SELECT userid FROM users;
