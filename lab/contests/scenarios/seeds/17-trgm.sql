-- Parts of a text are found by the groups of three letters that they have.
CREATE EXTENSION IF NOT EXISTS pg_trgm;

CREATE INDEX IF NOT EXISTS users_trgm ON users USING gin (name gin_trgm_ops, email gin_trgm_ops);

VACUUM (ANALYZE) users;
