-- Who is there, and the number that each has. An expired row is nobody's: its number is free. Not in a schema
-- `pouco`: a role of that name, as people have, would find it before `public` (Postgres manual, section
-- 5.10.3).
CREATE SCHEMA IF NOT EXISTS pouco_replicas;

CREATE TABLE IF NOT EXISTS pouco_replicas.members (
    -- A process, from its start to its end.
    instance uuid PRIMARY KEY,
    number   integer NOT NULL,
    -- Whether the number was given out here, or is set in the replica's environment.
    leased   boolean NOT NULL,
    -- Where the others reach it; null if they cannot.
    address  text,
    -- What rows it commits that others keep in memory; null if none.
    channel  text,
    until    timestamptz NOT NULL
);

-- Numbers that were set may clash. They are hints.
CREATE UNIQUE INDEX IF NOT EXISTS replicas_leased ON pouco_replicas.members (number) WHERE leased;

-- By it they know each other. Whoever may read this may write what they send as well.
CREATE TABLE IF NOT EXISTS pouco_replicas.secret (
    one    boolean PRIMARY KEY DEFAULT true CHECK (one),
    secret bytea NOT NULL
);
INSERT INTO pouco_replicas.secret (secret)
VALUES (uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())) ON CONFLICT DO NOTHING;
