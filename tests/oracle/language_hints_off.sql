-- Hints of options where they are not allowed.
SET 'table.dynamic-table-options.enabled'='false';
CREATE TABLE l (id INT, k INT) WITH ('connector'='filesystem','path'='${DATA}/joins_l.json','format'='json');
SELECT id FROM l /*+ OPTIONS('json.ignore-parse-errors'='true') */;
SELECT id FROM l /*+ OPTIONS() */;
SELECT id FROM l;
