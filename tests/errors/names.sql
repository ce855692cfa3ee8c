-- include tables.inc
CREATE VIEW v AS SELECT usrid, CUONT(*) c FROM clicks WHERE actn = 'a' GROUP BY usrid;
INSERT INTO p SELECT userid, bb FROM clicks WHERE UPER(action) = 'x' AND n > 1;
INSERT INTO p SELECT c.userid, u.nmae FROM clicks c JOIN users u ON c.userid = u.usrid;
INSERT INTO p SELECT r.s, r.aa FROM clicks;
INSERT INTO p SELECT a, b FROM v;
INSERT INTO p SELECT userid, b FROM clikcs;
INSERT INTO pp SELECT userid, b FROM clicks;
INSERT INTO p (a, c) SELECT userid, b FROM clicks;
SELECT userid FROM clicks JOIN users ON clicks.userid = users.userid;
SELECT * FROM TABLE(TUMBEL(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' MINUTE));
SELECT * FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(tss), INTERVAL '1' MINUTE));
SELECT * FROM TABLE(TUMBLE(TABLE clikcs, DESCRIPTOR(ts), INTERVAL '1' MINUTE));
WITH recent AS (SELECT userid FROM clicks) SELECT userid FROM recnt;
SELECT x.userid FROM clicks;
SELECT userid FROM other_catalog.db.clicks;
SET 'brooklet.epoch.intervall' = '5 s';
SET 'brooklet.table.clikcs.dead-letters' = 'log';
SET 'brooklet.table.clicks.dead-leters' = 'log';
