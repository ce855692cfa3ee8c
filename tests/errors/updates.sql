-- include tables.inc
INSERT INTO keyless SELECT userid, COUNT(*) FROM clicks GROUP BY userid;
INSERT INTO files SELECT u.name, c.b FROM clicks c LEFT JOIN users u ON c.userid = u.userid;
INSERT INTO files SELECT userid, b FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY userid ORDER BY ts DESC) AS rn FROM clicks) WHERE rn = 1;
CREATE VIEW counts AS SELECT userid, COUNT(*) AS c FROM clicks GROUP BY userid;
INSERT INTO keyless SELECT userid, c FROM counts WHERE c > 3;
INSERT INTO keyed SELECT userid, b FROM clicks;
INSERT INTO keyed SELECT userid, COUNT(*) FROM clicks GROUP BY userid, action;
INSERT OVERWRITE files SELECT userid, b FROM clicks;
INSERT INTO counts SELECT userid, b FROM clicks;
SELECT * FROM clicks ORDER BY n;
SELECT userid, COUNT(*) OVER (PARTITION BY userid ORDER BY ts) FROM clicks;
SELECT ROW_NUMBER() OVER (PARTITION BY userid ORDER BY ts) FROM clicks;
SELECT userid FROM clicks GROUP BY ROLLUP (userid);
