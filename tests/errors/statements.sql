-- include tables.inc
SELEC 1;
INSERT p SELECT userid, b FROM clicks;
INSERT INTO p SELECT userid b FROM clicks WHERE;
SELECT userid,, b FROM clicks;
SELECT n FROM clicks WHERE n = ;
SELECT (n + 1 FROM clicks;
TRUNCATE TABLE clicks;
DROP TABLE clikcs;
SET execution.runtime-mode = batch;
SET 'brooklet.memory.limit' = 'lots';
SET 'brooklet.epoch.max-rows' = 'x';
SET 'execution.runtime-mode' = 'bach';
CREATE MATERIALIZED VIEW v AS SELECT 1;
USE CATALOG other;
EXPLAIN CREATE TABLE x (a INT);
EXECUTE STATEMENT SET BEGIN INSERT INTO p SELECT usr, b FROM clicks; INSERT INTO q SELECT 1; END;
