CREATE TABLE users (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email         text        NOT NULL,
    full_name     text        NOT NULL,
    -- bcrypt: $2b$, also $2a$ and $2y$ of accounts that come from elsewhere.
    password_hash text        NOT NULL,
    is_active     boolean     NOT NULL DEFAULT true,
    created_at    timestamptz NOT NULL DEFAULT now()
);

-- Addresses that differ by case are one account.
CREATE UNIQUE INDEX users_email_key ON users (lower(email));

-- One row a login, however often it is refreshed: only the newest token of a family is good.
CREATE TABLE refresh_families (
    family     uuid PRIMARY KEY,
    user_id    bigint      NOT NULL REFERENCES users ON DELETE CASCADE,
    -- SHA-256 of the newest token.
    token_hash bytea       NOT NULL,
    expires_at timestamptz NOT NULL
);

CREATE INDEX refresh_families_user ON refresh_families (user_id, expires_at);
