-- Writes the complaints of sample_complaints.jsonl to the topic that pipeline.sql reads, as Avro.
SET 'pipeline.name' = 'complaints-feed';

CREATE TABLE sample (
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
) WITH ('connector' = 'filesystem', 'path' = 'sample_complaints.jsonl', 'format' = 'json');

CREATE TABLE topic WITH (
  'connector' = 'kafka',
  'topic' = '${KAFKA_TOPIC:-my-topic}',
  'properties.bootstrap.servers' = '${KAFKA_BOOTSTRAP_SERVERS:-broker:29092}',
  'format' = 'avro'
) LIKE sample (EXCLUDING OPTIONS);

INSERT INTO topic SELECT * FROM sample;
