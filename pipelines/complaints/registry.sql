-- The complaints of pipeline.sql from a topic whose records name their schema in a schema registry
-- (Confluent, Karapace, Apicurio, Redpanda), to be put in front of it. A field that some version of
-- the schema does not have is NULL here, so that only the columns every version has are NOT NULL.
CREATE TABLE reclamacoes_stream (
  ano STRING NOT NULL,
  trimestre STRING NOT NULL,
  categoria STRING NOT NULL,
  tipo STRING NOT NULL,
  cnpj_if STRING,
  instituicao_financeira STRING NOT NULL,
  indice STRING NOT NULL,
  quantidade_de_reclamacoes_reguladas_procedentes STRING NOT NULL,
  quantidade_de_reclamacoes_reguladas_outras STRING,
  quantidade_de_reclamacoes_nao_reguladas STRING,
  quantidade_total_de_reclamacoes STRING NOT NULL,
  quantidade_total_de_clientes_ccs_e_scr STRING NOT NULL,
  quantidade_de_clientes_ccs STRING,
  quantidade_de_clientes_scr STRING
) WITH (
  'connector' = 'kafka',
  'topic' = '${KAFKA_TOPIC:-my-topic}',
  'properties.bootstrap.servers' = '${KAFKA_BOOTSTRAP_SERVERS:-broker:29092}',
  'properties.group.id' = '${KAFKA_GROUP_ID:-ex8-consumer}',
  'scan.startup.mode' = '${KAFKA_STARTING_OFFSETS:-earliest}-offset',
  'scan.bounded.mode' = '${KAFKA_BOUNDED_MODE:-unbounded}',
  'format' = 'avro-confluent',
  'avro-confluent.url' = '${SCHEMA_REGISTRY_URL:-http://schema-registry:8081}'
);
