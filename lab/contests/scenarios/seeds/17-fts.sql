-- Whole words are found.
CREATE INDEX IF NOT EXISTS users_words ON users USING gin (to_tsvector('simple', name || ' ' || email));

VACUUM (ANALYZE) users;
