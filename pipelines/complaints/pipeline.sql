-- Complaints about banks from Kafka (Avro): cleaned rows into Postgres, and beside them the sums of
-- each bank joined with what its employees say, kept up to date; the same as Parquet on S3.
-- Every ${NAME:-default} is an environment variable; README.md has the list. A file in front of
-- this one may bring other tables: `brooklet run sample.sql pipeline.sql`.
SET 'pipeline.name' = 'complaints';
SET 'execution.checkpointing.dir' = 'file://${CHECKPOINT_LOCATION:-/tmp/complaints_checkpoint}';
SET 'execution.checkpointing.interval' = '${CHECKPOINT_INTERVAL:-30 s}';

-- Plain Avro has no schema in its records: the columns and their NOT NULLs are the writer's schema.
CREATE TABLE IF NOT EXISTS reclamacoes_stream (
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
  'format' = 'avro'
);

-- The two tables that are maintained elsewhere. Both are read again every REFERENCE_REFRESH: what
-- has changed there changes the joined rows; 0 s reads them once.
CREATE TABLE IF NOT EXISTS empregados (
  employer_name STRING, reviews_count INT, culture_count INT, salaries_count INT,
  benefits_count INT, employerwebsite STRING, employerheadquarters STRING, employerfounded STRING,
  employerindustry STRING, employerrevenue STRING, url STRING, geral DOUBLE,
  cultura_e_valores DOUBLE, diversidade_e_inclusao DOUBLE, qualidade_de_vida DOUBLE,
  alta_lideranca DOUBLE, remuneracao_e_beneficios DOUBLE, oportunidades_de_carreira DOUBLE,
  recomendam_para_outras_pessoas DOUBLE, perspectiva_positiva_da_empresa DOUBLE,
  segmento STRING, cnpj STRING, nome STRING
) WITH (
  'connector' = 'jdbc',
  'url' = 'jdbc:postgresql://${POSTGRES_HOST:-localhost}:${POSTGRES_PORT:-5432}/${DB_NAME:-complaints}',
  'table-name' = 'trusted.empregados',
  'username' = '${POSTGRES_USER:-postgres}',
  'password' = '${POSTGRES_PASSWORD}'
);
SET 'brooklet.table.empregados.refresh-interval' = '${REFERENCE_REFRESH:-1 min}';

CREATE TABLE IF NOT EXISTS bancos (segmento STRING, cnpj STRING, nome STRING) WITH (
  'connector' = 'jdbc',
  'url' = 'jdbc:postgresql://${POSTGRES_HOST:-localhost}:${POSTGRES_PORT:-5432}/${DB_NAME:-complaints}',
  'table-name' = 'trusted.bancos',
  'username' = '${POSTGRES_USER:-postgres}',
  'password' = '${POSTGRES_PASSWORD}'
);
SET 'brooklet.table.bancos.refresh-interval' = '${REFERENCE_REFRESH:-1 min}';

-- Numbers as Brazil writes them ('1.234,56'), the CNPJ with its leading zeros, the name of the
-- institution without its legal form. What is no number, and what is blank, becomes NULL.
CREATE VIEW reclamacoes_cleaned_stream AS
SELECT
  TRY_CAST(TRIM(ano) AS INT) AS ano,
  trimestre,
  categoria,
  tipo,
  LPAD(NULLIF(TRIM(cnpj_if), ''), 8, '0') AS cnpj,
  TRIM(REGEXP_REPLACE(
    UPPER(TRIM(instituicao_financeira)),
    '\s*(S\s*\.?\s*A\s*\.?((\s*-\s*)?\s*CFI)?|LTDA\.?|- CFI - PRUDENCIAL|- CFI|- PRUDENCIAL|S\s*\.?\s*A\s*\.? - PRUDENCIAL|\(CONGLOMERADO\))$',
    '')) AS instituicao_financeira,
  TRY_CAST(
    REPLACE(REPLACE(NULLIF(TRIM(indice), ''), '.', ''), ',', '.')
    AS DECIMAL(18, 2)) AS indice,
  TRY_CAST(NULLIF(TRIM(quantidade_de_reclamacoes_reguladas_procedentes), '') AS INT)
    AS qtd_reclamacoes_reguladas_procedentes,
  TRY_CAST(NULLIF(TRIM(quantidade_de_reclamacoes_reguladas_outras), '') AS INT)
    AS qtd_reclamacoes_reguladas_outras,
  TRY_CAST(NULLIF(TRIM(quantidade_de_reclamacoes_nao_reguladas), '') AS INT)
    AS qtd_reclamacoes_nao_reguladas,
  TRY_CAST(NULLIF(TRIM(quantidade_total_de_clientes_ccs_e_scr), '') AS INT)
    AS qtd_total_clientes_ccs_e_scr,
  TRY_CAST(NULLIF(TRIM(quantidade_de_clientes_ccs), '') AS INT) AS qtd_clientes_ccs,
  TRY_CAST(NULLIF(TRIM(quantidade_de_clientes_scr), '') AS INT) AS qtd_clientes_scr,
  TRY_CAST(NULLIF(TRIM(quantidade_total_de_reclamacoes), '') AS INT) AS qtd_total_reclamacoes
FROM reclamacoes_stream;

CREATE VIEW reclamacoes_agg AS
SELECT
  ano, trimestre, categoria, tipo, cnpj, instituicao_financeira,
  AVG(indice) AS indice,
  SUM(qtd_reclamacoes_reguladas_procedentes) AS qtd_reclamacoes_reguladas_procedentes,
  SUM(qtd_reclamacoes_reguladas_outras) AS qtd_reclamacoes_reguladas_outras,
  SUM(qtd_reclamacoes_nao_reguladas) AS qtd_reclamacoes_nao_reguladas,
  SUM(CAST(qtd_total_clientes_ccs_e_scr AS BIGINT)) AS qtd_total_clientes_ccs_e_scr,
  SUM(CAST(qtd_clientes_ccs AS BIGINT)) AS qtd_clientes_ccs,
  SUM(CAST(qtd_clientes_scr AS BIGINT)) AS qtd_clientes_scr,
  SUM(qtd_total_reclamacoes) AS qtd_total_reclamacoes
FROM reclamacoes_cleaned_stream
GROUP BY ano, trimestre, categoria, tipo, cnpj, instituicao_financeira;

-- An employer takes segment, CNPJ and name from the bank that has its CNPJ or its name.
CREATE VIEW emp_bco_join AS
SELECT
  emp.employer_name, emp.reviews_count, emp.culture_count, emp.salaries_count, emp.benefits_count,
  emp.employerwebsite, emp.employerheadquarters, emp.employerfounded, emp.employerindustry,
  emp.employerrevenue, emp.url, emp.geral, emp.cultura_e_valores, emp.diversidade_e_inclusao,
  emp.qualidade_de_vida, emp.alta_lideranca, emp.remuneracao_e_beneficios,
  emp.oportunidades_de_carreira, emp.recomendam_para_outras_pessoas,
  emp.perspectiva_positiva_da_empresa,
  COALESCE(bco.segmento, emp.segmento) AS segmento,
  COALESCE(bco.cnpj, emp.cnpj) AS cnpj,
  COALESCE(bco.nome, emp.nome) AS nome
FROM empregados AS emp
LEFT JOIN bancos AS bco ON emp.cnpj = bco.cnpj OR emp.nome = bco.nome;

-- A row that a duplicate in the tables above would repeat stands here once.
CREATE VIEW reclamacoes_result AS
SELECT DISTINCT
  rec.ano, rec.trimestre, rec.categoria, rec.tipo, rec.cnpj, rec.instituicao_financeira,
  rec.indice, rec.qtd_reclamacoes_reguladas_procedentes, rec.qtd_reclamacoes_reguladas_outras,
  rec.qtd_reclamacoes_nao_reguladas, rec.qtd_total_clientes_ccs_e_scr, rec.qtd_clientes_ccs,
  rec.qtd_clientes_scr, rec.qtd_total_reclamacoes,
  emp.employer_name, emp.reviews_count, emp.culture_count, emp.salaries_count, emp.benefits_count,
  emp.employerwebsite, emp.employerheadquarters, emp.employerfounded, emp.employerindustry,
  emp.employerrevenue, emp.url, emp.geral, emp.cultura_e_valores, emp.diversidade_e_inclusao,
  emp.qualidade_de_vida, emp.alta_lideranca, emp.remuneracao_e_beneficios,
  emp.oportunidades_de_carreira, emp.recomendam_para_outras_pessoas,
  emp.perspectiva_positiva_da_empresa, emp.segmento, emp.nome
FROM reclamacoes_agg AS rec
INNER JOIN emp_bco_join AS emp
  ON rec.cnpj = emp.cnpj OR rec.instituicao_financeira = emp.nome;

CREATE TABLE IF NOT EXISTS reclamacoes_cleaned (
  ano INT, trimestre STRING, categoria STRING, tipo STRING, cnpj STRING,
  instituicao_financeira STRING, indice DECIMAL(18, 2),
  qtd_reclamacoes_reguladas_procedentes INT, qtd_reclamacoes_reguladas_outras INT,
  qtd_reclamacoes_nao_reguladas INT, qtd_total_clientes_ccs_e_scr INT, qtd_clientes_ccs INT,
  qtd_clientes_scr INT, qtd_total_reclamacoes INT
) WITH (
  'connector' = 'jdbc',
  'url' = 'jdbc:postgresql://${POSTGRES_HOST:-localhost}:${POSTGRES_PORT:-5432}/${DB_NAME:-complaints}',
  'table-name' = 'trusted.reclamacoes_cleaned',
  'username' = '${POSTGRES_USER:-postgres}',
  'password' = '${POSTGRES_PASSWORD}'
);
SET 'brooklet.table.reclamacoes_cleaned.create-table' = 'if-not-exists';

-- What identifies a row may be NULL, which no key may: row_id is made of it.
CREATE TABLE IF NOT EXISTS reclamacoes_joined (
  row_id STRING NOT NULL,
  ano INT, trimestre STRING, categoria STRING, tipo STRING, cnpj STRING,
  instituicao_financeira STRING, indice DECIMAL(38, 6),
  qtd_reclamacoes_reguladas_procedentes INT, qtd_reclamacoes_reguladas_outras INT,
  qtd_reclamacoes_nao_reguladas INT, qtd_total_clientes_ccs_e_scr BIGINT, qtd_clientes_ccs BIGINT,
  qtd_clientes_scr BIGINT, qtd_total_reclamacoes INT,
  employer_name STRING, reviews_count INT, culture_count INT, salaries_count INT,
  benefits_count INT, employerwebsite STRING, employerheadquarters STRING, employerfounded STRING,
  employerindustry STRING, employerrevenue STRING, url STRING, geral DOUBLE,
  cultura_e_valores DOUBLE, diversidade_e_inclusao DOUBLE, qualidade_de_vida DOUBLE,
  alta_lideranca DOUBLE, remuneracao_e_beneficios DOUBLE, oportunidades_de_carreira DOUBLE,
  recomendam_para_outras_pessoas DOUBLE, perspectiva_positiva_da_empresa DOUBLE,
  segmento STRING, nome STRING,
  PRIMARY KEY (row_id) NOT ENFORCED
) WITH (
  'connector' = 'jdbc',
  'url' = 'jdbc:postgresql://${POSTGRES_HOST:-localhost}:${POSTGRES_PORT:-5432}/${DB_NAME:-complaints}',
  'table-name' = 'trusted.reclamacoes_joined',
  'username' = '${POSTGRES_USER:-postgres}',
  'password' = '${POSTGRES_PASSWORD}'
);
SET 'brooklet.table.reclamacoes_joined.create-table' = 'if-not-exists';

-- The complete result as of an epoch, in a directory epoch=N: a new one every CHECKPOINT_INTERVAL in
-- which it changed. Flink writes such a directory in batch mode, by INSERT OVERWRITE.
CREATE TABLE IF NOT EXISTS reclamacoes_joined_s3 (
  ano INT, trimestre STRING, categoria STRING, tipo STRING, cnpj STRING,
  instituicao_financeira STRING, indice DECIMAL(38, 6),
  qtd_reclamacoes_reguladas_procedentes INT, qtd_reclamacoes_reguladas_outras INT,
  qtd_reclamacoes_nao_reguladas INT, qtd_total_clientes_ccs_e_scr BIGINT, qtd_clientes_ccs BIGINT,
  qtd_clientes_scr BIGINT, qtd_total_reclamacoes INT,
  employer_name STRING, reviews_count INT, culture_count INT, salaries_count INT,
  benefits_count INT, employerwebsite STRING, employerheadquarters STRING, employerfounded STRING,
  employerindustry STRING, employerrevenue STRING, url STRING, geral DOUBLE,
  cultura_e_valores DOUBLE, diversidade_e_inclusao DOUBLE, qualidade_de_vida DOUBLE,
  alta_lideranca DOUBLE, remuneracao_e_beneficios DOUBLE, oportunidades_de_carreira DOUBLE,
  recomendam_para_outras_pessoas DOUBLE, perspectiva_positiva_da_empresa DOUBLE,
  segmento STRING, nome STRING, epoch BIGINT
) PARTITIONED BY (epoch) WITH (
  'connector' = 'filesystem',
  'path' = '${S3_SCHEME:-s3a}://${S3_BUCKET_NAME:-complaints}/reclamacoes',
  'format' = 'parquet',
  'parquet.compression' = 'SNAPPY',
  'parquet.utc-timezone' = 'true'
);
SET 'brooklet.table.reclamacoes_joined_s3.output-mode' = 'complete';
SET 'brooklet.table.reclamacoes_joined_s3.epoch-column' = 'epoch';

EXECUTE STATEMENT SET BEGIN
  INSERT INTO reclamacoes_cleaned SELECT * FROM reclamacoes_cleaned_stream;
  INSERT INTO reclamacoes_joined
  SELECT
    MD5(CONCAT_WS('|',
      COALESCE(CAST(ano AS STRING), '~'), trimestre, categoria, tipo, COALESCE(cnpj, '~'),
      instituicao_financeira, COALESCE(url, '~'), COALESCE(segmento, '~'), COALESCE(nome, '~'))),
    *
  FROM reclamacoes_result
  ON CONFLICT DO DEDUPLICATE;
  INSERT INTO reclamacoes_joined_s3 SELECT *, CAST(NULL AS BIGINT) FROM reclamacoes_result;
END;
