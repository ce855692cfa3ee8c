CREATE TABLE `result` (id BIGINT, final BIGINT) WITH (
  'connector' = 'filesystem', 'path' = '${NEXMARK_RESULT}', 'format' = 'debezium-json');
INSERT INTO `result`
SELECT sold.category, AVG(sold.final)
FROM (SELECT MAX(b.price) AS final, a.category
  FROM auction AS a JOIN bid AS b
  ON a.id = b.auction AND b.`dateTime` BETWEEN a.`dateTime` AND a.expires
  GROUP BY a.id, a.category) AS sold
GROUP BY sold.category;
