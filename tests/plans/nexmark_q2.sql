-- include nexmark.inc
CREATE TABLE out (auction BIGINT, price BIGINT) WITH ('connector' = 'blackhole');
INSERT INTO out SELECT auction, price FROM bid WHERE MOD(auction, 123) = 0;
