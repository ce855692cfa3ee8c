-- Cookbook, aggregations and analytics 8: patterns, found with MATCH_RECOGNIZE. Riders that take a
-- smaller plan after larger ones.
CREATE TABLE plans (n INT, rider STRING, plan STRING, `first` STRING, `last` STRING, `at` TIMESTAMP(3), WATERMARK FOR `at` AS `at` - INTERVAL '1' MINUTE)
WITH ('connector'='filesystem','path'='${DATA}/cookbook_plans.json','format'='json','scan.watermark.emit.strategy'='on-event');
SELECT * FROM plans MATCH_RECOGNIZE (PARTITION BY rider ORDER BY `at` MEASURES LAST(BIG.plan) AS before_it, AVG(TIMESTAMPDIFF(DAY, TO_TIMESTAMP(BIG.`first`, 'yyyy-MM-dd'), TO_TIMESTAMP(BIG.`last`, 'yyyy-MM-dd'))) AS mean_days, SMALL.`first` AS changed AFTER MATCH SKIP PAST LAST ROW PATTERN (BIG+ SMALL) DEFINE BIG AS BIG.plan IN ('gold', 'silver'), SMALL AS SMALL.plan = 'city');
