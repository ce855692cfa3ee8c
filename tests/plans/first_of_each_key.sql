-- include clicks.inc
CREATE TABLE out (userid STRING, action STRING, PRIMARY KEY (userid) NOT ENFORCED)
WITH ('connector' = 'jdbc');
INSERT INTO out SELECT userid, UPPER(action) FROM clicks ON CONFLICT DO NOTHING;
