-- Wide rows of which groups are counted. Some countries and authors have more of them than others.
CREATE TABLE IF NOT EXISTS articles (
  id bigint PRIMARY KEY,
  author_id bigint NOT NULL,
  country text NOT NULL,
  views bigint NOT NULL,
  body text NOT NULL
);

BEGIN;

TRUNCATE articles;

INSERT INTO articles (id, author_id, country, views, body)
SELECT
  n,
  1 + (n % 997) * (n % 991) % 1000,
  'C' || lpad(((n % 1000) * (n % 1000) / 20000)::text, 2, '0'),
  n % 1000,
  left(repeat(md5(n::text), 32), 1000)
FROM generate_series(1, {articles}) AS n;

COMMIT;

VACUUM (ANALYZE) articles;
