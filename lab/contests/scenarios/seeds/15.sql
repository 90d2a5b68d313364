-- Sessions of those who log in.
CREATE TABLE IF NOT EXISTS sessions (
  token text PRIMARY KEY,
  user_id bigint NOT NULL,
  expires_at timestamptz NOT NULL
);

TRUNCATE sessions;
