CREATE TABLE out (a INT, b STRING) WITH ('connector' = 'print');
INSERT INTO out VALUES (1, 'x'), (2, 'y');
