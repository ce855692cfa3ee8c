-- include tables.inc
ALTER TABLE clicks ADD z;
ALTER TABLE clikcs ADD z INT;
ALTER TABLE clicks ADD userid INT;
ALTER TABLE clicks DROP ts;
ALTER TABLE clicks DROP users;
ALTER TABLE clicks MODIFY usrid INT;
ALTER TABLE clicks DROP PRIMARY KEY;
ALTER TABLE clicks RENAME n TO userid;
ALTER TABLE clicks RESET ('connector');
ALTER TABLE clicks SET ('topik' = 'x');
ALTER TABLE clicks ADD PARTITION (a = 1);
ALTER VIEW clicks RENAME TO c;
ALTER DATABASE other SET ('a' = 'b');
