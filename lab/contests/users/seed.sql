-- The data of the contest: 10,000 users, the same for everybody, made of their numbers alone.
-- src/oracle/users/ makes the same a second time, and a run that finds them otherwise ends. The lab runs
-- this file as the API's role; a statement ends with a semicolon at the end of a line.
CREATE TABLE IF NOT EXISTS users (
  id uuid PRIMARY KEY,
  email text NOT NULL UNIQUE,
  full_name text NOT NULL,
  age integer NOT NULL,
  country_code text NOT NULL,
  is_active boolean NOT NULL,
  created_at timestamptz NOT NULL
);

-- Ids are of version 4 by form, and come in another order than the rows: the 13th digit is the version, the
-- 17th the variant.
INSERT INTO users (id, email, full_name, age, country_code, is_active, created_at)
SELECT
  overlay(overlay(md5(n::text) placing '4' from 13) placing substr('89ab', 1 + n % 4, 1) from 17)::uuid,
  'user' || n || '@example.com',
  (ARRAY['Ana', 'Björn', 'Chloé', 'Đorđe', 'Emre', 'Fátima', 'Grace', 'Hiro'])[1 + n % 8] || ' ' ||
    (ARRAY['Almeida', 'Brown', 'Costa', 'Dvořák', 'Eriksson', 'O''Neill', 'Şahin'])[1 + n % 7] || ' ' || n,
  18 + n % 63,
  (ARRAY['BR', 'DE', 'ES', 'FR', 'GB', 'IN', 'JP', 'PL', 'TR', 'US', 'ZA'])[1 + n % 11],
  n % 10 <> 0,
  timestamptz '2024-01-01 00:00:00+00' + n * interval '3607 seconds'
FROM generate_series(1, 10000) AS n;

VACUUM (ANALYZE) users;
