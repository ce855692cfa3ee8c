-- include nexmark.inc
CREATE TABLE out (auction BIGINT, bidder BIGINT, price BIGINT, `dateTime` TIMESTAMP(3), extra STRING)
WITH ('connector' = 'blackhole');
INSERT INTO out SELECT auction, bidder, price, `dateTime`, extra FROM bid;
