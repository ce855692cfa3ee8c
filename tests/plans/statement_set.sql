-- include clicks.inc
CREATE TABLE a (userid STRING, n INT) WITH ('connector' = 'print');
CREATE TABLE b (userid STRING, n INT) WITH ('connector' = 'blackhole');
CREATE TEMPORARY VIEW big AS SELECT userid, n FROM clicks WHERE n > 3;
EXECUTE STATEMENT SET BEGIN
  INSERT INTO a SELECT * FROM big;
  INSERT INTO b (n, userid) SELECT n, userid FROM big WHERE n < 7;
END;
