-- The complaints of pipeline.sql were written with the schema of this file, to be put in front of
-- it. Columns are found by name; fields of the schema that no column wants are passed over.
SET 'brooklet.table.reclamacoes_stream.avro.schema-file' = '${SCHEMA_PATH}';
