-- Run once in the database that the pipeline writes to.
CREATE SCHEMA IF NOT EXISTS events;
