-- include tables.inc
SELECT userid FROM clicks /*+ OPTIONS('scan.startup.mod' = 'latest-offset') */;
SELECT userid FROM clicks /*+ OPTIONS('format') */;
SELECT userid FROM clicks /*+ OPTION('a' = 'b') */;
SELECT userid FROM clicks /*+ OPTIONS('a' = ) */;
SELECT userid FROM clicks AS c /*+ OPTIONS('a' = 'b') */;
SELECT userid /*+ OPTIONS('a' = 'b') */, n FROM clicks;
SELECT /*+ STATE_TTL('click' = '1 d') */ userid, COUNT(*) FROM clicks GROUP BY userid;
SELECT /*+ STATE_TTL('clicks' = 'soon') */ userid, COUNT(*) FROM clicks GROUP BY userid;
SELECT /*+ STATE_TLL('clicks' = '1 d') */ userid, COUNT(*) FROM clicks GROUP BY userid;
SELECT /*+ BROADCAST(users) */ userid FROM clicks;
SELECT /*+ LOOKUP('table' = 'clicks') */ userid FROM clicks;
SELECT /*+
  STATE_TTL('clicks' = 'soon') */ userid, COUNT(*) FROM clicks GROUP BY userid;
