-- Stock of which everybody sells.
CREATE TABLE IF NOT EXISTS products (
  id bigint PRIMARY KEY,
  quantity bigint NOT NULL,
  version bigint NOT NULL DEFAULT 0
);

TRUNCATE products;

INSERT INTO products (id, quantity) SELECT n, 1000000 FROM generate_series(1, {products}) AS n;

VACUUM (ANALYZE) products;
