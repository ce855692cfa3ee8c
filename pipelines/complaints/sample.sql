-- The tables of pipeline.sql without a service, to be put in front of it: sample_*.jsonl and
-- sample_*.csv in, the joined rows on the terminal and the cleaned ones below output/ out.
SET 'brooklet.checkpoint.location' = 'output/state';

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
) WITH ('connector' = 'filesystem', 'path' = 'sample_complaints.jsonl', 'format' = 'json');

CREATE TABLE empregados (
  employer_name STRING, reviews_count INT, culture_count INT, salaries_count INT,
  benefits_count INT, employerwebsite STRING, employerheadquarters STRING, employerfounded STRING,
  employerindustry STRING, employerrevenue STRING, url STRING, geral DOUBLE,
  cultura_e_valores DOUBLE, diversidade_e_inclusao DOUBLE, qualidade_de_vida DOUBLE,
  alta_lideranca DOUBLE, remuneracao_e_beneficios DOUBLE, oportunidades_de_carreira DOUBLE,
  recomendam_para_outras_pessoas DOUBLE, perspectiva_positiva_da_empresa DOUBLE,
  segmento STRING, cnpj STRING, nome STRING
) WITH (
  'connector' = 'filesystem', 'path' = 'sample_empregados.csv', 'format' = 'csv',
  'csv.null-literal' = ''
);

CREATE TABLE bancos (segmento STRING, cnpj STRING, nome STRING) WITH (
  'connector' = 'filesystem', 'path' = 'sample_bancos.csv', 'format' = 'csv',
  'csv.null-literal' = ''
);

CREATE TABLE reclamacoes_cleaned (
  ano INT, trimestre STRING, categoria STRING, tipo STRING, cnpj STRING,
  instituicao_financeira STRING, indice DECIMAL(18, 2),
  qtd_reclamacoes_reguladas_procedentes INT, qtd_reclamacoes_reguladas_outras INT,
  qtd_reclamacoes_nao_reguladas INT, qtd_total_clientes_ccs_e_scr INT, qtd_clientes_ccs INT,
  qtd_clientes_scr INT, qtd_total_reclamacoes INT
) WITH ('connector' = 'filesystem', 'path' = 'output/reclamacoes_cleaned', 'format' = 'parquet');

CREATE TABLE reclamacoes_joined (
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
  segmento STRING, nome STRING
) WITH ('connector' = 'print');

CREATE TABLE reclamacoes_joined_s3 (
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
  'connector' = 'filesystem', 'path' = 'output/reclamacoes', 'format' = 'parquet'
);
