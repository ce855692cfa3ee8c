-- include tables.inc
SELECT n FROM clicks WHERE
n IN (SELECT n FROM clicks WHERE
n IN (SELECT n FROM clicks WHERE
n IN (SELECT n FROM clicks WHERE
n IN (SELECT n FROM clicks WHERE
n IN (SELECT n FROM clicks WHERE
n IN (SELECT n FROM clicks WHERE
n IN (SELECT n FROM clicks WHERE
n IN (SELECT n FROM clicks WHERE
n IN (SELECT n FROM clicks WHERE
n > 1)))))))));
