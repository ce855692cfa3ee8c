-- Cookbook, foundations 6: sorting tables, by event time on a stream.
CREATE TABLE rides (id INT, bike STRING, minutes INT, started TIMESTAMP(3), WATERMARK FOR started AS started - INTERVAL '1' MINUTE)
WITH ('connector'='filesystem','path'='${DATA}/cookbook_rides.json','format'='json','scan.watermark.emit.strategy'='on-event');
SELECT id, bike, started FROM rides ORDER BY started;
SELECT id, minutes FROM rides ORDER BY minutes DESC LIMIT 3;
