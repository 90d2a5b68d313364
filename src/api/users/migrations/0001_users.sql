-- Users: read by id and by page, both in the order of the primary key.
CREATE TABLE users (
    id           uuid        PRIMARY KEY,
    email        text        NOT NULL UNIQUE,
    full_name    text        NOT NULL,
    age          integer     NOT NULL CHECK (age BETWEEN 0 AND 150),
    country_code text        NOT NULL CHECK (country_code ~ '^[A-Z]{2}$'),
    is_active    boolean     NOT NULL,
    created_at   timestamptz NOT NULL
);
