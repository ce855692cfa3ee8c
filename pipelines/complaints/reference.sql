-- The tables that the pipeline reads from Postgres, with the rows of sample_*.csv:
-- psql -f reference.sql
CREATE SCHEMA IF NOT EXISTS trusted;
CREATE TABLE IF NOT EXISTS trusted.bancos (
  segmento text,
  cnpj text,
  nome text
);
INSERT INTO trusted.bancos VALUES
  ('S1', '60746948', 'BRADESCO'),
  ('S1', '60701190', 'ITAÚ'),
  ('S1', '00000000', 'BANCO DO BRASIL'),
  ('S1', '00360305', 'CAIXA ECONÔMICA FEDERAL'),
  ('S1', '90400888', 'SANTANDER'),
  ('S1', '18236120', 'NU PAGAMENTOS'),
  ('S2', '00416968', 'INTER'),
  ('S2', '31872495', 'C6 BANK'),
  ('S2', '10664513', 'AGIBANK'),
  ('S2', '58160789', 'SAFRA'),
  ('S2', '01149953', 'VOTORANTIM'),
  ('S2', '17184037', 'MERCANTIL DO BRASIL'),
  ('S2', '92702067', 'BANRISUL'),
  ('S2', '59285411', 'PAN'),
  ('S2', '62232889', 'DAYCOVAL'),
  ('S5', '11111111', 'INTER'),
  (NULL, '22222222', 'PAN');
CREATE TABLE IF NOT EXISTS trusted.empregados (
  employer_name text,
  reviews_count int,
  culture_count int,
  salaries_count int,
  benefits_count int,
  employerwebsite text,
  employerheadquarters text,
  employerfounded text,
  employerindustry text,
  employerrevenue text,
  url text,
  geral double precision,
  cultura_e_valores double precision,
  diversidade_e_inclusao double precision,
  qualidade_de_vida double precision,
  alta_lideranca double precision,
  remuneracao_e_beneficios double precision,
  oportunidades_de_carreira double precision,
  recomendam_para_outras_pessoas double precision,
  perspectiva_positiva_da_empresa double precision,
  segmento text,
  cnpj text,
  nome text
);
INSERT INTO trusted.empregados VALUES
  ('Bradesco', 1490, 6691, 3871, 2, 'www.b0.com.br', 'São Paulo', '1900', 'Bancos e crédito', NULL, 'https://www.glassdoor.com.br/0.htm', NULL, 1.9, 4.2, 4.4, 3.8, 3.7, 2.7, 50.0, 58.0, 'S1', '60746948', 'BRADESCO'),
  ('Itaú', NULL, 6592, 2136, 8031, 'www.b1.com.br', 'São Paulo', '1901', 'Bancos e crédito', 'Acima de R$ 10 bi (BRL)', 'https://www.glassdoor.com.br/1.htm', 3.7, 3.2, NULL, 1.8, NULL, 1.5, 2.3, 51.0, 45.0, 'S1', '60701190', 'ITAÚ'),
  ('Banco Do Brasil', 4071, 1786, 4059, 4910, 'www.b2.com.br', 'São Paulo', '1902', 'Bancos e crédito', 'Acima de R$ 10 bi (BRL)', 'https://www.glassdoor.com.br/2.htm', NULL, 2.2, 3.0, 2.6, 2.8, 1.3, 2.4, 83.0, 23.0, 'S2', '00000000', 'BANCO DO BRASIL'),
  ('Caixa Econômica Federal', 393, NULL, 2218, 4522, 'www.b3.com.br', 'São Paulo', '1903', 'Bancos e crédito', 'Acima de R$ 10 bi (BRL)', 'https://www.glassdoor.com.br/3.htm', 2.2, NULL, NULL, 3.3, 3.1, 1.5, 3.8, 28.0, 82.0, 'S2', '00360305', 'CAIXA ECONÔMICA FEDERAL'),
  ('Santander', 8652, 4550, 8816, 4827, 'www.b4.com.br', 'São Paulo', '1904', 'Bancos e crédito', 'Acima de R$ 10 bi (BRL)', 'https://www.glassdoor.com.br/4.htm', 1.8, 2.0, NULL, 2.1, 4.9, 2.3, 4.5, 28.0, 47.0, 'S1', '90400888', 'SANTANDER'),
  ('Nu Pagamentos', 4820, 4518, NULL, 5035, 'www.b5.com.br', 'São Paulo', '1905', 'Bancos e crédito', NULL, 'https://www.glassdoor.com.br/5.htm', 2.3, 1.5, 3.8, 3.4, 2.4, 1.4, 4.5, 54.0, 29.0, 'S1', '18236120', 'NU PAGAMENTOS'),
  ('Inter', 4349, 2156, 3136, 8476, 'www.b6.com.br', 'São Paulo', '1906', 'Bancos e crédito', 'Acima de R$ 10 bi (BRL)', 'https://www.glassdoor.com.br/6.htm', 1.4, 2.5, 4.2, 3.0, NULL, 2.7, 3.3, 42.0, 54.0, NULL, '00416968', 'INTER'),
  ('C6 Bank', 3938, 8313, 3684, 6811, 'www.b7.com.br', 'São Paulo', '1907', 'Bancos e crédito', 'Acima de R$ 10 bi (BRL)', 'https://www.glassdoor.com.br/7.htm', 3.4, 1.3, 3.3, 2.5, 1.3, 4.2, 1.9, 43.0, 35.0, 'S1', '31872495', 'C6 BANK'),
  ('Agibank', 3488, 3022, 4485, 2547, 'www.b8.com.br', 'São Paulo', '1908', 'Bancos e crédito', 'Acima de R$ 10 bi (BRL)', 'https://www.glassdoor.com.br/8.htm', 3.5, 3.0, 4.7, 3.6, NULL, 2.7, 1.3, 71.0, 48.0, 'S1', '10664513', 'AGIBANK'),
  ('Safra', NULL, 5595, 1863, 5426, 'www.b9.com.br', 'São Paulo', '1909', 'Bancos e crédito', 'Acima de R$ 10 bi (BRL)', 'https://www.glassdoor.com.br/9.htm', 3.1, 4.4, 2.7, 3.8, NULL, 1.8, 2.8, 61.0, 62.0, NULL, '58160789', 'SAFRA'),
  ('Votorantim', 216, 6682, NULL, 6652, 'www.b10.com.br', 'São Paulo', '1910', 'Bancos e crédito', NULL, 'https://www.glassdoor.com.br/10.htm', 2.8, 4.1, 3.9, 1.4, NULL, 4.1, 1.3, 89.0, 50.0, NULL, '01149953', 'VOTORANTIM'),
  ('Mercantil Do Brasil', 5626, 8080, NULL, 5011, 'www.b11.com.br', 'São Paulo', '1911', 'Bancos e crédito', NULL, 'https://www.glassdoor.com.br/11.htm', 3.9, NULL, 4.4, 2.3, 2.6, 2.3, 4.4, 34.0, 89.0, 'S1', '17184037', 'MERCANTIL DO BRASIL'),
  ('Fintech Qualquer', 3660, 8409, 6638, 2015, 'www.b12.com.br', 'São Paulo', '1912', 'Bancos e crédito', 'Acima de R$ 10 bi (BRL)', 'https://www.glassdoor.com.br/12.htm', 2.8, 2.7, 1.8, NULL, 5.0, 4.8, 1.7, 50.0, 36.0, 'S1', '77777777', 'FINTECH QUALQUER'),
  ('Itaú', NULL, NULL, 4537, 6689, 'www.b13.com.br', 'São Paulo', '1913', 'Bancos e crédito', NULL, 'https://www.glassdoor.com.br/13.htm', 1.3, 3.2, 3.7, 3.1, 2.3, 1.3, 3.2, 94.0, 76.0, NULL, NULL, 'ITAÚ'),
  ('Banco Safra', 3895, 1767, 8979, NULL, 'www.b14.com.br', 'São Paulo', '1914', 'Bancos e crédito', NULL, 'https://www.glassdoor.com.br/14.htm', 1.2, 4.7, 2.9, NULL, NULL, 1.8, 3.3, 27.0, 28.0, 'S1', '58160789', NULL);
