-- include clicks.inc
SELECT userid, action, GROUPING(userid), GROUPING_ID(userid, action), COUNT(*), STDDEV_POP(n), LISTAGG(action, ';')
FROM clicks GROUP BY ROLLUP (userid, action);
